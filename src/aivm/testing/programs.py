"""Random valid programs of every instruction family, for differential tests and fuzzers.

Shapes are small and often odd: rank 0, dimensions of 0 and 1, lengths just over 16. A program is a
function of its seed, so a failure is reported as one number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np

from aivm.commitments import Array, tensor_root
from aivm.isa import signatures
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
    TensorType,
)
from aivm.isa.opcodes import Function
from aivm.isa.program import Constant, Program
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap
from aivm.testing.tensors import random_tensor

MAX_ELEMENTS = 512

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RandomProgram:
    """A program with constants that have its roots, and inputs that fit it."""

    seed: int
    program: Program
    constants: tuple[Array, ...]
    inputs: tuple[Array, ...]


def random_program(seed: int, *, max_instructions: int = 12, faults: bool = False) -> RandomProgram:
    """The program of that seed. No index in it is a fault, unless `faults` asks for some."""
    rng = np.random.Generator(np.random.PCG64(seed))
    draw = Draw(rng)
    inputs = [draw.type_() for _ in range(rng.integers(1, 4))]
    constants = [draw.type_() for _ in range(rng.integers(0, 3))]
    builder = Builder(draw, [*inputs, *constants], faults=faults)
    for _ in range(draw.between(1, max_instructions)):
        builder.add_any()
    values = [random_tensor(rng, type_) for type_ in constants]
    first = len(inputs) + len(constants)
    last = first + len(builder.instructions) - 1
    others = rng.integers(first, last + 1, size=rng.integers(0, 3))
    program = Program(
        inputs=tuple(inputs),
        constants=tuple(
            Constant(type_, tensor_root(value, type_.dtype))
            for type_, value in zip(constants, values, strict=True)
        ),
        instructions=tuple(builder.instructions),
        outputs=(last, *others.tolist()),
    )
    validate(program)
    arrays = tuple(random_tensor(rng, type_) for type_ in inputs)
    return RandomProgram(seed, program, tuple(values), arrays)


class Draw:
    """Random choices."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def below(self, end: int) -> int:
        return int(self.rng.integers(0, end))

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def of(self, choices: Sequence[Any]) -> Any:
        return choices[self.below(len(choices))]

    def dim(self) -> int:
        return 0 if self.chance(0.02) else int(self.of((1, 2, 2, 3, 4, 5, 7, 8, 16, 17, 19, 33)))

    def shape(self, max_rank: int = 4, max_elements: int = MAX_ELEMENTS) -> Shape:
        shape: Shape = ()
        for _ in range(self.below(max_rank + 1)):
            dim = self.dim()
            if prod(shape) * dim <= max_elements:
                shape = (*shape, dim)
        return shape

    def dtype(self) -> DType:
        return DType.F32 if self.chance(0.6) else cast(DType, self.of(list(DType)))

    def type_(self) -> TensorType:
        return TensorType(self.dtype(), self.shape())

    def bits(self, dtype: DType) -> int:
        """A bit pattern that a result may hold."""
        if dtype.is_float:
            return int(self.of((0, 1, 1 << 8 * dtype.size_bytes - 1, 0x3C00)))
        return 1 if dtype is DType.BOOL else self.between(0, (1 << 8 * dtype.size_bytes - 1) - 1)

    def views(self, shape: Shape) -> tuple[int, int, int]:
        """`shape` viewed as (outer, middle, inner)."""
        first = self.below(len(shape) + 1)
        second = self.between(first, len(shape))
        return prod(shape[:first]), prod(shape[first:second]), prod(shape[second:])


class Builder:
    """Instructions that are valid from the first to the last."""

    def __init__(self, draw: Draw, values: Sequence[TensorType], *, faults: bool = False) -> None:
        self.draw = draw
        self.faults = faults
        self.types = list(values)
        self.instructions: list[Instruction] = []

    def add(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        self.types.append(instruction.type)
        return len(self.types) - 1

    def add_any(self) -> None:
        families: tuple[Callable[[], object], ...] = (
            *(self.map_,) * 10,
            *(self.matmul, self.reduce) * 3,
            *(self.window, self.transpose, self.gather, self.concat, self.cast) * 2,
            *(self.matmul_bytes, self.scatter, self.rank, self.random),
            *(self.walk, self.iota, self.fill),
        )
        before = len(self.instructions)
        while len(self.instructions) == before:
            self.draw.of(families)()

    def shape(self) -> Shape:
        """Often one that exists already, so that results feed one another."""
        return self.types[self.any_value()].shape if self.draw.chance(0.6) else self.draw.shape()

    # Operands: a value of the wanted type, made from another one where there is none.

    def any_value(self) -> int:
        return self.draw.below(len(self.types))

    def value(self, dtype: DType, shape: Shape) -> int:
        wanted = TensorType(dtype, shape)
        fitting = [value for value, type_ in enumerate(self.types) if type_ == wanted]
        if fitting and self.draw.chance(0.7):
            return int(self.draw.of(fitting))
        same = [value for value, type_ in enumerate(self.types) if type_.dtype is dtype]
        source = int(self.draw.of(same)) if same else self.as_dtype(self.any_value(), dtype)
        return self.walk(source, shape)

    def as_dtype(self, value: int, dtype: DType) -> int:
        source = self.types[value]
        if source.dtype is dtype:
            return value
        if not signatures.can_cast(source.dtype, dtype):
            value = self.add(Cast((value,), TensorType(DType.F32, source.shape)))
        return self.add(Cast((value,), TensorType(dtype, source.shape)))

    # Families.

    def map_(self) -> None:
        base = self.any_value()
        dtype, shape = self.types[base].dtype, self.types[base].shape
        accepting = [
            each for each, known in signatures.FUNCTIONS.items() if dtype in known.accepted
        ]
        function = self.draw.of(accepting)
        signature = signatures.FUNCTIONS[function]
        if len(shape) < 4 and self.draw.chance(0.2):
            shape = (self.draw.between(1, 3), *shape)  # base is broadcast
        operands = [base]
        while len(operands) < signature.arity - signature.first_is_condition:
            other = self.value(dtype, self.narrowed(shape))
            operands.insert(self.draw.below(len(operands) + 1), other)
        if signature.first_is_condition:
            operands.insert(0, self.value(DType.BOOL, self.narrowed(shape)))
        self.add(Map(function, tuple(operands), TensorType(signature.result or dtype, shape)))

    def narrowed(self, shape: Shape) -> Shape:
        """A shape that broadcasts to `shape`: mostly itself."""
        if self.draw.chance(0.6):
            return shape
        kept = shape[self.draw.below(len(shape) + 1) :]
        return tuple(1 if self.draw.chance(0.3) else dim for dim in kept)

    def matmul(self) -> None:
        self.product(DType.F32, DType.F32)

    def matmul_bytes(self) -> None:
        bytes_ = sorted(signatures.BYTES)
        self.product(self.draw.of(bytes_), self.draw.of(bytes_))

    def product(self, a_dtype: DType, b_dtype: DType) -> None:
        rows, depth, columns = (self.draw.dim() for _ in range(3))
        leading = self.draw.shape(max_rank=2, max_elements=4)
        transpose_a, transpose_b = self.draw.chance(0.3), self.draw.chance(0.3)
        a = (depth, rows) if transpose_a else (rows, depth)
        b = (columns, depth) if transpose_b else (depth, columns)
        operands = (
            self.value(a_dtype, (*self.narrowed(leading), *a)),
            self.value(b_dtype, (*self.narrowed(leading), *b)),
        )
        dtype = signatures.matmul_result(a_dtype, b_dtype)
        assert dtype is not None
        type_ = TensorType(dtype, (*leading, rows, columns))
        self.add(MatMul(operands, type_, transpose_a, transpose_b))

    def reduce(self) -> None:
        base = self.any_value()
        dtype = self.types[base].dtype
        outer, length, inner = self.draw.views(self.types[base].shape)
        functions = [
            function
            for function, signature in signatures.REDUCTIONS.items()
            if dtype in signature.accepted
            and (length > 0 or function in signatures.REDUCES_NOTHING)
        ]
        if functions:
            function = self.draw.of(functions)
            shape = self.draw.of([(outer, inner), (outer * inner,), (1, outer, 1, inner)])
            type_ = TensorType(signatures.REDUCTIONS[function].result or dtype, shape)
            self.add(Reduce(function, (base,), type_, outer, length, inner))

    def walk(self, source: int | None = None, shape: Shape | None = None) -> int:
        """A move without sense: any axes, steps and origins, often out of range."""
        value = self.any_value() if source is None else source
        shape = self.shape() if shape is None else shape
        type_ = self.types[value]
        sizes = self.draw.of([type_.shape, (type_.elements,), self.draw.views(type_.shape)])
        axes = tuple(self.draw.between(-1, len(sizes) - 1) for _ in shape)
        steps = tuple(0 if axis < 0 else self.draw.of((1, 1, 1, -1, 2, 3, 0)) for axis in axes)
        origins = tuple(self.draw.between(-1, max(1, size // 2)) for size in sizes)
        fill = self.draw.bits(type_.dtype)
        result = TensorType(type_.dtype, shape)
        return self.add(Move((value,), result, sizes, axes, steps, origins, fill))

    def transpose(self) -> None:
        """A permutation of the axes, some of them flipped or sliced."""
        value = self.any_value()
        source = self.types[value].shape
        axes = tuple(int(axis) for axis in self.draw.rng.permutation(len(source)))
        steps = tuple(self.draw.of((1, 1, 1, -1, 2)) for _ in axes)
        shape = tuple(-(-source[axis] // abs(step)) for axis, step in zip(axes, steps, strict=True))
        origins = [0] * len(source)
        for axis, step in zip(axes, steps, strict=True):
            origins[axis] = max(source[axis] - 1, 0) if step < 0 else 0
        type_ = TensorType(self.types[value].dtype, shape)
        self.add(Move((value,), type_, source, axes, steps, tuple(origins)))

    def window(self) -> None:
        """What a convolution or pooling reads: two result dimensions on one padded axis."""
        size, kernel, padding = (
            self.draw.between(1, 17),
            self.draw.between(1, 4),
            self.draw.below(3),
        )
        step, dilation, channels = (self.draw.between(1, 2) for _ in range(3))
        count = max(0, (size + 2 * padding - dilation * (kernel - 1) - 1) // step + 1)
        dtype = self.draw.dtype()
        value = self.value(dtype, (channels, size))
        type_ = TensorType(dtype, (count, channels, kernel))
        axes, steps = (1, 0, 1), (step, 1, dilation)
        fill = self.draw.bits(dtype)
        self.add(Move((value,), type_, (channels, size), axes, steps, (0, -padding), fill))

    def gather(self) -> None:
        data = self.any_value()
        outer, size, inner = self.draw.views(self.types[data].shape)
        shape = self.draw.shape(max_rank=2, max_elements=16)
        count = prod(shape)
        if size == 0 or outer * count * inner > MAX_ELEMENTS:
            return
        index = self.index(self.draw.of((DType.I32, DType.I64)), shape, size)
        type_ = TensorType(self.types[data].dtype, (outer, *shape, inner))
        self.add(Gather((data, index), type_, outer, size, inner))

    def scatter(self) -> None:
        data = self.any_value()
        type_ = self.types[data]
        outer, size, inner = self.draw.views(type_.shape)
        shape = self.draw.shape(max_rank=2, max_elements=16)
        if size == 0 or outer * prod(shape) * inner > MAX_ELEMENTS:
            return
        functions = [each for each, known in signatures.SCATTERINGS.items() if type_.dtype in known]
        index = self.index(self.draw.of((DType.I32, DType.I64)), shape, size)
        updates = self.value(type_.dtype, (outer, *shape, inner))
        operands = (data, index, updates)
        self.add(Scatter(self.draw.of(functions), operands, type_, outer, size, inner))

    def rank(self) -> None:
        value = self.any_value()
        type_ = self.types[value]
        if type_.dtype in signatures.NUMBERS:
            result = TensorType(DType.I64, type_.shape)
            views = self.draw.views(type_.shape)
            self.add(Rank((value,), result, *views, descending=self.draw.chance(0.5)))

    def random(self) -> None:
        seed = self.value(DType.U64, (2,))
        self.add(Random((seed,), TensorType(DType.U32, self.shape())))

    def index(self, dtype: DType, shape: Shape, size: int) -> int:
        """Any integers, brought into range; sometimes counted from the end."""
        if self.faults and self.draw.chance(0.7):
            return self.value(dtype, shape)
        result = TensorType(dtype, shape)
        number = self.add(Fill(TensorType(dtype, ()), size))
        index = self.add(Map(Function.MOD, (self.value(dtype, shape), number), result))
        if self.draw.chance(0.3):
            index = self.add(Map(Function.SUB, (index, number), result))
        return index

    def concat(self) -> None:
        dtype = self.draw.dtype()
        lengths = tuple(self.draw.dim() for _ in range(self.draw.between(2, 4)))
        outer, inner = self.draw.between(0, 3), self.draw.between(1, 3)
        operands = tuple(self.value(dtype, (outer, length, inner)) for length in lengths)
        type_ = TensorType(dtype, (outer, sum(lengths), inner))
        self.add(Concat(operands, type_, outer, lengths, inner))

    def cast(self) -> None:
        value = self.any_value()
        source = self.types[value]
        targets = [dtype for dtype in DType if signatures.can_cast(source.dtype, dtype)]
        self.add(Cast((value,), TensorType(self.draw.of(targets), source.shape)))

    def iota(self) -> None:
        dtype = self.draw.of((DType.I32, DType.I64))
        shape = self.shape()
        _, length, inner = self.draw.views(shape)
        big = self.draw.chance(0.3)
        start, step = (
            wrap(dtype, self.draw.between(-(2**62), 2**62)) if big else self.draw.between(-9, 9)
            for _ in range(2)
        )
        self.add(Iota(TensorType(dtype, shape), length, inner, start, step))

    def fill(self) -> None:
        type_ = self.draw.type_()
        self.add(Fill(type_, self.draw.bits(type_.dtype)))
