"""The scalar machine's own 32-bit operations and constants."""

from __future__ import annotations

import pytest

from aivm.numerics import ScalarMachine, word_of

m = ScalarMachine()


def test_constants_are_exact_binary32_numbers() -> None:
    assert m.f32(1.0) == word_of(1.0) == 0x3F800000
    assert m.f32(-0.0) == 0x80000000
    assert m.f32(float("-inf")) == 0xFF800000
    assert m.bits(0xDEADBEEF) == 0xDEADBEEF


@pytest.mark.parametrize("value", [0.1, 16777217.0, 2.0**-150, 2.0**128, 1e300])
def test_other_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a binary32 number"):
        word_of(value)


def test_32_bit_operations_wrap() -> None:
    assert m.iadd(0xFFFFFFFF, 2) == 1
    assert m.isub(0, 1) == 0xFFFFFFFF
    assert m.imul(0x80000001, 3) == 0x80000003
    assert m.shl(0xC0000001, 1) == 0x80000002
    assert m.shr(0x80000000, 31) == 1
    assert m.sar(0x80000000, 31) == 0xFFFFFFFF
    assert m.sar(0x40000000, 30) == 1
    assert (m.and_(12, 10), m.or_(12, 10), m.xor(12, 10)) == (8, 14, 6)


def test_select_chooses_by_truth() -> None:
    assert m.select(m.less(m.f32(1.0), m.f32(2.0)), 7, 8) == 7
    assert m.select(m.equal(m.f32(1.0), m.f32(2.0)), 7, 8) == 8
