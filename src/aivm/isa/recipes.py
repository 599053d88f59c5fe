"""The element recipes: what every instruction means, one element of its result at a time.

`element` says which operand elements and which scalar operations make element j. It is the one
definition: the reference engine runs it on arrays, a dispute on a single element, and faster
engines are tested against it. Indices are plain integer arithmetic (see `aivm.isa.operands`),
values go through a machine of numerics 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aivm.isa.chains import Chained, broadcast_index, chain, wrapped_position
from aivm.isa.instructions import (
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
)
from aivm.isa.opcodes import Function
from aivm.isa.operands import Index, Operands
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF
from aivm.numerics.functions import BINARY, TERNARY, UNARY
from aivm.numerics.integers import COMPARISONS
from aivm.numerics.machine import Machine, W
from aivm.numerics.philox import WORDS, halves, philox

FLOAT_FUNCTIONS: dict[str, Callable[..., Any]] = {**UNARY, **BINARY, **TERNARY}


def element(operands: Operands[W], instruction: Instruction, index: Index) -> W:
    """The word of element `index` (row-major) of a valid instruction's result.

    Reads stay inside the operands, also where the coordinate of a MOVE or GATHER does not; that
    such a GATHER is a fault, `chains.wrapped_position` tells.
    """
    word: W = _FAMILIES[type(instruction)](operands, instruction, index)
    return canonical(operands, instruction.type.dtype, word)


def canonical(operands: Operands[W], dtype: DType, word: W) -> W:
    """The word itself, or the canonical NaN in place of any other."""
    m = operands.machine
    if dtype is DType.F32:
        return m.canonical(word)
    if dtype not in FORMAT_OF:
        return word
    # Storage types have no arithmetic: their NaNs are told apart as 16-bit integers.
    storage = FORMAT_OF[dtype]
    magnitude = m.int_op(DType.U16, "and", word, operands.word(dtype, storage.sign_bit - 1))
    is_nan = m.compare(DType.U16, "less", operands.word(dtype, storage.infinity), magnitude)
    return m.select(is_nan, operands.word(dtype, storage.canonical_nan), word)


def _map(operands: Operands[W], instruction: Map, index: Index) -> W:
    target = instruction.type.shape
    words = [
        operands.read(slot, broadcast_index(index, target, type_.shape))
        for slot, type_ in enumerate(operands.types)
    ]
    return apply(operands.machine, instruction.function, operands.types[-1].dtype, words)


def apply(m: Machine[W], function: Function, dtype: DType, words: Sequence[W]) -> W:
    """The scalar function of a MAP on words of `dtype` (but for a SELECT's condition)."""
    name = function.name.lower()
    if dtype is DType.F32 or function is Function.SELECT:
        word: W = FLOAT_FUNCTIONS[name](m, *words)
        return word
    if len(words) == 1:
        return m.int_unary(dtype, name, *words)
    if name in COMPARISONS:
        return m.compare(dtype, name, *words)
    return m.int_op(dtype, name, *words)


def _chain(operands: Operands[W], instruction: Chained, index: Index) -> W:
    return chain(operands, instruction, index).run()


def _move(operands: Operands[W], instruction: Move, index: Index) -> W:
    fill = operands.word(instruction.type.dtype, instruction.fill)
    if operands.types[0].elements == 0:
        return fill
    coordinates: list[Index] = list(instruction.origins)
    dimensions = zip(instruction.type.shape, instruction.axes, instruction.steps, strict=True)
    rest = index
    for dim, axis, step in reversed(list(dimensions)):
        if axis >= 0:
            coordinates[axis] = coordinates[axis] + rest % dim * step
        rest = rest // dim
    position, inside = index * 0, index >= 0
    for coordinate, size in zip(coordinates, instruction.source, strict=True):
        inside = inside & (coordinate >= 0) & (coordinate < size)
        position = position * size + coordinate
    word = operands.read(0, position * inside)
    return operands.machine.select(inside, word, fill)


def _gather(operands: Operands[W], instruction: Gather, index: Index) -> W:
    size, inner, type_ = instruction.size, instruction.inner, operands.types[1]
    chosen = operands.read(1, index // inner % type_.elements)
    position, inside = wrapped_position(size, operands.index(chosen))
    row = index // (inner * type_.elements) * size + position * inside
    word = operands.read(0, row * inner + index % inner)
    return operands.machine.select(inside, word, operands.word(instruction.type.dtype, 0))


def _concat(operands: Operands[W], instruction: Concat, index: Index) -> W:
    inner, joined = instruction.inner, sum(instruction.lengths)
    outer, middle = index // (inner * joined), index // inner % joined
    word = operands.word(instruction.type.dtype, 0)
    for slot, length in enumerate(instruction.lengths):
        inside = (middle >= 0) & (middle < length)
        if length > 0:
            position = (outer * length + middle * inside) * inner + index % inner
            word = operands.machine.select(inside, operands.read(slot, position), word)
        middle = middle - length
    return word


def _cast(operands: Operands[W], instruction: Cast, index: Index) -> W:
    source, target = operands.types[0].dtype, instruction.type.dtype
    return operands.machine.cast(source, target, operands.read(0, index))


def _iota(operands: Operands[W], instruction: Iota, index: Index) -> W:
    m, dtype = operands.machine, instruction.type.dtype
    position = operands.word(dtype, index // instruction.inner % instruction.length)
    walked = m.int_op(dtype, "mul", position, operands.word(dtype, instruction.step))
    return m.int_op(dtype, "add", operands.word(dtype, instruction.start), walked)


def _fill(operands: Operands[W], instruction: Fill, index: Index) -> W:  # noqa: ARG001
    return operands.word(instruction.type.dtype, instruction.bits)


def _random(operands: Operands[W], instruction: Random, index: Index) -> W:  # noqa: ARG001
    m, block = operands.machine, index // WORDS
    key = halves(m, operands.read(0, index * 0))
    stream = halves(m, operands.read(0, index * 0 + 1))
    low, high = (operands.word(DType.U32, part) for part in (block % 2**32, block // 2**32))
    words = philox(m, (low, high, *stream), key)
    chosen = words[0]
    for place, word in enumerate(words):
        chosen = m.select(index % WORDS == place, word, chosen)
    return chosen


_FAMILIES: dict[type, Callable[[Any, Any, Any], Any]] = {
    Map: _map,
    MatMul: _chain,
    Reduce: _chain,
    Move: _move,
    Gather: _gather,
    Concat: _concat,
    Cast: _cast,
    Iota: _iota,
    Fill: _fill,
    Scatter: _chain,
    Rank: _chain,
    Random: _random,
}
