"""ONNX model in, tensor program out."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from onnx import ModelProto

from aivm.commitments import Array, carried
from aivm.compiler import lowering
from aivm.compiler.assemble import assemble
from aivm.compiler.builder import Builder
from aivm.compiler.interface import TensorInterface, tensor_interface
from aivm.compiler.load import Model, functions_of, load_model, opsets_of
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.tensors import checked_type
from aivm.compiler.translate import Scope, Translator
from aivm.compiler.values import Entity, Value, described
from aivm.errors import MalformedModel, UnsupportedModel, WrongTensor
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program

assert lowering.MODULES  # importing them fills the table of rules


@dataclass(frozen=True)
class CompiledModel:
    """A program with its constants, and the ONNX names of its inputs and outputs, in order."""

    program: Program
    constants: tuple[Array, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


def compile_model(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    bindings: Mapping[str, Array] = MappingProxyType({}),
) -> CompiledModel:
    """The tensor program of `model` for inputs of the given shapes.

    Give what `load_model` returns to compile one model for several shapes: it is checked once.

    `shapes` may leave out inputs whose shape the model fixes. `bindings` fixes inputs to constants:
    they are inputs of the program no more. The same arguments give the same program and constants
    on every machine.

    Raises MalformedModel, UnsupportedModel (names the node, the reason and what to change),
    WrongTensor (a shape or a binding does not fit the model) and TooLarge.
    """
    checked = load_model(model)
    proto = checked.proto
    build = Builder()
    scope: Scope = ChainMap()
    names = _bind_inputs(proto, build, scope, shapes, bindings)
    translator = Translator(build, opsets_of(proto), functions_of(proto), checked.files)
    found = translator.graph(proto.graph, scope)
    results = [
        _checked_output(tensor_interface(output), result)
        for output, result in zip(proto.graph.output, found, strict=True)
    ]
    program, constants = assemble(build, results)
    output_names = tuple(output.name for output in proto.graph.output)
    return CompiledModel(program, constants, tuple(names), output_names)


def _bind_inputs(
    model: ModelProto,
    build: Builder,
    scope: Scope,
    shapes: Mapping[str, tuple[int, ...]],
    bindings: Mapping[str, Array],
) -> list[str]:
    """Puts the model's inputs into scope; returns the names of those that stay inputs.

    An input with an initializer is a constant, unless `shapes` or `bindings` name it.
    """
    fixed = {initializer.name for initializer in model.graph.initializer}
    _check_names({info.name for info in model.graph.input}, shapes, bindings)
    sizes: dict[str, int] = {}
    names = []
    for info in model.graph.input:
        if info.name in fixed and info.name not in shapes and info.name not in bindings:
            continue
        declared = tensor_interface(info)
        if info.name in bindings:
            array = np.asarray(bindings[info.name])
            expected = _checked(declared, _resolved(declared, array.shape, sizes))
            dense = carried(array, expected.dtype, f"the binding of {info.name!r}")
            scope[info.name] = build.constant(np.array(dense, order="C"), expected.dtype)
        else:
            shape = _resolved(declared, shapes.get(info.name), sizes)
            scope[info.name] = build.input(_checked(declared, shape))
            names.append(info.name)
    return names


def _check_names(
    known: set[str], shapes: Mapping[str, tuple[int, ...]], bindings: Mapping[str, Array]
) -> None:
    for name in (*shapes, *bindings):
        if name not in known:
            raise WrongTensor(
                f"the model has no input {name!r}", hint=f"Its inputs are {sorted(known)}."
            )
    both = sorted(set(shapes) & set(bindings))
    if both:
        raise WrongTensor(f"input {both[0]!r} has both a shape and a binding; give one")


def _resolved(
    declared: TensorInterface, given: tuple[int, ...] | None, sizes: dict[str, int]
) -> tuple[int, ...]:
    """The shape of an input, checked against the declared one; `sizes` holds named dimensions."""
    if given is None:
        dimensions = declared.shape
        if dimensions is None or not all(isinstance(size, int) for size in dimensions):
            raise WrongTensor(
                f"input {declared.name!r} needs a shape: the model declares {_shown(declared)}"
            )
        given = tuple(size for size in dimensions if isinstance(size, int))
    given = tuple(int(size) for size in given)
    if declared.shape is None:
        return given
    fits = len(given) == len(declared.shape)
    for size, wanted in zip(given, declared.shape, strict=False):
        if isinstance(wanted, str):
            wanted = sizes.setdefault(wanted, size)
        fits = fits and wanted in (None, size)
    if not fits:
        known = [f"{name} is {sizes[name]}" for name in declared.shape if name in sizes]
        raise WrongTensor(
            f"shape {given} does not fit input {declared.name!r}, "
            f"which the model declares as {_shown(declared)}",
            hint=f"Here {' and '.join(dict.fromkeys(known))}." if known else None,
        )
    return given


def _checked(declared: TensorInterface, shape: tuple[int, ...]) -> TensorType:
    assert declared.dtype is not None, "the checker refuses inputs without a type"
    try:
        return checked_type(declared.dtype, shape)
    except (Malformed, Unsupported) as error:
        raise WrongTensor(f"input {declared.name!r}: {error.reason}") from error


def _shown(declared: TensorInterface) -> str:
    if declared.shape is None:
        return "a tensor of any rank"
    return "[" + ", ".join("?" if size is None else str(size) for size in declared.shape) + "]"


def _checked_output(declared: TensorInterface, result: Entity) -> Value:
    if not isinstance(result, Value):
        raise UnsupportedModel(
            f"output {declared.name!r} is {described(result)}, which numerics 1 does not know",
            hint="Give out tensors of other types: Cast doubles, take sequences apart.",
        )
    if declared.dtype is not None and declared.dtype is not result.dtype:
        raise MalformedModel(
            f"output {declared.name!r} is declared as {declared.dtype.name} "
            f"but its node gives {result.dtype.name}"
        )
    return result
