"""What this provider serves: installed packages, found by model id or name, priced per program."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aivm.errors import NotFound, WrongTensor
from aivm.isa import TensorType
from aivm.market.openinference import Tensor
from aivm.numerics.dtypes import DType
from aivm.packages import Package, Role, compiler_version

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
KEPT_DERIVED = 256


@dataclass(frozen=True)
class Offer:
    """One program of a model, ready to be asked for; `derived_by` as in `SignedReceipt.derived`."""

    name: str
    root: bytes
    gas: int
    input_names: tuple[str, ...]
    input_types: tuple[TensorType, ...]
    output_names: tuple[str, ...]
    output_types: tuple[TensorType, ...]
    derived_by: str | None = None

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The input types by name."""
        return dict(zip(self.input_names, self.input_types, strict=True))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The input shapes by name."""
        return {name: kind.shape for name, kind in self.inputs.items()}

    def order(self, tensors: Sequence[Tensor]) -> list[Tensor] | None:
        """The tensors in the program's order, or None where they are not its inputs."""
        by_name = {tensor.name: tensor for tensor in tensors}
        if set(by_name) != set(self.input_names):
            return None
        ordered = [by_name[name] for name in self.input_names]
        fits = all(
            tensor.dtype is kind.dtype and tensor.array.shape == kind.shape
            for tensor, kind in zip(ordered, self.input_types, strict=True)
        )
        return ordered if fits else None


@dataclass(frozen=True)
class ServedModel:
    """An opened, fully verified package; `derived` are programs that were asked for besides."""

    package: Package
    offers: tuple[Offer, ...]
    derived: OrderedDict[Shapes, Offer] = field(default_factory=OrderedDict)

    @property
    def name(self) -> str:
        return self.package.manifest.name

    @property
    def derives(self) -> bool:
        """Whether the package carries the model, from which further programs can be derived."""
        return any(file.role is Role.SOURCE for file in self.package.manifest.files)

    def find(self, tensors: Sequence[Tensor]) -> tuple[Offer, list[Tensor]] | None:
        """The known program whose inputs these are, listed or derived before."""
        for offer in (*self.offers, *self.derived.values()):
            ordered = offer.order(tensors)
            if ordered is not None:
                return offer, ordered
        return None

    def can_derive(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these may be inputs of the model for other sizes of its open dimensions."""
        wanted = {port.name: port for port in self.package.manifest.inputs}
        if not self.derives or sorted(wanted) != sorted(tensor.name for tensor in tensors):
            return False
        sizes: dict[str, int] = {}
        for tensor in tensors:
            port, shape = wanted[tensor.name], tensor.array.shape
            if tensor.dtype is not port.dtype or len(shape) != len(port.shape):
                return False
            for size, named in zip(shape, port.shape, strict=True):
                if size != (sizes.setdefault(named, size) if isinstance(named, str) else named):
                    return False
        return True

    def remember(self, derived: Offer) -> None:
        """Keeps a derived program; of too many, the oldest goes."""
        while len(self.derived) >= KEPT_DERIVED:
            self.derived.popitem(last=False)
        self.derived[tuple(sorted(derived.shapes.items()))] = derived

    def choose(self, tensors: Sequence[Tensor]) -> tuple[Offer, list[Tensor]]:
        """The program whose inputs these are. Raises WrongTensor with what would fit."""
        found = self.find(tensors)
        if found is not None:
            return found
        asked = ", ".join(_described(t.name, t.dtype.name, t.array.shape) for t in tensors)
        known = "; ".join(
            ", ".join(
                _described(name, kind.dtype.name, kind.shape)
                for name, kind in zip(offer.input_names, offer.input_types, strict=True)
            )
            for offer in self.offers
        )
        raise WrongTensor(f"no program of {self.name} takes {asked}", hint=f"It takes: {known}")


class Catalog:
    """The models of one agent."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, ServedModel] = {}

    @property
    def models(self) -> Mapping[bytes, ServedModel]:
        return self._by_id

    def install(self, package: Package) -> ServedModel:
        """Offer the programs of an opened (so: verified) package."""
        offers = []
        for entry in package.manifest.entries:
            program = package.program(entry.name)
            types = program.value_types
            offers.append(
                Offer(
                    name=entry.name,
                    root=entry.program,
                    gas=entry.gas_units,
                    input_names=tuple(port.name for port in entry.inputs),
                    input_types=program.inputs,
                    output_names=tuple(port.name for port in entry.outputs),
                    output_types=tuple(types[value] for value in program.outputs),
                )
            )
        served = ServedModel(package, tuple(offers))
        self._by_id[package.model_id] = served
        return served

    def find(self, reference: str, version: str = "") -> ServedModel:
        """By model id (hexadecimal) or by name, and by version if one is given. Raises NotFound."""
        for model_id, served in self._by_id.items():
            named = reference in (model_id.hex(), served.name)
            if named and version in ("", served.package.manifest.version):
                return served
        asked = f"{reference}:{version}" if version else reference
        raise NotFound(f"this provider does not serve {asked!r}")


def derived_offer(described: Mapping[str, Any]) -> Offer:
    """The offer of a program as a worker describes it."""
    names, kinds = {}, {}
    for side in ("inputs", "outputs"):
        names[side] = tuple(name for name, _, _ in described[side])
        kinds[side] = tuple(
            TensorType(DType[dtype], tuple(shape)) for _, dtype, shape in described[side]
        )
    return Offer(
        name="derived",
        root=bytes.fromhex(described["root"]),
        gas=described["gas"],
        input_names=names["inputs"],
        input_types=kinds["inputs"],
        output_names=names["outputs"],
        output_types=kinds["outputs"],
        derived_by=compiler_version(),
    )


def _described(name: str, dtype: str, shape: tuple[int, ...]) -> str:
    return f"{name}: {dtype}{list(shape)}"
