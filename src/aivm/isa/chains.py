"""Accumulation chains: the elements of MATMUL, REDUCE, SCATTER and RANK, one scalar step at a time.

A chain is `finish(step(... step(step(start(), 0), 1) ..., length - 1))`. Engines run all of it; a
dispute about an element narrows to one step, whose state before and after is a few words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from aivm.isa.instructions import MatMul, Rank, Reduce, Scatter, TensorType
from aivm.isa.opcodes import Reduction, Scattering
from aivm.isa.operands import Index, Operands
from aivm.numerics.dtypes import DType
from aivm.numerics.functions.blocks import not_
from aivm.numerics.integers import largest, smallest
from aivm.numerics.machine import W, word_of

SUM_LANES = 16


@dataclass(frozen=True, slots=True)
class Chain(Generic[W]):
    """The chain of one result element (or of many at once, where the index is an array)."""

    length: int
    start: Callable[[], tuple[W, ...]]
    step: Callable[[tuple[W, ...], int], tuple[W, ...]]
    finish: Callable[[tuple[W, ...]], W]

    def run(self) -> W:
        """The element, before its NaN is made canonical."""
        state = self.start()
        for k in range(self.length):
            state = self.step(state, k)
        return self.finish(state)


Chained = MatMul | Reduce | Scatter | Rank


def chain_length(instruction: Chained, types: Sequence[TensorType]) -> int:
    """How many steps every chain of an instruction with operands of these types has."""
    if isinstance(instruction, Reduce | Rank):
        return instruction.length
    if isinstance(instruction, Scatter):
        return types[1].elements
    return types[0].shape[-2 if instruction.transpose_a else -1]


def chain(operands: Operands[W], instruction: Chained, index: Index) -> Chain[W]:
    """The chain that computes element `index` of the result."""
    if isinstance(instruction, MatMul):
        return _matmul(operands, instruction, index)
    if isinstance(instruction, Scatter):
        return _scatter(operands, instruction, index)
    if isinstance(instruction, Rank):
        return _rank(operands, instruction, index)
    if instruction.function in (Reduction.ARG_MAX, Reduction.ARG_MIN):
        return _arg(operands, instruction, index)
    if instruction.function is Reduction.SUM and instruction.type.dtype is DType.F32:
        return _float_sum(operands, instruction, index)
    return _fold(operands, instruction, index)


def broadcast_index(index: Index, target: tuple[int, ...], source: tuple[int, ...]) -> Index:
    """Row-major index into `source` of the element that `source` shows at `index` of `target`."""
    if source == target:
        return index
    position, stride = index * 0, 1
    for dim, source_dim in zip(reversed(target), reversed(source), strict=False):
        if source_dim != 1:
            position = position + index % dim * stride
        index = index // dim
        stride *= source_dim
    return position


def _matmul(operands: Operands[W], instruction: MatMul, index: Index) -> Chain[W]:
    m, (a, b) = operands.machine, (type_.shape for type_ in operands.types)
    *leading, rows, columns = instruction.type.shape
    depth = chain_length(instruction, operands.types)
    matrix, row, column = index // (rows * columns), index // columns % rows, index % columns
    # Where a's row and b's column begin, and how far apart their elements lie.
    row_stride, a_stride = (1, rows) if instruction.transpose_a else (depth, 1)
    column_stride, b_stride = (depth, 1) if instruction.transpose_b else (1, columns)
    a_matrix = broadcast_index(matrix, tuple(leading), a[:-2])
    b_matrix = broadcast_index(matrix, tuple(leading), b[:-2])
    a_first = a_matrix * (rows * depth) + row * row_stride
    b_first = b_matrix * (depth * columns) + column * column_stride

    a_dtype, b_dtype = (type_.dtype for type_ in operands.types)

    def step(state: tuple[W, ...], k: int) -> tuple[W, ...]:
        a_word = operands.read(0, a_first + k * a_stride)
        b_word = operands.read(1, b_first + k * b_stride)
        if a_dtype is DType.F32:
            return (m.fma(a_word, b_word, state[0]),)
        a_word, b_word = m.cast(a_dtype, DType.I32, a_word), m.cast(b_dtype, DType.I32, b_word)
        product = m.int_op(DType.I32, "mul", a_word, b_word)
        return (m.int_op(DType.I32, "add", state[0], product),)

    zero = operands.word(instruction.type.dtype, 0)
    return Chain(depth, lambda: (zero,), step, lambda state: state[0])


def _line(length: int, inner: int, index: Index) -> Index:
    """First element of the line (o, :, i) of (outer, length, inner), for index = (o, i)."""
    return index // inner * (length * inner) + index % inner


def _reader(operands: Operands[W], instruction: Reduce, index: Index) -> Callable[[int], W]:
    """Reads the k-th element of those that are reduced to result element `index`."""
    first = _line(instruction.length, instruction.inner, index)
    return lambda k: operands.read(0, first + k * instruction.inner)


def _float_sum(operands: Operands[W], instruction: Reduce, index: Index) -> Chain[W]:
    """Element k is added to lane k mod 16; then lane i takes in lane i + 8, i + 4, i + 2, i + 1."""
    m, read = operands.machine, _reader(operands, instruction, index)

    def step(lanes: tuple[W, ...], k: int) -> tuple[W, ...]:
        lane = k % SUM_LANES
        return (*lanes[:lane], m.add(lanes[lane], read(k)), *lanes[lane + 1 :])

    def finish(lanes: tuple[W, ...]) -> W:
        while (half := len(lanes) // 2) > 0:
            lanes = tuple(m.add(lanes[i], lanes[i + half]) for i in range(half))
        return lanes[0]

    return Chain(instruction.length, lambda: (m.f32(0.0),) * SUM_LANES, step, finish)


def _fold(operands: Operands[W], instruction: Reduce, index: Index) -> Chain[W]:
    """Ascending from the neutral element, so that the first step gives the first element."""
    m, read = operands.machine, _reader(operands, instruction, index)
    dtype, name = instruction.type.dtype, FOLDS[instruction.function]

    def step(state: tuple[W, ...], k: int) -> tuple[W, ...]:
        if dtype is DType.F32:
            return (getattr(m, name)(state[0], read(k)),)
        return (m.int_op(dtype, name, state[0], read(k)),)

    def start() -> tuple[W, ...]:
        return (operands.word(dtype, neutral(instruction.function, dtype)),)

    return Chain(instruction.length, start, step, lambda state: state[0])


FOLDS = {
    Reduction.SUM: "add",
    Reduction.PROD: "mul",
    Reduction.MAX: "max",
    Reduction.MIN: "min",
}


def neutral(function: Reduction, dtype: DType) -> int:
    """What a chain starts from: 0, 1, or the extreme that nothing fails to reach.

    A float as its bits, an integer as its number. Of F32 SUM, every lane starts so.
    """
    is_float = dtype is DType.F32
    if function is Reduction.SUM:
        return 0
    if function is Reduction.PROD:
        return word_of(1.0) if is_float else 1
    if function in (Reduction.MAX, Reduction.ARG_MAX):
        return word_of(float("-inf")) if is_float else smallest(dtype)
    return word_of(float("inf")) if is_float else largest(dtype)


def _arg(operands: Operands[W], instruction: Reduce, index: Index) -> Chain[W]:
    """State: the best word so far and its index. Equals keep the earlier, a NaN beats numbers."""
    m, read = operands.machine, _reader(operands, instruction, index)
    dtype = operands.types[0].dtype

    def no_better(word: W, best: W) -> W:
        """Truth; false where either is a NaN."""
        low, high = (word, best) if instruction.function is Reduction.ARG_MAX else (best, word)
        if dtype is DType.F32:
            return m.less_equal(low, high)
        return m.compare(dtype, "less_equal", low, high)

    def step(state: tuple[W, ...], k: int) -> tuple[W, ...]:
        best, position = state
        word, here = read(k), operands.word(DType.I64, k)
        keep = no_better(word, best)
        if dtype is DType.F32:  # nothing replaces a NaN, so the first one stays
            is_number = m.equal(best, best)
            word, here = m.select(is_number, word, best), m.select(is_number, here, position)
        return m.select(keep, best, word), m.select(keep, position, here)

    def start() -> tuple[W, ...]:
        first = operands.word(dtype, neutral(instruction.function, dtype))
        return first, operands.word(DType.I64, 0)

    return Chain(instruction.length, start, step, lambda state: state[1])


def wrapped_position(size: int, index: Index) -> tuple[Index, Index]:
    """Where an index points on an axis of `size` elements, and whether that is inside.

    Not inside is a fault: the run has no result.
    """
    return index + size * (index < 0), (index >= -size) & (index < size)


def _scatter(operands: Operands[W], instruction: Scatter, index: Index) -> Chain[W]:
    """State: the element so far. Every update is looked at; those for other rows change nothing."""
    m, dtype = operands.machine, instruction.type.dtype
    size, inner, count = instruction.size, instruction.inner, operands.types[1].elements
    row = index // inner % size
    first_update = _line(count, inner, index // (size * inner) * inner + index % inner)

    def step(state: tuple[W, ...], j: int) -> tuple[W, ...]:
        number = operands.index(operands.read(1, index * 0 + j))
        position, inside = wrapped_position(size, number)
        update = operands.read(2, first_update + j * inner)
        met = _scattered(operands, instruction.function, dtype, state[0], update)
        return (m.select(inside & (position == row), met, state[0]),)

    return Chain(count, lambda: (operands.read(0, index),), step, lambda state: state[0])


def _scattered(operands: Operands[W], function: Scattering, dtype: DType, word: W, update: W) -> W:
    if function is Scattering.REPLACE:
        return update
    m, name = operands.machine, function.name.lower()
    if dtype is DType.F32:
        met: W = getattr(m, name)(word, update)
        return met
    return m.int_op(dtype, name, word, update)


def _rank(operands: Operands[W], instruction: Rank, index: Index) -> Chain[W]:
    """State: how many elements of the line have been found to come before this one."""
    m, dtype = operands.machine, operands.types[0].dtype
    length, inner = instruction.length, instruction.inner
    place = index // inner % length
    first = index - place * inner
    own, one = operands.read(0, index), operands.word(DType.I64, 1)

    def at_most(low: W, high: W) -> W:
        """Truth; every number is at most a NaN."""
        if dtype is not DType.F32:
            return m.compare(dtype, "less_equal", low, high)
        return m.or_(m.less_equal(low, high), not_(m, m.equal(high, high)))

    def step(state: tuple[W, ...], k: int) -> tuple[W, ...]:
        other = operands.read(0, first + k * inner)
        low, high = (own, other) if instruction.descending else (other, own)
        counted = m.int_op(DType.I64, "add", state[0], one)
        earlier = m.select(at_most(low, high), counted, state[0])
        later = m.select(at_most(high, low), state[0], counted)
        return (m.select(k < place, earlier, later),)

    zero = operands.word(DType.I64, 0)
    return Chain(length, lambda: (zero,), step, lambda state: state[0])
