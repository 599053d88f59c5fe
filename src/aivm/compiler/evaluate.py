"""Computes instructions whose operands are all known at compile time, exactly as numerics 1 says.

Everything that only copies or counts is done here: moves of any dtype, and integer and boolean
arithmetic, which is where the shapes inside a model come from. Where an answer could depend on
rounding or on a rule for impossible input (integer division by zero, an index outside its axis),
the answer is None and the instruction stays in the program for the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.isa.instructions import (
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    Move,
    Reduce,
    TensorType,
)
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

# Integer arrays of numpy, about which its stubs know little.
_Numbers = np.ndarray[Any, Any]

_MAP: dict[Function, Callable[..., _Numbers]] = {
    Function.NEG: np.negative,
    Function.ABS: np.abs,
    Function.SIGN: np.sign,
    Function.ADD: np.add,
    Function.SUB: np.subtract,
    Function.MUL: np.multiply,
    Function.MIN: np.minimum,
    Function.MAX: np.maximum,
    Function.EQUAL: np.equal,
    Function.LESS: np.less,
    Function.LESS_EQUAL: np.less_equal,
}
_LOGIC: dict[Function, Callable[..., _Numbers]] = {
    Function.NOT: np.invert,
    Function.AND: np.bitwise_and,
    Function.OR: np.bitwise_or,
    Function.XOR: np.bitwise_xor,
    Function.EQUAL: np.equal,
}
_DIVISION = (Function.DIV, Function.MOD, Function.FMOD)
_REDUCTIONS: dict[Reduction, Callable[..., _Numbers]] = {
    Reduction.MAX: np.max,
    Reduction.MIN: np.min,
    Reduction.ARG_MAX: np.argmax,
    Reduction.ARG_MIN: np.argmin,
}


def evaluate(
    instruction: Instruction, dtypes: Sequence[DType], arrays: Sequence[Array]
) -> Array | None:
    """The instruction's result, or None where it must be left to the engine.

    `arrays` are the operands' elements, `dtypes` what they mean; operand ids are not looked at.
    """
    result = _evaluate(instruction, dtypes, arrays)
    # numpy turns results of rank 0 into scalars.
    return None if result is None else np.asarray(result)


def _evaluate(
    instruction: Instruction, dtypes: Sequence[DType], arrays: Sequence[Array]
) -> Array | None:
    match instruction:
        case Map():
            return _map(instruction, dtypes, arrays)
        case Reduce():
            return _reduce(instruction, dtypes[0], arrays[0])
        case Move():
            return moved(instruction, arrays[0])
        case Gather():
            return _gather(instruction, arrays[0], arrays[1])
        case Concat():
            views = [
                array.reshape(instruction.outer, length, instruction.inner)
                for array, length in zip(arrays, instruction.lengths, strict=True)
            ]
            return np.concatenate(views, axis=1).reshape(instruction.type.shape)
        case Cast():
            return _cast(dtypes[0], instruction.type.dtype, arrays[0])
        case Iota():
            return _iota(instruction)
        case Fill():
            return np.full(instruction.type.shape, fill_value(instruction.type, instruction.bits))
        case _:
            return None


def fill_value(tensor_type: TensorType, bits: int) -> Array:
    """A rank 0 array of the dtype whose element has the given bit pattern."""
    data = bits.to_bytes(tensor_type.dtype.size_bytes, "little")
    return np.frombuffer(data, dtype=numpy_dtype(tensor_type.dtype)).reshape(())


def _map(instruction: Map, dtypes: Sequence[DType], arrays: Sequence[Array]) -> Array | None:
    function, shape = instruction.function, instruction.type.shape
    if function is Function.SELECT:
        return np.broadcast_to(np.where(*arrays), shape).copy()
    if any(dtype.is_float for dtype in dtypes):
        return None
    if function in _DIVISION:
        return _divided(function, arrays[0], arrays[1])
    table = _LOGIC if dtypes[0] is DType.BOOL or function in _LOGIC else _MAP
    rule = table.get(function)
    return None if rule is None else rule(*arrays)


def _divided(function: Function, a: _Numbers, b: _Numbers) -> Array | None:
    overflows = np.issubdtype(b.dtype, np.signedinteger) and bool(np.any(b == -1))
    if overflows or not np.all(b):
        return None
    if function is Function.MOD:
        return np.mod(a, b)
    remainder = np.fmod(a, b)
    return remainder if function is Function.FMOD else (a - remainder) // b


def _reduce(instruction: Reduce, dtype: DType, array: _Numbers) -> Array | None:
    view = array.reshape(instruction.outer, instruction.length, instruction.inner)
    shape = instruction.type.shape
    if dtype.is_float or dtype is DType.BOOL:
        return None
    if instruction.function in (Reduction.SUM, Reduction.PROD):
        total = np.sum if instruction.function is Reduction.SUM else np.prod
        return np.asarray(total(view, axis=1, dtype=view.dtype)).reshape(shape)
    if not instruction.length:
        return None
    found = _REDUCTIONS[instruction.function](view, axis=1)
    return found.astype(numpy_dtype(instruction.type.dtype)).reshape(shape)


def moved(move: Move, array: Array) -> Array:
    """The move's result, dense. Within bounds a move is a strided view, which numpy copies fast."""
    view = np.ascontiguousarray(array).reshape(move.source)
    if move.type.elements == 0:
        return np.empty(move.type.shape, view.dtype)
    if _stays_inside(move):
        strides = [
            0 if axis < 0 else view.strides[axis] * step
            for axis, step in zip(move.axes, move.steps, strict=True)
        ]
        corner = view[tuple(slice(origin, None) for origin in move.origins)]
        return np.lib.stride_tricks.as_strided(corner, move.type.shape, strides).copy()
    return _moved_with_fill(move, view)


def _reach(move: Move, axis: int) -> tuple[int, int]:
    """The lowest and the highest coordinate that the move looks at on a source axis."""
    spans = [
        (size - 1) * step
        for size, step, walked in zip(move.type.shape, move.steps, move.axes, strict=True)
        if walked == axis
    ]
    origin = move.origins[axis]
    return origin + sum(min(0, span) for span in spans), origin + sum(max(0, s) for s in spans)


def _stays_inside(move: Move) -> bool:
    reaches = (_reach(move, axis) for axis in range(len(move.source)))
    return all(
        low >= 0 and high < size for (low, high), size in zip(reaches, move.source, strict=True)
    )


def _moved_with_fill(move: Move, view: Array) -> Array:
    inside: _Numbers = np.ones((), dtype=bool)
    flat: _Numbers = np.zeros((), dtype=np.int64)
    for axis, size in enumerate(move.source):
        coordinate = np.full((), move.origins[axis], dtype=np.int64)
        for dimension, walked in enumerate(move.axes):
            if walked == axis:
                span = np.arange(move.type.shape[dimension]) * move.steps[dimension]
                trailing = len(move.axes) - dimension - 1
                coordinate = coordinate + span.reshape(-1, *[1] * trailing)
        inside = inside & (coordinate >= 0) & (coordinate < size)
        flat = flat * size + coordinate
    fill = fill_value(move.type, move.fill)
    if view.size == 0:
        return np.full(move.type.shape, fill)
    picked = view.reshape(-1)[np.where(inside, flat, 0)]
    return np.broadcast_to(np.where(inside, picked, fill), move.type.shape).copy()


def _gather(gather: Gather, data: Array, index: _Numbers) -> Array | None:
    flat = index.reshape(-1)
    if flat.size and (flat.min() < -gather.size or flat.max() >= gather.size):
        return None
    view = data.reshape(gather.outer, gather.size, gather.inner)
    return view[:, np.where(flat < 0, flat + gather.size, flat)].reshape(gather.type.shape)


def _cast(source: DType, target: DType, array: _Numbers) -> Array | None:
    if target is DType.BOOL and not source.is_float:
        return np.not_equal(array, 0)
    if source.is_float or (target.is_float and target is not DType.F32):
        return None
    # Integers to F32 are one rounding to nearest even, which is what numpy does.
    converted: Array = array.astype(numpy_dtype(target))
    return converted


def _iota(iota: Iota) -> Array:
    line = np.arange(iota.length, dtype=np.int64) * iota.step + iota.start
    outer = iota.type.elements // max(1, iota.length * iota.inner)
    grid = np.broadcast_to(line[:, None], (outer, iota.length, iota.inner))
    return grid.astype(numpy_dtype(iota.type.dtype)).reshape(iota.type.shape)
