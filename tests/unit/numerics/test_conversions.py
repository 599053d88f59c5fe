"""Casts between all dtypes, against struct, exact comparison and hand-picked edges."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.numerics.conversions import cast
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF, unpack
from aivm.numerics.integers import largest, smallest
from aivm.numerics.machine import word_of

INTEGERS = [dtype for dtype in DType if dtype.is_integer]
FLOATS = [DType.F32, DType.F16, DType.BF16]
INFINITY = word_of(float("inf"))


def number(dtype: DType, word: int) -> Fraction:
    sign, significand, exponent = unpack(FORMAT_OF[dtype], word)
    return (-1) ** sign * significand * Fraction(2) ** exponent


def finite(dtype: DType) -> st.SearchStrategy[int]:
    fmt = FORMAT_OF[dtype]
    return st.builds(
        lambda magnitude, sign: magnitude | sign,
        st.integers(0, fmt.infinity - 1),
        st.sampled_from([0, fmt.sign_bit]),
    )


def is_nearest(value: Fraction, dtype: DType, word: int) -> bool:
    """No neighbour of a finite word is closer to `value`, and a tie went to the even word."""
    fmt = FORMAT_OF[dtype]
    distance = abs(value - number(dtype, word))
    magnitude, sign = word & ~fmt.sign_bit, word & fmt.sign_bit
    near = {magnitude - 1, magnitude + 1} - {-1, fmt.infinity}
    others = [abs(value - number(dtype, neighbour | sign)) for neighbour in near]
    closest = min(others)
    return distance < closest or (distance == closest and word % 2 == 0)


@given(finite(DType.F32))
def test_f32_to_f16_agrees_with_struct(word: int) -> None:
    value = struct.unpack(">f", word.to_bytes(4, "big"))[0]
    try:
        expected = int.from_bytes(struct.pack(">e", value), "big")
    except OverflowError:
        expected = 0xFC00 if value < 0 else 0x7C00
    assert cast(DType.F32, DType.F16, word) == expected


@given(finite(DType.F32))
def test_f32_to_bf16_is_nearest(word: int) -> None:
    result = cast(DType.F32, DType.BF16, word)
    if result & 0x7FFF == 0x7F80:
        assert abs(number(DType.F32, word)) >= Fraction(2) ** 128 * (1 - Fraction(1, 2**9))
    else:
        assert is_nearest(number(DType.F32, word), DType.BF16, result)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_widening_and_narrowing_again_gives_every_word_back(dtype: DType) -> None:
    fmt = FORMAT_OF[dtype]
    for word in range(1 << 16):
        again = cast(DType.F32, dtype, cast(dtype, DType.F32, word))
        is_nan = word & ~fmt.sign_bit > fmt.infinity
        assert again == (fmt.canonical_nan if is_nan else word)


@given(st.sampled_from(FLOATS), st.sampled_from(INTEGERS), st.data())
def test_float_to_integer_truncates_and_saturates(
    source: DType, target: DType, data: st.DataObject
) -> None:
    word = data.draw(finite(source))
    exact = int(number(source, word))  # int() of a Fraction truncates
    assert cast(source, target, word) == max(smallest(target), min(exact, largest(target)))


@given(st.sampled_from(INTEGERS), st.sampled_from(FLOATS), st.data())
def test_integer_to_float_rounds_once(source: DType, target: DType, data: st.DataObject) -> None:
    value = data.draw(st.integers(smallest(source), largest(source)))
    word = cast(source, target, value)
    if word & ~FORMAT_OF[target].sign_bit == FORMAT_OF[target].infinity:
        assert target is DType.F16 and abs(value) >= 65520
    else:
        assert is_nearest(Fraction(value), target, word)


@given(st.sampled_from(INTEGERS), st.sampled_from(INTEGERS), st.data())
def test_integers_wrap(source: DType, target: DType, data: st.DataObject) -> None:
    value = data.draw(st.integers(smallest(source), largest(source)))
    result = cast(source, target, value)
    assert smallest(target) <= result <= largest(target)
    assert (result - value) % (1 << 8 * target.size_bytes) == 0


@pytest.mark.parametrize(
    ("source", "target", "word", "expected"),
    [
        (DType.F32, DType.I32, 0x7FC00000, 0),
        (DType.F32, DType.U8, 0xFFC12345, 0),
        (DType.F32, DType.I8, INFINITY, 127),
        (DType.F32, DType.I8, INFINITY | 0x80000000, -128),
        (DType.F32, DType.U64, INFINITY, 2**64 - 1),
        (DType.F32, DType.U32, word_of(-1.0), 0),
        (DType.F32, DType.I64, word_of(2.0**63), 2**63 - 1),
        (DType.F32, DType.I64, word_of(-(2.0**63)), -(2**63)),
        (DType.F32, DType.I32, word_of(-1.75), -1),
        (DType.F32, DType.BOOL, 0x80000000, 0),
        (DType.F32, DType.BOOL, 1, 1),
        (DType.F32, DType.BOOL, 0x7FC00000, 1),
        (DType.F16, DType.BOOL, 0x8000, 0),
        (DType.F32, DType.F16, 0xFF800001, 0x7E00),
        (DType.F32, DType.F32, 0xFF800001, 0x7FC00000),
        (DType.F16, DType.BF16, 0x7C00, 0x7F80),
        (DType.BF16, DType.F16, 0xFF80, 0xFC00),
        (DType.I64, DType.BOOL, -(2**40), 1),
        (DType.BOOL, DType.F32, 1, 0x3F800000),
        (DType.BOOL, DType.I8, 1, 1),
        (DType.U64, DType.BF16, 0x8080000000000001, 0x5F01),  # via f32 it would be a tie: 0x5F00
        (DType.I32, DType.F32, 16777217, word_of(16777216.0)),
        (DType.I32, DType.F32, 0, 0),
    ],
)
def test_examples(source: DType, target: DType, word: int, expected: int) -> None:
    assert cast(source, target, word) == expected
