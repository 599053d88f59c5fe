"""Writes programs value by value: inputs and constants may be named as they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from aivm.commitments import Array, numpy_dtype, tensor_root
from aivm.isa import signatures
from aivm.isa.instructions import Cast, Fill, Instruction, Map, MatMul, Move, Reduce, TensorType
from aivm.isa.opcodes import Function, Reduction
from aivm.isa.program import Constant
from aivm.numerics.dtypes import DType
from aivm.numerics.machine import word_of
from aivm.testing.numbering import renumbered
from aivm.testing.tensors import random_tensor

Shape = tuple[int, ...]
Content = Callable[[np.random.Generator, TensorType], Array]


@dataclass(frozen=True, slots=True)
class _Given:
    """An input or a constant, with its content."""

    array: Array
    constant: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The parts of a program but for its outputs, and the content of what is given to it."""

    input_types: list[TensorType]
    inputs: list[Array]
    constants: list[Constant]
    constant_arrays: list[Array]
    instructions: list[Instruction]


@dataclass(slots=True)
class Sketch:
    """Values in the order of writing; `finished` puts inputs first, then constants."""

    rng: np.random.Generator
    types: list[TensorType] = field(default_factory=list)
    _entries: list[_Given | Instruction] = field(default_factory=list)

    # --- what is given ---------------------------------------------------------------------------

    def input(self, dtype: DType, shape: Shape, content: Content | None = None) -> int:
        return self._given(TensorType(dtype, shape), content, constant=False)

    def constant(self, dtype: DType, shape: Shape, content: Content | None = None) -> int:
        return self._given(TensorType(dtype, shape), content, constant=True)

    def number(self, value: float) -> int:
        """An F32 of rank 0 in the program itself: the nearest binary32 number."""
        return self.fill(DType.F32, word_of(float(np.float32(value))))

    def fill(self, dtype: DType, bits: int) -> int:
        """One element, of rank 0."""
        return self.add(Fill(TensorType(dtype, ()), bits))

    def _given(self, type_: TensorType, content: Content | None, *, constant: bool) -> int:
        array = (content or quiet_tensor)(self.rng, type_)
        return self._append(_Given(array, constant), type_)

    # --- instructions ----------------------------------------------------------------------------

    def add(self, instruction: Instruction) -> int:
        return self._append(instruction, instruction.type)

    def _append(self, entry: _Given | Instruction, type_: TensorType) -> int:
        self._entries.append(entry)
        self.types.append(type_)
        return len(self.types) - 1

    def shape(self, value: int) -> Shape:
        return self.types[value].shape

    def map(self, function: Function, *operands: int) -> int:
        """Broadcast as numpy does."""
        shape = np.broadcast_shapes(*(self.shape(operand) for operand in operands))
        result = signatures.FUNCTIONS[function].result or self.types[operands[-1]].dtype
        return self.add(Map(function, operands, TensorType(result, shape)))

    def matmul(self, a: int, b: int, *, transpose_b: bool = False, to: DType = DType.F32) -> int:
        rows, columns = self.shape(a)[-2], self.shape(b)[-2 if transpose_b else -1]
        leading = np.broadcast_shapes(self.shape(a)[:-2], self.shape(b)[:-2])
        type_ = TensorType(to, (*leading, rows, columns))
        return self.add(MatMul((a, b), type_, transpose_b=transpose_b))

    def reduce(self, function: Reduction, value: int) -> int:
        """Over the last axis, which stays with size 1."""
        *outer, length = self.shape(value)
        result = signatures.REDUCTIONS[function].result or self.types[value].dtype
        type_ = TensorType(result, (*outer, 1))
        return self.add(Reduce(function, (value,), type_, prod(outer), length, 1))

    def cast(self, value: int, dtype: DType) -> int:
        return self.add(Cast((value,), TensorType(dtype, self.shape(value))))

    def reshape(self, value: int, shape: Shape) -> int:
        type_ = TensorType(self.types[value].dtype, shape)
        axes = tuple(range(len(shape)))
        return self.add(
            Move((value,), type_, shape, axes, (1,) * len(shape), (0,) * len(shape)),
        )

    def transpose(self, value: int, axes: Shape) -> int:
        source = self.shape(value)
        type_ = TensorType(self.types[value].dtype, tuple(source[axis] for axis in axes))
        ones, zeros = (1,) * len(axes), (0,) * len(source)
        return self.add(Move((value,), type_, source, axes, ones, zeros))

    def part(self, value: int, axis: int, first: int, length: int) -> int:
        """A slice of one axis."""
        source = self.shape(value)
        shape = (*source[:axis], length, *source[axis + 1 :])
        origins = tuple(first if each == axis else 0 for each in range(len(source)))
        type_ = TensorType(self.types[value].dtype, shape)
        axes = tuple(range(len(source)))
        return self.add(Move((value,), type_, source, axes, (1,) * len(axes), origins))

    # --- the end ---------------------------------------------------------------------------------

    def finished(self) -> Finished:
        """Everything in the numbering of a program."""
        given = [(n, entry) for n, entry in enumerate(self._entries) if isinstance(entry, _Given)]
        inputs = [(n, entry.array) for n, entry in given if not entry.constant]
        constants = [(n, entry.array) for n, entry in given if entry.constant]
        made = [n for n, entry in enumerate(self._entries) if not isinstance(entry, _Given)]
        order = [*(n for n, _ in inputs), *(n for n, _ in constants), *made]
        number = {old: new for new, old in enumerate(order)}
        records = [
            Constant(self.types[n], tensor_root(array, self.types[n].dtype))
            for n, array in constants
        ]
        instructions = [
            renumbered(entry, number.__getitem__)
            for entry in self._entries
            if not isinstance(entry, _Given)
        ]
        return Finished(
            [self.types[n] for n, _ in inputs],
            [array for _, array in inputs],
            records,
            [array for _, array in constants],
            instructions,
        )


def quiet_tensor(rng: np.random.Generator, type_: TensorType) -> Array:
    """Mostly ordinary numbers: a NaN in every row would hide what the rest of it does.

    One tensor in eight is of `random_tensor`'s kind; in one of four a few elements are special.
    """
    if not type_.dtype.is_float or rng.random() < 0.125:
        return random_tensor(rng, type_)
    scale = rng.choice([1e-3, 1.0, 1.0, 30.0])
    array = rng.normal(scale=scale, size=type_.shape).astype(np.float32)
    if type_.dtype is not DType.F32:
        return _stored(array, type_.dtype)
    if rng.random() < 0.25 and array.size:
        special = random_tensor(rng, TensorType(DType.F32, (3,)))
        array.reshape(-1)[rng.integers(0, array.size, size=3)] = special
    return array


def _stored(array: Array, dtype: DType) -> Array:
    if dtype is DType.F16:
        return array.astype(np.float16).view(numpy_dtype(dtype))
    return (array.view(np.uint32) >> np.uint32(16)).astype(np.uint16).view(numpy_dtype(dtype))


def bounded(high: int) -> Content:
    """Integers in [-high, high): what a gather of `high` elements takes."""

    def content(rng: np.random.Generator, type_: TensorType) -> Array:
        return rng.integers(-high, high, size=type_.shape).astype(numpy_dtype(type_.dtype))

    return content
