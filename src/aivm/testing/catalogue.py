"""One small instruction of every kind: each opcode, function and dtype, with tensors to run it on.

Where random programs find combinations, this finds what nobody drew. Every operand is a program
input, so that operand slot and value id are the same number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aivm.commitments import Array, numpy_dtype
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
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.testing.tensors import random_tensor

_OUTER, _LENGTH, _INNER = 2, 19, 3  # more than the 16 lanes of a float sum
_LINES = (_OUTER, _LENGTH, _INNER)
_CHOSEN = (5,)


@dataclass(frozen=True, slots=True)
class Entry:
    """An instruction, and its operands."""

    instruction: Instruction
    types: tuple[TensorType, ...]
    operands: tuple[Array, ...]

    @property
    def program(self) -> Program:
        """The program that is this instruction alone."""
        return Program(self.types, (), (self.instruction,), (len(self.types),))


def catalogue(seed: int) -> Iterator[Entry]:
    """Every kind of instruction, with operands of that seed. No index in them is a fault."""
    rng = np.random.default_rng(seed)
    for instruction, *types in _instructions():
        operands = [random_tensor(rng, type_) for type_ in types]
        if isinstance(instruction, Gather | Scatter):
            size = instruction.size
            carrier = numpy_dtype(types[1].dtype)
            operands[1] = rng.integers(-size, size, types[1].shape).astype(carrier)
        yield Entry(instruction, tuple(types), tuple(operands))


def _instructions() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    yield from _maps()
    yield from _products()
    yield from _reductions()
    yield from _copies()
    yield from _casts()
    yield from _indexed()
    yield from _made_of_nothing()


def _maps() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    shapes = ((2, 3, 4), (4,), (1, 3, 1))
    for function, signature in signatures.FUNCTIONS.items():
        for dtype in sorted(signature.accepted):
            slots = tuple(range(signature.arity))
            types = [TensorType(dtype, shapes[slot]) for slot in slots]
            if signature.first_is_condition:
                types[0] = TensorType(DType.BOOL, shapes[0])
            yield Map(function, slots, TensorType(signature.result or dtype, shapes[0])), *types


def _products() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    pairs = [(DType.F32, DType.F32)]
    pairs += [(a, b) for a in sorted(signatures.BYTES) for b in sorted(signatures.BYTES)]
    for a, b in pairs:
        result = signatures.matmul_result(a, b)
        assert result is not None
        for depth in (5, 0):
            for transposed in range(4):
                turn_a, turn_b = bool(transposed & 1), bool(transposed & 2)
                a_type = TensorType(a, (2, 1, *((depth, 3) if turn_a else (3, depth))))
                b_type = TensorType(b, (4, *((2, depth) if turn_b else (depth, 2))))
                type_ = TensorType(result, (2, 4, 3, 2))
                yield MatMul((0, 1), type_, turn_a, turn_b), a_type, b_type


def _reductions() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    for function, signature in signatures.REDUCTIONS.items():
        for dtype in sorted(signature.accepted):
            result = TensorType(signature.result or dtype, (_OUTER, _INNER))
            for length in (_LENGTH, 0) if function in signatures.REDUCES_NOTHING else (_LENGTH,):
                view = (_OUTER, length, _INNER)
                yield Reduce(function, (0,), result, *view), TensorType(dtype, view)
    for dtype in sorted(signatures.NUMBERS):
        type_, ranks = TensorType(dtype, _LINES), TensorType(DType.I64, _LINES)
        yield Rank((0,), ranks, *_LINES), type_
        yield Rank((0,), ranks, *_LINES, descending=True), type_


def _copies() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    for dtype in DType:
        fill = 0x7FC0_0000 if dtype is DType.F32 else 1
        # a flipped axis, a broadcast one, two dimensions on one padded axis
        window = TensorType(dtype, (3, 2, 4, 3))
        axes, steps, origins = (0, -1, 1, 1), (-1, 0, 2, 1), (2, -1)
        yield Move((0,), window, (3, 5), axes, steps, origins, fill), TensorType(dtype, (15,))
        yield (
            Move((0,), TensorType(dtype, (2,)), (0,), (0,), (1,), (0,), fill),
            TensorType(dtype, (0,)),
        )
        lengths = (3, 0, 1, 2)
        parts = [TensorType(dtype, (2, length, 3)) for length in lengths]
        yield Concat((0, 1, 2, 3), TensorType(dtype, (2, 6, 3)), 2, lengths, 3), *parts


def _casts() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    for source in DType:
        for target in DType:
            if signatures.can_cast(source, target):
                yield Cast((0,), TensorType(target, (9,))), TensorType(source, (9,))


def _indexed() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    view, updated = (2, 4, 3), (2, *_CHOSEN, 3)
    for index in sorted(signatures.INDEX_DTYPES):
        for dtype in DType:
            data = TensorType(dtype, view)
            result = TensorType(dtype, updated)
            yield Gather((0, 1), result, *view), data, TensorType(index, _CHOSEN)
        for function, accepted in signatures.SCATTERINGS.items():
            for dtype in sorted(accepted):
                data = TensorType(dtype, view)
                for chosen, updates in ((_CHOSEN, updated), ((0,), (2, 0, 3))):
                    operands = (data, TensorType(index, chosen), TensorType(dtype, updates))
                    yield Scatter(function, (0, 1, 2), data, *view), *operands


def _made_of_nothing() -> Iterator[tuple[Instruction, *tuple[TensorType, ...]]]:
    for dtype in sorted(signatures.INDEX_DTYPES):
        for start, step in ((-3, 2), (2**31 - 5, -(2**30))):
            yield (Iota(TensorType(dtype, (2, 5, 3)), 5, 3, start, step),)
    for dtype in DType:
        yield (Fill(TensorType(dtype, (2,)), 1),)
    yield Random((0,), TensorType(DType.U32, (9,))), TensorType(DType.U64, (2,))
