"""What quantisation costs a model: its answers before and after, on samples.

The report travels with the package as `quantization.json`, so that a buyer sees what the publisher
saw. Both programs run on the wasm engine; every other gives the same figures.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from aivm.commitments import Array, numpy_dtype
from aivm.compiler import CompiledModel, Model, compile_model, inspect_model, load_model
from aivm.compiler.quantise import QuantisedModel, Scheme, quantise
from aivm.engines import open_engine
from aivm.errors import BadInput
from aivm.isa.gas import gas_units
from aivm.isa.instructions import Cast, Gather, Move
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.packages.claims import Quantization
from aivm.packages.entries import Role
from aivm.packages.writer import ExtraFile

REPORT = "quantization.json"
REPORT_TYPE = "aivm.quantization.v1"
SYNTHETIC_SAMPLES = 4

Sample = Mapping[str, Array]
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutputError:
    """A F32 output over all samples, before and after.

    `largest` and `rms` are errors relative to the output's greatest size and rms before; `cosine`
    is between all values before and after; `same_choice` is the share of rows (all but the last
    axis) whose greatest element stays the same.
    """

    name: str
    largest: float
    rms: float
    cosine: float
    same_choice: float


@dataclass(frozen=True, slots=True)
class Size:
    """What a program costs: bytes of all its constants, and gas units of one run."""

    constant_bytes: int
    gas_units: int


@dataclass(frozen=True, slots=True)
class QuantisationReport:
    """Everything that `quantization.json` says; sizes are those of the first sample's programs."""

    quantised: QuantisedModel
    samples: int
    synthetic: bool
    outputs: tuple[OutputError, ...]
    before: Size
    after: Size

    def document(self) -> dict[str, object]:
        """The report as JSON."""
        return {
            "type": REPORT_TYPE,
            "scheme": self.quantised.scheme,
            "samples": self.samples,
            "synthetic_samples": self.synthetic,
            "outputs": [asdict(output) for output in self.outputs],
            "before": asdict(self.before),
            "after": asdict(self.after),
            "layers": [asdict(layer) for layer in self.quantised.layers],
            "kept": [asdict(kept) for kept in self.quantised.kept],
        }

    @property
    def claim(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(self.quantised.scheme, REPORT)

    def file(self) -> ExtraFile:
        """The report, to be shipped with the model."""
        text = json.dumps(self.document(), indent=2, ensure_ascii=False)
        return ExtraFile(REPORT, Role.REPORT, text.encode() + b"\n")


def quantise_and_measure(
    model: Model,
    scheme: Scheme,
    *,
    shapes: Mapping[str, tuple[int, ...]],
    bindings: Mapping[str, Array],
    samples: Sequence[Sample] = (),
    keep: Collection[str] = (),
) -> QuantisationReport:
    """Quantises the model and runs both on the samples, or on synthetic ones of these shapes.

    A sample names every input that is not bound, in any shapes that the model allows. Raises what
    `quantise`, `compile_model` and a run raise, and BadInput for a sample that lacks an input.
    """
    original = load_model(model)
    quantised = quantise(original, scheme, keep=keep)
    changed = load_model(quantised.proto)
    given = samples or synthetic_samples(compile_model(original, shapes, bindings=bindings))
    results: dict[str, list[tuple[Array, Array]]] = {}
    sizes: list[tuple[Size, Size]] = []
    for sample in given:
        _check_sample(original, sample, bindings)
        before, after = (_compiled(each, sample, bindings) for each in (original, changed))
        sizes.append((_size(before), _size(after)))
        runs = zip(before.output_names, _run(before, sample), _run(after, sample), strict=True)
        for name, old, new in runs:
            results.setdefault(name, []).append((old, new))
    return QuantisationReport(
        quantised=quantised,
        samples=len(given),
        synthetic=not samples,
        outputs=tuple(
            _error(name, pairs)
            for name, pairs in results.items()
            if pairs[0][0].dtype == np.float32
        ),
        before=sizes[0][0],
        after=sizes[0][1],
    )


def _check_sample(model: Model, sample: Sample, bindings: Mapping[str, Array]) -> None:
    for tensor in inspect_model(model).inputs:
        if tensor.name not in sample and tensor.name not in bindings:
            raise BadInput(f"a sample has no input {tensor.name!r}")


def _compiled(model: Model, sample: Sample, bindings: Mapping[str, Array]) -> CompiledModel:
    shapes = {name: array.shape for name, array in sample.items()}
    return compile_model(model, shapes, bindings=bindings)


def _size(model: CompiledModel) -> Size:
    return Size(sum(array.nbytes for array in model.constants), gas_units(model.program))


def _run(model: CompiledModel, sample: Sample) -> list[Array]:
    executable = open_engine("wasm").load(model.program, model.constants)
    try:
        return executable.run([sample[name] for name in model.input_names])
    finally:
        executable.close()


# --- errors ---------------------------------------------------------------------------------------


def _error(name: str, pairs: Sequence[tuple[Array, Array]]) -> OutputError:
    old, new = (_joined([pair[side] for pair in pairs]) for side in (0, 1))
    wrong = new - old
    lengths = _length(old) * _length(new)
    return OutputError(
        name=name,
        largest=_ratio(float(np.abs(wrong).max(initial=0)), float(np.abs(old).max(initial=0))),
        rms=_ratio(_length(wrong), _length(old)),
        cosine=float(old @ new) / lengths if lengths else 1.0,
        same_choice=_same_choice(pairs),
    )


def _joined(arrays: Sequence[Array]) -> _Numbers:
    return np.concatenate([array.astype(np.float64).reshape(-1) for array in arrays])


def _length(vector: _Numbers) -> float:
    return float(np.sqrt(vector @ vector))


def _ratio(wrong: float, whole: float) -> float:
    return wrong / whole if whole else wrong


def _same_choice(pairs: Sequence[tuple[Array, Array]]) -> float:
    same = []
    for old, new in pairs:
        rows = [each.reshape(-1, each.shape[-1] if each.ndim else 1) for each in (old, new)]
        if rows[0].size:
            same.append(rows[0].argmax(axis=1) == rows[1].argmax(axis=1))
    return float(np.concatenate(same).mean()) if same else 1.0


# --- synthetic samples ----------------------------------------------------------------------------


def synthetic_samples(model: CompiledModel) -> list[dict[str, Array]]:
    """Noise: standard normal numbers, truths, and integers that are inside the tables they index.

    Integers that index nothing are 0 and 1, as in a mask. The same for the same program.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    limits = _index_limits(model.program)
    types = list(zip(model.input_names, model.program.inputs, strict=True))
    return [
        {
            name: _noise(rng, type_.dtype, type_.shape, limits.get(place, 2))
            for place, (name, type_) in enumerate(types)
        }
        for _ in range(SYNTHETIC_SAMPLES)
    ]


def _noise(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], limit: int) -> Array:
    if dtype is DType.F32:
        return rng.standard_normal(shape, np.float32)
    if dtype.is_integer or dtype is DType.BOOL:
        return rng.integers(0, limit, shape).astype(numpy_dtype(dtype))
    raise BadInput(
        f"no samples can be made up for an input of {dtype.name}", hint="Give some: --calibrate."
    )


def _index_limits(program: Program) -> dict[int, int]:
    """For every input that indexes a table (as it is, moved or cast), the size of the smallest."""
    origin = {place: place for place in range(len(program.inputs))}
    limits: dict[int, int] = {}
    for value, instruction in enumerate(program.instructions, start=program.first_instruction):
        match instruction:
            case Cast(operands=(operand,)) | Move(operands=(operand,)) if operand in origin:
                origin[value] = origin[operand]
            case Gather(operands=(_, index), size=size) if index in origin:
                source = origin[index]
                limits[source] = min(size, limits.get(source, size))
    return limits
