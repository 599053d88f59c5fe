"""Integer operations of every dtype: wrapping, total division, signs of remainders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.errors import MalformedProgram
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import (
    BINARY,
    ON_BOOL,
    compare,
    int_op,
    int_unary,
    largest,
    smallest,
    wrap,
)

INTEGERS = [dtype for dtype in DType if dtype.is_integer]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[DType, int, int]:
    """A dtype and two of its numbers, extremes and small ones often among them."""
    dtype = draw(st.sampled_from(INTEGERS))
    low, high = smallest(dtype), largest(dtype)
    edges = [wrap(dtype, value) for value in (0, 1, -1, 2, low, high)]
    number = st.one_of(st.integers(low, high), st.sampled_from(edges))
    return dtype, draw(number), draw(number)


@given(pairs())
def test_results_are_in_range_and_congruent(case: tuple[DType, int, int]) -> None:
    dtype, a, b = case
    modulus = 1 << 8 * dtype.size_bytes
    exact = {"add": a + b, "sub": a - b, "mul": a * b, "and": a & b, "or": a | b, "xor": a ^ b}
    for name, value in exact.items():
        result = int_op(dtype, name, a, b)
        assert smallest(dtype) <= result <= largest(dtype)
        assert (result - value) % modulus == 0


@given(pairs())
def test_division_and_its_remainders(case: tuple[DType, int, int]) -> None:
    dtype, a, b = case
    quotient, remainder = int_op(dtype, "div", a, b), int_op(dtype, "fmod", a, b)
    modulo = int_op(dtype, "mod", a, b)
    if b == 0:
        assert (quotient, remainder, modulo) == (0, 0, 0)
        return
    assert wrap(dtype, quotient * b + remainder) == a
    assert abs(remainder) < abs(b) and remainder * a >= 0
    assert abs(modulo) < abs(b) and modulo * b >= 0 and (modulo - a) % b == 0


@given(pairs(), st.integers(-1, 65))
def test_shifts(case: tuple[DType, int, int], near: int) -> None:
    dtype, a, b = case
    b = b if b % 3 == 0 else wrap(dtype, near)
    bits = 8 * dtype.size_bytes
    inside = 0 <= b < bits
    assert int_op(dtype, "shift_left", a, b) == (wrap(dtype, a * 2**b) if inside else 0)
    assert int_op(dtype, "shift_right", a, b) == (a // 2**b if inside else -int(a < 0))


@given(pairs())
def test_order(case: tuple[DType, int, int]) -> None:
    dtype, a, b = case
    assert int_op(dtype, "min", a, b) == min(a, b)
    assert int_op(dtype, "max", a, b) == max(a, b)
    assert compare(dtype, "less", a, b) == int(a < b)
    assert compare(dtype, "less_equal", a, b) == int(a <= b)
    assert compare(dtype, "equal", a, b) == int(a == b)


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("div", -7, 2, -3),
        ("div", 7, -2, -3),
        ("div", -128, -1, -128),
        ("mod", -7, 3, 2),
        ("mod", 7, -3, -2),
        ("fmod", -7, 3, -1),
        ("fmod", 7, -3, 1),
        ("fmod", -128, -1, 0),
        ("add", 127, 1, -128),
        ("mul", -128, -1, -128),
    ],
)
def test_examples_on_i8(name: str, a: int, b: int, expected: int) -> None:
    assert int_op(DType.I8, name, a, b) == expected


def test_unary_operations() -> None:
    assert int_unary(DType.I32, "neg", -(2**31)) == -(2**31)
    assert int_unary(DType.I32, "abs", -(2**31)) == -(2**31)
    assert int_unary(DType.U8, "neg", 1) == 255
    assert int_unary(DType.U16, "not", 1) == 0xFFFE
    assert int_unary(DType.I16, "not", 0) == -1
    assert [int_unary(DType.I64, "sign", value) for value in (-9, 0, 9)] == [-1, 0, 1]


def test_bool_has_logic_only() -> None:
    assert [int_unary(DType.BOOL, "not", value) for value in (0, 1)] == [1, 0]
    assert int_op(DType.BOOL, "xor", 1, 1) == 0
    assert int_op(DType.BOOL, "max", 0, 1) == 1
    for name in set(BINARY) - ON_BOOL:
        with pytest.raises(MalformedProgram, match=name):
            int_op(DType.BOOL, name, 1, 1)


@pytest.mark.parametrize("dtype", [DType.F32, DType.F16, DType.BF16])
def test_floats_are_refused(dtype: DType) -> None:
    with pytest.raises(MalformedProgram, match=dtype.name):
        int_op(dtype, "add", 0, 0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(MalformedProgram, match="cube"):
        int_unary(DType.I32, "cube", 2)
