"""Computes instructions whose operands are all known at compile time, exactly as numerics 1 says.

Copies (moves, gathers, concatenations) are done with numpy, whatever their size: weights are turned
around here once, not in every run. Everything that computes is done by the element recipes
themselves, one element after the other, which is affordable for the small tensors that shapes,
scales and masks are made of; larger ones stay in the program for the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.isa.instructions import (
    Concat,
    Gather,
    Instruction,
    MatMul,
    Move,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.operands import ScalarOperands
from aivm.isa.recipes import element

MAX_STEPS = 4096
"""Scalar steps that folding one instruction may take."""

# Index arithmetic, about which numpy's stubs know little.
_Numbers = np.ndarray[Any, Any]


def evaluate(
    instruction: Instruction, types: Sequence[TensorType], arrays: Sequence[Array]
) -> Array | None:
    """The instruction's result, or None where it must be left to the engine.

    `arrays` are the operands' elements and `types` their types; operand ids are not looked at.
    """
    match instruction:
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
        case Scatter() if not _is_inside(instruction, arrays[1]):
            return None  # a fault of the run
        case _ if _steps(instruction, types) <= MAX_STEPS:
            return _by_recipe(instruction, types, arrays)
        case _:
            return None


def _steps(instruction: Instruction, types: Sequence[TensorType]) -> int:
    if isinstance(instruction, Reduce):
        return types[0].elements + instruction.type.elements
    if isinstance(instruction, MatMul):
        return instruction.type.elements * types[0].shape[-1]
    if isinstance(instruction, Scatter):
        return instruction.type.elements * types[1].elements
    if isinstance(instruction, Rank):
        return instruction.type.elements * instruction.length
    return instruction.type.elements


def _by_recipe(
    instruction: Instruction, types: Sequence[TensorType], arrays: Sequence[Array]
) -> Array:
    operands = ScalarOperands(types, [array.tobytes() for array in arrays])
    dtype = instruction.type.dtype
    words = [element(operands, instruction, index) for index in range(instruction.type.elements)]
    data = b"".join(
        word.to_bytes(dtype.size_bytes, "little", signed=dtype.is_signed) for word in words
    )
    return np.frombuffer(data, dtype=numpy_dtype(dtype)).reshape(instruction.type.shape)


def fill_value(tensor_type: TensorType, bits: int) -> Array:
    """A rank 0 array of the dtype whose element has the given bit pattern."""
    data = bits.to_bytes(tensor_type.dtype.size_bytes, "little")
    return np.frombuffer(data, dtype=numpy_dtype(tensor_type.dtype)).reshape(())


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
    if not _is_inside(gather, index):
        return None
    flat = index.reshape(-1)
    view = data.reshape(gather.outer, gather.size, gather.inner)
    return view[:, np.where(flat < 0, flat + gather.size, flat)].reshape(gather.type.shape)


def _is_inside(instruction: Gather | Scatter, index: _Numbers) -> bool:
    size = instruction.size
    return not index.size or (index.min() >= -size and index.max() < size)
