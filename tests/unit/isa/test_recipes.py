"""Recipes on single elements, where a machine of Python integers shows what arrays would hide."""

from __future__ import annotations

import struct

import pytest

from aivm.isa import (
    Concat,
    Fill,
    Function,
    Gather,
    Instruction,
    Iota,
    Map,
    Move,
    Random,
    TensorType,
)
from aivm.isa.chains import wrapped_position
from aivm.isa.operands import ScalarOperands
from aivm.isa.recipes import element
from aivm.numerics.dtypes import DType
from aivm.numerics.machine import ScalarMachine
from aivm.numerics.philox import philox


def t(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


def words(instruction: Instruction, *operands: tuple[TensorType, bytes]) -> list[int]:
    given = ScalarOperands([type_ for type_, _ in operands], [data for _, data in operands])
    return [element(given, instruction, j) for j in range(instruction.type.elements)]


@pytest.mark.parametrize(
    ("dtype", "given", "moved"),
    [
        (DType.F32, 0xFFC00001, 0x7FC00000),
        (DType.F32, 0x7F800001, 0x7FC00000),
        (DType.F32, 0xFF800000, 0xFF800000),
        (DType.F16, 0xFC01, 0x7E00),
        (DType.F16, 0x7C00, 0x7C00),
        (DType.BF16, 0x7F81, 0x7FC0),
        (DType.BF16, 0xFF80, 0xFF80),
        (DType.U16, 0xFC01, 0xFC01),
    ],
)
def test_whatever_moves_a_nan_makes_it_canonical(dtype: DType, given: int, moved: int) -> None:
    data = (t(dtype, 1), given.to_bytes(dtype.size_bytes, "little"))
    condition, index = (t(DType.BOOL, 1), b"\1"), (t(DType.I64, 1), bytes(8))
    assert words(Move((0,), t(dtype, 1), (1,), (0,), (1,), (0,)), data) == [moved]
    assert words(Gather((0, 1), t(dtype, 1), 1, 1, 1), data, index) == [moved]
    assert words(Concat((0, 1), t(dtype, 2), 1, (1, 1), 1), data, data) == [moved, moved]
    select = Map(Function.SELECT, (0, 1, 2), t(dtype, 1))
    assert words(select, condition, data, data) == [moved]


@pytest.mark.parametrize(
    ("index", "position", "inside"),
    [(0, 0, True), (2, 2, True), (-1, 2, True), (-3, 0, True), (3, 3, False), (-4, -1, False)],
)
def test_wrapped_position(index: int, position: int, inside: bool) -> None:
    assert wrapped_position(3, index) == (position, inside)


def test_gather_outside_its_axis_is_zero_bits() -> None:
    data = (t(DType.U8, 3), bytes([7, 8, 9]))
    index = (t(DType.I32, 3), b"".join(i.to_bytes(4, "little", signed=True) for i in (3, -4, -1)))
    assert words(Gather((0, 1), t(DType.U8, 3), 1, 3, 1), data, index) == [0, 0, 9]


def test_fill_of_a_signed_type_is_its_pattern() -> None:
    assert words(Fill(t(DType.I8, 2), 0xFF)) == [-1, -1]
    move = Move((0,), t(DType.I8, 2), (1,), (0,), (1,), (0,), fill=0x80)
    assert words(move, (t(DType.I8, 1), b"\5")) == [5, -128]


def test_iota_of_i32_wraps() -> None:
    iota = Iota(t(DType.I32, 3), length=3, inner=1, start=2**31 - 1, step=2**31 - 1)
    assert words(iota) == [2**31 - 1, -2, 2**31 - 3]


def test_integer_functions_know_their_dtype() -> None:
    a, b = (t(DType.I8, 2), b"\x80\x07"), (t(DType.I8, 2), b"\xff\xfe")
    assert words(Map(Function.DIV, (0, 1), t(DType.I8, 2)), a, b) == [-128, -3]
    assert words(Map(Function.MOD, (0, 1), t(DType.I8, 2)), a, b) == [0, -1]
    assert words(Map(Function.LESS, (0, 1), t(DType.BOOL, 2)), a, b) == [1, 0]
    assert words(Map(Function.NEG, (0,), t(DType.I8, 2)), a) == [-128, -7]


def test_random_words_are_those_of_the_blocks() -> None:
    """Key and stream are read low half first; the block number is the counter's low half."""
    seed = (t(DType.U64, 2), bytes(16))
    first = words(Random((0,), t(DType.U32, 6)), seed)
    assert first[:4] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    m = ScalarMachine()
    assert first[4:] == list(philox(m, (1, 0, 0, 0), (0, 0)))[:2]
    other = (t(DType.U64, 2), struct.pack("<2Q", 0x1111_1111_2222_2222, 0x3333_3333_4444_4444))
    expected = philox(m, (0, 0, 0x4444_4444, 0x3333_3333), (0x2222_2222, 0x1111_1111))
    assert words(Random((0,), t(DType.U32, 4)), other) == list(expected)
