"""Signs, and rounding to an integral number, against Python's own integers."""

from __future__ import annotations

import math
import struct
from math import copysign, inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.numerics import ScalarMachine, word_of
from aivm.numerics.functions import UNARY

m = ScalarMachine()
ROUNDINGS = {"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "round": round}
numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.integers(-(2**24), 2**24).map(lambda n: n / 2),
)


def result_of(name: str, x: float) -> float:
    word = m.canonical(UNARY[name](m, word_of(x) if x == x else 0x7FC00000))
    return float(struct.unpack(">f", word.to_bytes(4, "big"))[0])


@pytest.mark.parametrize("name", ROUNDINGS)
@given(x=numbers)
def test_rounding_gives_the_integer_and_keeps_the_sign(name, x):
    result = result_of(name, x)
    assert result == ROUNDINGS[name](x)
    if result == 0:
        assert copysign(1, result) == copysign(1, x)


@pytest.mark.parametrize("name", [*ROUNDINGS, "sign"])
def test_zeros_and_nan_are_kept(name):
    assert copysign(1, result_of(name, 0.0)) == 1
    assert copysign(1, result_of(name, -0.0)) == -1
    assert isnan(result_of(name, nan))


@pytest.mark.parametrize("name", ROUNDINGS)
def test_infinities_are_kept(name):
    assert (result_of(name, inf), result_of(name, -inf)) == (inf, -inf)


@given(numbers)
def test_signs(x):
    assert result_of("neg", x) == -x
    assert result_of("abs", x) == abs(x)
    assert result_of("sign", x) == (x > 0) - (x < 0)
    assert copysign(1, result_of("neg", x)) == -copysign(1, x)


@pytest.mark.parametrize(
    ("word", "nan_truth", "infinite"),
    [
        (0x7FC00000, 1, 0),
        (0xFF800001, 1, 0),
        (0x7F800000, 0, 1),
        (0xFF800000, 0, 1),
        (0x7F7FFFFF, 0, 0),
        (0, 0, 0),
    ],
)
def test_predicates(word, nan_truth, infinite):
    assert UNARY["is_nan"](m, word) == nan_truth
    assert UNARY["is_inf"](m, word) == infinite


def test_reciprocal_and_sqrt_are_correctly_rounded():
    assert result_of("reciprocal", 3.0) == struct.unpack(">f", struct.pack(">f", 1 / 3))[0]
    assert result_of("reciprocal", -0.0) == -inf
    assert result_of("sqrt", 2.0) == struct.unpack(">f", struct.pack(">f", math.sqrt(2)))[0]
