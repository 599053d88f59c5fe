"""Arithmetic on binary32 words, correctly rounded: exact integers first, then one rounding.

NaN operands give the canonical NaN. The sign of an exact zero sum is + unless both terms are
negative. Overflow gives infinity, underflow is gradual; there are no flags and no traps.
"""

from __future__ import annotations

from math import isqrt

from aivm.numerics.formats import (
    BINARY32,
    is_infinite,
    is_nan,
    round_to_format,
    sign_of,
    unpack,
    with_sticky,
)

NAN = BINARY32.canonical_nan
INFINITY = BINARY32.infinity
SIGN = BINARY32.sign_bit

# Bits kept of a quotient or a root before its sticky bit: more than 24 + 2, whatever the operands.
_EXTRA_BITS = 64


def canonical(a: int) -> int:
    """The canonical NaN where `a` is any NaN, else `a`."""
    return NAN if is_nan(BINARY32, a) else a


def negative(a: int) -> int:
    """The word with its sign bit flipped (of a NaN too)."""
    return a ^ SIGN


def add(a: int, b: int) -> int:
    """a + b."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return NAN
    if is_infinite(BINARY32, a):
        return NAN if b == negative(a) else a
    if is_infinite(BINARY32, b):
        return b
    return _round_sum(unpack(BINARY32, a), unpack(BINARY32, b))


def sub(a: int, b: int) -> int:
    """a - b, which is a + (-b)."""
    return add(a, negative(b))


def mul(a: int, b: int) -> int:
    """a * b."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return NAN
    sign = sign_of(BINARY32, a) ^ sign_of(BINARY32, b)
    if is_infinite(BINARY32, a) or is_infinite(BINARY32, b):
        return NAN if _is_zero(a) or _is_zero(b) else _signed(sign, INFINITY)
    return round_to_format(BINARY32, *_product(a, b))


def div(a: int, b: int) -> int:
    """a / b; x / 0 is an infinity, 0 / 0 and infinity / infinity are NaN."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return NAN
    sign = sign_of(BINARY32, a) ^ sign_of(BINARY32, b)
    if is_infinite(BINARY32, a):
        return NAN if is_infinite(BINARY32, b) else _signed(sign, INFINITY)
    if is_infinite(BINARY32, b):
        return _signed(sign, 0)
    if _is_zero(b):
        return NAN if _is_zero(a) else _signed(sign, INFINITY)
    _, significand_a, exponent_a = unpack(BINARY32, a)
    _, significand_b, exponent_b = unpack(BINARY32, b)
    quotient, remainder = divmod(significand_a << _EXTRA_BITS, significand_b)
    exponent = exponent_a - exponent_b - _EXTRA_BITS
    return round_to_format(BINARY32, sign, with_sticky(quotient, remainder != 0), exponent - 1)


def sqrt(a: int) -> int:
    """The square root; of -0 it is -0, of anything else below zero NaN."""
    if is_nan(BINARY32, a):
        return NAN
    if _is_zero(a):
        return a
    if sign_of(BINARY32, a):
        return NAN
    if is_infinite(BINARY32, a):
        return a
    _, significand, exponent = unpack(BINARY32, a)
    if exponent & 1:
        significand, exponent = significand << 1, exponent - 1
    scaled = significand << _EXTRA_BITS
    root = isqrt(scaled)
    inexact = root * root != scaled
    return round_to_format(
        BINARY32, 0, with_sticky(root, inexact), (exponent - _EXTRA_BITS) // 2 - 1
    )


def fma(a: int, b: int, c: int) -> int:
    """a * b + c with one rounding, at the end."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b) or is_nan(BINARY32, c):
        return NAN
    if is_infinite(BINARY32, a) or is_infinite(BINARY32, b):
        return add(mul(a, b), c)
    if is_infinite(BINARY32, c):
        return c
    return _round_sum(_product(a, b), unpack(BINARY32, c))


def minimum(a: int, b: int) -> int:
    """The lesser; NaN if either is NaN; -0 is less than +0 (IEEE 754-2019 minimum)."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return NAN
    return a if _order(a) <= _order(b) else b


def maximum(a: int, b: int) -> int:
    """The greater; NaN if either is NaN; +0 is greater than -0 (IEEE 754-2019 maximum)."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return NAN
    return a if _order(a) >= _order(b) else b


def equal(a: int, b: int) -> int:
    """1 where a = b, else 0; -0 equals +0, a NaN equals nothing."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return 0
    return int(a == b or (_is_zero(a) and _is_zero(b)))


def less(a: int, b: int) -> int:
    """1 where a < b, else 0; false with a NaN, and between the two zeros."""
    if is_nan(BINARY32, a) or is_nan(BINARY32, b):
        return 0
    return int(_order(a) < _order(b) and not (_is_zero(a) and _is_zero(b)))


def less_equal(a: int, b: int) -> int:
    """1 where a <= b, else 0; false with a NaN."""
    return less(a, b) | equal(a, b)


def _is_zero(a: int) -> bool:
    return a & ~SIGN == 0


def _signed(sign: int, magnitude: int) -> int:
    return magnitude | (SIGN if sign else 0)


def _order(a: int) -> int:
    """An integer that sorts as the numbers do, with -0 (-1) just below +0 (0)."""
    return -1 - (a & ~SIGN) if a & SIGN else a


def _product(a: int, b: int) -> tuple[int, int, int]:
    """The exact product of two finite words as (sign, significand, exponent)."""
    sign_a, significand_a, exponent_a = unpack(BINARY32, a)
    sign_b, significand_b, exponent_b = unpack(BINARY32, b)
    return sign_a ^ sign_b, significand_a * significand_b, exponent_a + exponent_b


def _round_sum(x: tuple[int, int, int], y: tuple[int, int, int]) -> int:
    """x + y, both exact, rounded once. An exact zero is -0 only where both terms are negative."""
    (sign_x, significand_x, exponent_x), (sign_y, significand_y, exponent_y) = x, y
    exponent = min(exponent_x, exponent_y)
    term_x = significand_x << (exponent_x - exponent)
    term_y = significand_y << (exponent_y - exponent)
    total = (-term_x if sign_x else term_x) + (-term_y if sign_y else term_y)
    sign = int(total < 0) if total != 0 else sign_x & sign_y
    return round_to_format(BINARY32, sign, abs(total), exponent)
