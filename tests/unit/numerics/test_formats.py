"""Words are taken apart and put together without loss, in all three formats."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.numerics.formats import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    Format,
    round_to_format,
    shift_to_even,
    unpack,
)


def test_constants_are_those_of_the_standard() -> None:
    nans = [fmt.canonical_nan for fmt in (BINARY32, BINARY16, BFLOAT16)]
    assert nans == [0x7FC00000, 0x7E00, 0x7FC0]
    exponents = [fmt.smallest_exponent for fmt in (BINARY32, BINARY16, BFLOAT16)]
    assert exponents == [-149, -24, -133]


@pytest.mark.parametrize("fmt", [BINARY16, BFLOAT16], ids=["f16", "bf16"])
def test_every_finite_short_word_survives_unpacking_and_rounding(fmt: Format) -> None:
    for word in range(1 << 16):
        if word & ~fmt.sign_bit < fmt.infinity:
            assert round_to_format(fmt, *unpack(fmt, word)) == word


@given(st.integers(0, 0x7F7FFFFF), st.booleans())
def test_binary32_words_unpack_to_their_number(magnitude: int, negative: bool) -> None:
    word = magnitude | (BINARY32.sign_bit if negative else 0)
    sign, significand, exponent = unpack(BINARY32, word)
    expected = struct.unpack(">f", word.to_bytes(4, "big"))[0]
    assert (-1) ** sign * significand * 2.0**exponent == expected
    assert round_to_format(BINARY32, sign, significand, exponent) == word


def test_ties_go_to_even() -> None:
    halves = [shift_to_even(value, 1) for value in range(8)]
    assert halves == [0, 0, 1, 2, 2, 2, 3, 4]
    quarters = [shift_to_even(value, 2) for value in range(8)]
    assert quarters == [0, 0, 0, 1, 1, 1, 2, 2]
    assert shift_to_even(5, -2) == 20


def test_rounding_carries_into_the_exponent_and_overflows_to_infinity() -> None:
    assert round_to_format(BINARY32, 0, 2**25 - 1, 0) == round_to_format(BINARY32, 0, 1, 25)
    assert round_to_format(BINARY16, 0, 65519, 0) == 0x7BFF
    assert round_to_format(BINARY16, 1, 65520, 0) == 0xFC00
    assert round_to_format(BINARY32, 0, 2**23 * 2 - 1, -150) == 0x00800000
