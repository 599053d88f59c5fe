"""From an ONNX file to a signed package, in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from aivm.commitments import Array
from aivm.compiler import (
    CompiledModel,
    Model,
    ModelInterface,
    TensorInterface,
    compile_model,
    detach,
    inspect_model,
    load_model,
)
from aivm.errors import BadInput
from aivm.isa.instructions import TensorType
from aivm.packages.claims import NO_CLAIMS, Claims
from aivm.packages.compiling import compiler_version
from aivm.packages.entries import Dimension, Interface
from aivm.packages.files import Chunking
from aivm.packages.writer import Description, ExtraFile, ModuleSource, PackageInfo, write_package
from aivm.receipts import Signer

Shapes = Mapping[str, tuple[int, ...]]

_MAX_ENTRY_NAME = 64
_MAX_SYMBOL = 64


def pack_model(
    model: Model,
    *,
    name: str,
    version: str,
    license: str,  # noqa: A002 (the manifest's own word)
    shapes: Sequence[Shapes],
    out_dir: Path,
    signer: Signer,
    created: int,
    description: str = "",
    task: str = "",
    supersedes: bytes | None = None,
    bindings: Mapping[str, Array] = MappingProxyType({}),
    extra_files: Sequence[ExtraFile] = (),
    modules: Sequence[ModuleSource] = (),
    with_source: bool = True,
    examples: Sequence[Mapping[str, Array]] = (),
    claims: Claims = NO_CLAIMS,
    meanings: Mapping[str, str] = MappingProxyType({}),
    model_key: bytes | None = None,
    chunking: Chunking = Chunking.UNIXFS,
) -> PackageInfo:
    """Compiles `model` for each set of input shapes and writes the package.

    The package carries the model itself, from which programs for other shapes can be derived,
    unless `with_source` is false: then it runs the listed shapes only. `shapes` may be one empty
    mapping where the model fixes every shape. `bindings` fixes inputs to constants, `meanings` says
    what inputs and outputs are, by name. Raises what `compile_model` and `write_package` raise, and
    BadInput for two sets of shapes that give the same entry and for a meaning of nothing.
    """
    checked = load_model(model)
    compiled = [compile_model(checked, chosen, bindings=bindings) for chosen in shapes]
    entries = dict(zip(_entry_names(compiled), compiled, strict=True))
    if not entries or len(entries) != len(compiled):
        raise BadInput("each set of input shapes must be given once, and at least one of them")
    inputs, outputs = interfaces_of(inspect_model(checked), compiled[0], meanings)
    about = Description(
        name=name,
        version=version,
        license=license,
        inputs=inputs,
        outputs=outputs,
        created=created,
        description=description,
        task=task,
        supersedes=supersedes,
        compiler=compiler_version(),
        claims=claims,
        chunking=chunking,
    )
    return write_package(
        out_dir,
        about,
        entries,
        signer,
        extra_files,
        modules,
        source=detach(checked, bindings) if with_source else None,
        examples=examples,
        model_key=model_key,
    )


def interfaces_of(
    interface: ModelInterface,
    compiled: CompiledModel,
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[tuple[Interface, ...], tuple[Interface, ...]]:
    """Inputs and outputs as the model describes them; what it leaves open, `compiled` gives.

    Raises BadInput for a meaning of something that is neither an input nor an output.
    """
    program = compiled.program
    types = program.value_types
    taken = dict(zip(compiled.input_names, program.inputs, strict=True))
    results = (types[value] for value in program.outputs)
    given = dict(zip(compiled.output_names, results, strict=True))
    if unknown := sorted(meanings.keys() - taken.keys() - given.keys()):
        known = ", ".join([*taken, *given])
        raise BadInput(f"there is no input or output {unknown[0]!a}", hint=f"There are: {known}.")
    return (
        _interfaces(interface.inputs, taken, meanings),
        _interfaces(interface.outputs, given, meanings),
    )


def _entry_names(compiled: Sequence[CompiledModel]) -> Iterator[str]:
    """`1x128` where all inputs have that shape, else every input's shape: `1x128_1x3x224x224`."""
    for model in compiled:
        shapes = ["x".join(map(str, type_.shape)) or "scalar" for type_ in model.program.inputs]
        name = shapes[0] if len(set(shapes)) == 1 else "_".join(shapes) or "main"
        if len(name) > _MAX_ENTRY_NAME:
            name = f"shapes-{sha256(name.encode()).hexdigest()[:16]}"
        yield name


def _interfaces(
    tensors: Sequence[TensorInterface],
    types: Mapping[str, TensorType],
    meanings: Mapping[str, str],
) -> tuple[Interface, ...]:
    described = []
    for tensor in tensors:
        type_ = types.get(tensor.name)
        if type_ is None:  # bound to a constant: no input any more
            continue
        named = tuple(
            _dimension(tensor.name, axis, size)
            for axis, size in enumerate(_agreed(tensor.shape, type_.shape))
        )
        meaning = meanings.get(tensor.name, "")
        described.append(Interface(tensor.name, type_.dtype, named, meaning))
    return tuple(described)


def _agreed(
    described: tuple[int | str | None, ...] | None, found: tuple[int, ...]
) -> tuple[int | str | None, ...]:
    """Exporters describe outputs carelessly: a size that is another one is not described."""
    if described is None or len(described) != len(found):
        return (None,) * len(found)
    sizes = zip(described, found, strict=True)
    return tuple(None if isinstance(told, int) and told != size else told for told, size in sizes)


def _dimension(name: str, axis: int, size: int | str | None) -> Dimension:
    if isinstance(size, int):
        return size
    return size if size and len(size) <= _MAX_SYMBOL else f"{name[:32]}_{axis}"
