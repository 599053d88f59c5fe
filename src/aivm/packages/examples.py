"""Examples: runs that a publisher ships, so that anybody can see every engine agree with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aivm.commitments import Array, tensor_root
from aivm.compiler import CompiledModel
from aivm.engines import open_engine
from aivm.engines.base import Engine, checked_inputs
from aivm.errors import MalformedPackage, Mismatch, WrongTensor
from aivm.packages.entries import ExampleEntry
from aivm.packages.safetensors import SafeTensors, write_safetensors

if TYPE_CHECKING:
    from aivm.packages.package import Package

FOLDER = "examples"


def write_examples(
    root: Path, entries: Mapping[str, CompiledModel], examples: Sequence[Mapping[str, Array]]
) -> tuple[ExampleEntry, ...]:
    """Runs each example in the sandbox and writes its inputs under `root`.

    Raises WrongTensor for inputs that are those of no entry, and what a run raises.
    """
    written = []
    for number, arrays in enumerate(examples):
        name, model = _entry_for(entries, arrays)
        program = model.program
        ordered = [arrays[port] for port in model.input_names]
        inputs = checked_inputs(program, ordered, model.input_names)
        path = f"{FOLDER}/{number}.safetensors"
        (root / FOLDER).mkdir(exist_ok=True)
        types = [type_.dtype for type_ in program.inputs]
        named = zip(model.input_names, types, inputs, strict=True)
        write_safetensors(root / path, {port: (dtype, array) for port, dtype, array in named})
        roots = _run(open_engine("wasm"), model, inputs)
        written.append(ExampleEntry(name, path, roots))
    return tuple(written)


def rerun_example(package: Package, example: ExampleEntry, engine: Engine) -> None:
    """Runs an example of an opened package. Raises Mismatch, MalformedPackage, what a run raises.

    EngineUnavailable, and TooLarge for a limit of the engine's, say that it was not run.
    """
    entry = package.manifest.entry(example.entry)
    stored = SafeTensors(package.file(example.inputs))
    if {port.name: port.type for port in entry.inputs} != stored.types:
        raise MalformedPackage(f"{example.inputs} does not hold the inputs of {entry.name}")
    program, constants = package.program(entry.name), package.constants(entry.name)
    names = tuple(port.name for port in entry.inputs)
    outputs = tuple(port.name for port in entry.outputs)
    model = CompiledModel(program, tuple(constants), names, outputs)
    roots = _run(engine, model, [stored[name] for name in names])
    for name, found, stated in zip(outputs, roots, example.outputs, strict=True):
        if found != stated:
            raise Mismatch(
                f"{example.inputs}: output {name!a} of {entry.name} on {engine.name} has root"
                f" 0x{found.hex()}, the manifest states 0x{stated.hex()}"
            )


def _entry_for(
    entries: Mapping[str, CompiledModel], arrays: Mapping[str, Array]
) -> tuple[str, CompiledModel]:
    shapes = {name: array.shape for name, array in arrays.items()}
    for name, model in entries.items():
        types = zip(model.input_names, model.program.inputs, strict=True)
        if {port: type_.shape for port, type_ in types} == shapes:
            return name, model
    asked = ", ".join(f"{name}{list(shape)}" for name, shape in sorted(shapes.items()))
    raise WrongTensor(
        f"no program of the package takes the example {asked}",
        hint="Compile one for these shapes too (--shapes).",
    )


def _run(engine: Engine, model: CompiledModel, inputs: Sequence[Array]) -> tuple[bytes, ...]:
    executable = engine.load(model.program, model.constants)
    try:
        outputs = executable.run(inputs)
    finally:
        executable.close()
    types = model.program.value_types
    given = [types[value].dtype for value in model.program.outputs]
    return tuple(tensor_root(array, dtype) for array, dtype in zip(outputs, given, strict=True))
