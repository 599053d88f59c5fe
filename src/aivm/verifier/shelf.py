"""The models at hand: packages fetched and verified, and which program takes which inputs.

A model that is not here is fetched behind its asker's back, so that a large one, or storage that
does not answer, holds nobody up: the asker is told to come again. What a program takes that its
package does not list is asked of a worker process: deriving it means compiling what a stranger has
published.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivm.errors import AivmError, DeadlineExceeded, Overloaded, VerificationError
from aivm.isa import TensorType
from aivm.market.models import Models
from aivm.market.openinference import Tensor
from aivm.numerics.dtypes import DType
from aivm.packages import Package
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 2.0
MAX_FETCHES = 16
KEPT_SIGNATURES = 1024

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ProgramSignature:
    """What a program takes and gives, and what a run of it costs in gas units."""

    root: bytes
    gas: int
    input_names: tuple[str, ...]
    input_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]

    def order(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors in the program's order. Raises VerificationError if they are not its."""
        by_name = {tensor.name: tensor for tensor in tensors}
        if set(by_name) != set(self.input_names):
            raise VerificationError(
                f"the receipt's program takes {', '.join(self.input_names)}",
                hint=f"The inputs that were sent: {', '.join(by_name) or 'none'}.",
            )
        ordered = []
        for name, kind in zip(self.input_names, self.input_types, strict=True):
            tensor = by_name[name]
            # A file of arrays cannot say that its 16 bits are a float's: the program does.
            same_bits = {tensor.dtype, kind.dtype} <= {DType.U16, DType.F16, DType.BF16}
            if tensor.array.shape != kind.shape or not (tensor.dtype is kind.dtype or same_bits):
                raise VerificationError(
                    f"input {name!r} is {tensor.dtype.name}{list(tensor.array.shape)},"
                    f" the program takes {kind.dtype.name}{list(kind.shape)}"
                )
            ordered.append(Tensor(name, kind.dtype, tensor.array))
        return ordered


class Shelf:
    """Packages by model id, and the signatures of their programs by input shapes."""

    def __init__(self, models: Models, workers: WorkerPool) -> None:
        self._models = models
        self._workers = workers
        self._fetching: dict[bytes, asyncio.Task[Package]] = {}
        self._signatures: OrderedDict[object, ProgramSignature] = OrderedDict()

    async def package(self, model: bytes) -> Package:
        """The package of a model.

        Raises DeadlineExceeded while it is being fetched, and what `Models` raises.
        """
        task = self._fetching.get(model)
        if task is None:
            if len(self._fetching) >= MAX_FETCHES:
                raise Overloaded("too many models are being fetched")
            task = asyncio.create_task(self._models.package(model.hex()))
            self._fetching[model] = task
            task.add_done_callback(lambda done: self._fetched(model, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE_SECONDS)
        except TimeoutError:
            raise DeadlineExceeded(
                f"model {model.hex()} is being fetched", hint="Send the receipt again in a while."
            ) from None

    async def signature(self, package: Package, shapes: Shapes) -> ProgramSignature:
        """What the program for these input shapes takes; raises as `WorkerPool.describe`."""
        key = (package.model_id, tuple(sorted(shapes.items())))
        found = self._signatures.pop(key, None) or _listed(package, shapes)
        if found is None:
            found = _signature(
                await self._workers.describe(package.model_id.hex(), package.directory, shapes)
            )
            while len(self._signatures) >= KEPT_SIGNATURES:
                self._signatures.popitem(last=False)
        self._signatures[key] = found
        return found

    async def close(self) -> None:
        """Break off what is being fetched; what has come stays on disk."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fetched(self, model: bytes, done: asyncio.Task[Package]) -> None:
        del self._fetching[model]
        # Whoever waited has gone, or not: the failure is looked at here in any case.
        if not done.cancelled() and isinstance(done.exception(), AivmError):
            log.info("model %s cannot be had: %s", model.hex(), done.exception())


def _listed(package: Package, shapes: Shapes) -> ProgramSignature | None:
    """Of a program that the package lists: opening it has checked and decoded them all."""
    for entry in package.manifest.entries:
        if {port.name: port.shape for port in entry.inputs} == dict(shapes):
            program = package.program(entry.name)
            types = program.value_types
            return ProgramSignature(
                root=entry.program,
                gas=entry.gas_units,
                input_names=tuple(port.name for port in entry.inputs),
                input_types=program.inputs,
                output_types=tuple(types[value] for value in program.outputs),
            )
    return None


def _signature(described: Mapping[str, Any]) -> ProgramSignature:
    kinds = {
        side: tuple(TensorType(DType[dtype], tuple(shape)) for _, dtype, shape in described[side])
        for side in ("inputs", "outputs")
    }
    return ProgramSignature(
        root=bytes.fromhex(described["root"]),
        gas=described["gas"],
        input_names=tuple(name for name, _, _ in described["inputs"]),
        input_types=kinds["inputs"],
        output_types=kinds["outputs"],
    )
