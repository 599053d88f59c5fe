"""DOUBLE tensors: numerics 1 has no binary64, but much that models do with them needs none.

Exporters leave doubles among constants, and convert to and from double around operations that only
move elements. What follows is exact, or refused:

- constants are computed with the five correctly rounded operations of binary64, and rounding to
  whole numbers;
- constants that are moved by places not known yet must become FLOAT next, and are rounded before;
- a value whose elements binary64 holds exactly (F32, F16, BF16, BOOL, integers up to 32 bits) stays
  what it was while it is only moved, compared or converted back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from aivm.commitments import numpy_dtype
from aivm.compiler.builder import Builder
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.tensors import Files, dtype_of_onnx, read_doubles, read_tensor
from aivm.compiler.values import Doubles, DoubleTensor, Entity, Value
from aivm.isa.signatures import STORAGE
from aivm.numerics.dtypes import DType

Rule = Callable[[Node], Entity | Sequence[Entity | None]]

_INEXACT = frozenset({DType.I64, DType.U64})
_WIDE_INTEGERS = frozenset({DType.I32, DType.U32})
# Exact in binary64, as IEEE 754 rounds each of them correctly.
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Ceil": np.ceil,
    "Div": np.divide,
    "Floor": np.floor,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}
_ONE_OPERAND = frozenset({"Abs", "Ceil", "Floor", "Neg", "Reciprocal", "Round", "Sqrt"})
_MOVING = frozenset({
    "ArrayFeatureExtractor", "Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "Reshape",
    "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
_ABOUT_SHAPES = frozenset({"Shape", "Size"})
# Their results, as numbers, are the same in F32 for operands that F32 holds.
_SAME_IN_F32 = frozenset({"Abs", "Ceil", "Clip", "Floor", "Max", "Min", "Neg", "Relu", "Round"})
_COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
# The exponent of Pow may be a double where the base is not.
_NARROWED = frozenset({"Pow"})


def constant_of(build: Builder, tensor: TensorProto, files: Files) -> Value | DoubleTensor:
    """The constant that an ONNX tensor holds."""
    if tensor.data_type == TensorProto.DOUBLE:
        return DoubleTensor(read_doubles(tensor))
    return build.constant(read_tensor(tensor, files), dtype_of_onnx(tensor.data_type))


def widened(build: Builder, value: Value) -> DoubleTensor:
    """CAST to DOUBLE. Raises Unsupported where that would round."""
    if value.array is not None:
        array = build.widened(value).array
        if array is not None:
            return DoubleTensor(array.astype(np.float64))
    if value.dtype in _INEXACT:
        raise _undefined()
    return DoubleTensor(value)


def narrowed(build: Builder, double: DoubleTensor, target: DType) -> Value:
    """CAST from DOUBLE: one rounding to floats, towards zero to integers."""
    source = double.source
    if isinstance(source, Value):
        rounded_twice = source.dtype in _WIDE_INTEGERS and target in STORAGE
        if rounded_twice or (target is not DType.F32 and not double.exact):
            raise _undefined()
        return build.cast(source, target)
    if target in STORAGE:
        if target is DType.F16:
            with np.errstate(over="ignore"):
                return build.constant(source.astype(np.float16).view(np.uint16), target)
        if np.any(source != source.astype(np.float32)):
            raise _undefined()
        return build.cast(build.constant(source.astype(np.float32)), target)
    if target is DType.BOOL:
        return build.constant(source != 0)
    if target.is_integer:
        limits = np.iinfo(numpy_dtype(target))
        whole = np.trunc(source)
        if not np.all((whole >= limits.min) & (whole <= limits.max) & (whole < 2.0**63)):
            raise Unsupported(f"a DOUBLE constant is outside the range of {target.name}")
        return build.constant(whole.astype(numpy_dtype(target)))
    with np.errstate(over="ignore"):
        return build.constant(source.astype(np.float32))


def lower(node: Node, rule: Rule) -> Sequence[Entity | None]:
    """Lowers a node some of whose operands are doubles, or refuses it."""
    doubles = [entity for entity in node.inputs if isinstance(entity, DoubleTensor)]
    known = [double.source for double in doubles if not isinstance(double.source, Value)]
    all_known = len(known) == len(node.inputs)
    if node.op in ("Cast", "CastLike"):
        return [_cast(node, doubles[0])]
    if any(not double.exact for double in doubles) and node.op not in _MOVING | _ABOUT_SHAPES:
        raise _undefined()
    if node.op in _ABOUT_SHAPES:
        return _results(rule(_with_words(node)))
    if node.op in _NARROWED or node.op in _COMPARISONS:
        return _results(rule(_with_f32(node)))
    if all_known and node.op in _ARITHMETIC:
        return [DoubleTensor(_computed(node.op, known))]
    if node.op in _MOVING:
        return _moved(node, rule)
    if node.op in _SAME_IN_F32:
        return [_wide_again(result) for result in _results(rule(_with_f32(node)))]
    raise _undefined()


def _moved(node: Node, rule: Rule) -> Sequence[Entity | None]:
    """As words where all is known; else as F32, rounded where it must be."""
    unknown = any(isinstance(x, DoubleTensor) and isinstance(x.source, Value) for x in node.inputs)
    if not unknown:
        found = [_from_words(result) for result in _results(rule(_with_words(node)))]
        if None not in found:
            return found
    exact = all(_holds_exactly(entity) for entity in node.inputs)
    inputs = [_as_f32(node.build, entity, rounded=True) for entity in node.inputs]
    results = _results(rule(replace(node, inputs=inputs)))
    return [_wide_again(result, exact=exact) for result in results]


def _holds_exactly(entity: Entity | None) -> bool:
    """True unless it is a double that F32 does not hold."""
    if not isinstance(entity, DoubleTensor):
        return True
    if isinstance(entity.source, Value):
        return entity.exact
    with np.errstate(over="ignore"):
        narrow = entity.source.astype(np.float32)
    return np.array_equal(narrow.astype(np.float64), entity.source, equal_nan=True)


def _cast(node: Node, double: DoubleTensor) -> Entity:
    if node.op == "CastLike":
        like = node.entity(1)
        if isinstance(like, DoubleTensor):
            first = node.entity(0)
            return widened(node.build, first) if isinstance(first, Value) else double
        return narrowed(node.build, double, node.input(1).dtype)
    target = node.integer("to")
    if target == TensorProto.DOUBLE:
        return double
    return narrowed(node.build, double, dtype_of_onnx(target))


def _computed(op: str, arrays: Sequence[Doubles]) -> Doubles:
    if len(arrays) != 1 if op in _ONE_OPERAND else not arrays:
        raise Malformed(f"{len(arrays)} operands do not fit {op}")
    function = _ARITHMETIC[op]
    try:
        with np.errstate(all="ignore"):
            result = function(arrays[0]) if op in _ONE_OPERAND else arrays[0]
            for array in arrays[1:]:
                result = function(result, array)
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise Malformed(f"shapes {shapes} do not broadcast together") from None
    return np.asarray(result, np.float64)


def _with_words(node: Node) -> Node:
    """The node with doubles as 64-bit words: moving them needs no arithmetic."""
    return replace(node, inputs=[_as_words(node.build, entity) for entity in node.inputs])


def _as_words(build: Builder, entity: Entity | None) -> Entity | None:
    if not isinstance(entity, DoubleTensor):
        return entity
    if isinstance(entity.source, Value):
        return entity.source
    return build.constant(np.asarray(entity.source, order="C").view(np.int64))


def _from_words(result: Entity | None) -> DoubleTensor | None:
    """The doubles that the words are; None if they are not known."""
    if not isinstance(result, Value) or result.array is None:
        return None
    return DoubleTensor(np.asarray(result.array, order="C").view(np.float64))


def _with_f32(node: Node) -> Node:
    """The node with F32 in the place of every double. Raises Unsupported where one is none."""
    return replace(node, inputs=[_as_f32(node.build, entity) for entity in node.inputs])


def _as_f32(build: Builder, entity: Entity | None, *, rounded: bool = False) -> Entity | None:
    if not isinstance(entity, DoubleTensor):
        return entity
    if isinstance(entity.source, Value):
        if entity.source.dtype in _WIDE_INTEGERS:
            raise _undefined()
        return build.cast(entity.source, DType.F32)
    if not rounded and not _holds_exactly(entity):
        raise _undefined()
    return narrowed(build, entity, DType.F32)


def _wide_again(result: Entity | None, *, exact: bool = True) -> Entity | None:
    return DoubleTensor(result, exact) if isinstance(result, Value) else result


def _results(found: Entity | Sequence[Entity | None]) -> Sequence[Entity | None]:
    return found if isinstance(found, Sequence) else [found]


def _undefined() -> Unsupported:
    return Unsupported(
        "element type DOUBLE is not defined by numerics 1",
        change="Convert the model to float32.",
    )
