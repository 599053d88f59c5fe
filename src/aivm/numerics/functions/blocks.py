"""Short sequences of base operations that the functions share."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.numerics.machine import Machine, W

SIGN_BIT = 0x8000_0000
MAGNITUDE_BITS = 0x7FFF_FFFF
INFINITY = 0x7F80_0000
NAN = 0x7FC0_0000

# 1.5 * 2**23: adding it to |x| < 2**22 rounds x to an integer, ties to even, which then stands in
# the low bits of the sum's pattern.
ROUNDER = 12582912.0
ROUNDER_PATTERN = 0x4B40_0000


def hexadecimal(text: str) -> tuple[float, ...]:
    """The binary32 numbers written in hexadecimal, separated by blanks."""
    return tuple(float.fromhex(number) for number in text.split())


def magnitude(m: Machine[W], x: W) -> W:
    """|x|: the sign bit cleared."""
    return m.and_(x, m.bits(MAGNITUDE_BITS))


def copy_sign(m: Machine[W], size: W, sign: W) -> W:
    """`size`, which must have its sign bit clear, with the sign bit of `sign`."""
    return m.or_(size, m.and_(sign, m.bits(SIGN_BIT)))


def negate(m: Machine[W], x: W) -> W:
    """-x: the sign bit flipped."""
    return m.xor(x, m.bits(SIGN_BIT))


def not_(m: Machine[W], truth: W) -> W:
    """The opposite truth."""
    zero = m.f32(0.0)
    return m.xor(truth, m.equal(zero, zero))


def polynomial(m: Machine[W], x: W, coefficients: Sequence[float]) -> W:
    """coefficients[0] * x**n + ... + coefficients[n], by Horner's rule with fma."""
    value = m.f32(coefficients[0])
    for coefficient in coefficients[1:]:
        value = m.fma(value, x, m.f32(coefficient))
    return value


def nearest_integer(m: Machine[W], shifted: W) -> tuple[W, W]:
    """(as F32, as 32-bit integer) of the integer k, given `shifted` = k + ROUNDER."""
    as_float = m.sub(shifted, m.f32(ROUNDER))
    as_integer = m.isub(shifted, m.bits(ROUNDER_PATTERN))
    return as_float, as_integer


def integer_to_float(m: Machine[W], k: W) -> W:
    """F32 of a 32-bit integer with |k| < 2**22."""
    return m.sub(m.iadd(k, m.bits(ROUNDER_PATTERN)), m.f32(ROUNDER))


def power_of_two(m: Machine[W], k: W) -> W:
    """2**k for an integer -126 <= k <= 127; unspecified outside."""
    return m.shl(m.iadd(k, m.bits(127)), 23)


def float_power_of_two(m: Machine[W], k: W) -> W:
    """2**k for an integral F32 -126 <= k <= 127; unspecified outside.

    The low bits of the sum are k + 127, and all others leave the word.
    """
    return m.shl(m.add(k, m.f32(ROUNDER + 127.0)), 23)


def scale_by_power_of_two(m: Machine[W], excess: W, k: W) -> W:
    """(1 + excess) * 2**k for -252 <= k <= 254, with overflow and gradual underflow.

    2**k is applied as two factors, because it can lie outside the range where the result is inside.
    """
    half = m.sar(k, 1)
    first = power_of_two(m, half)
    second = power_of_two(m, m.isub(k, half))
    return m.mul(m.fma(excess, first, first), second)


def fast_two_sum(m: Machine[W], a: W, b: W) -> tuple[W, W]:
    """(s, e) with s = a + b rounded and s + e = a + b exactly, for |a| >= |b| or a = 0 (Dekker)."""
    total = m.add(a, b)
    return total, m.add(m.sub(a, total), b)


def two_sum(m: Machine[W], a: W, b: W) -> tuple[W, W]:
    """(s, e) with s = a + b rounded and s + e = a + b exactly, for any a and b (Knuth)."""
    total = m.add(a, b)
    b_part = m.sub(total, a)
    a_part = m.sub(total, b_part)
    return total, m.add(m.sub(a, a_part), m.sub(b, b_part))


def two_product(m: Machine[W], a: W, b: W) -> tuple[W, W]:
    """(p, e) with p = a * b rounded and p + e = a * b exactly (short of overflow and underflow)."""
    product = m.mul(a, b)
    return product, m.fma(a, b, negate(m, product))


def split_binary(m: Machine[W], x: W) -> tuple[W, W]:
    """(mantissa, exponent as F32): x = mantissa * 2**exponent, mantissa in [2/3, 4/3).

    For positive finite x, subnormals included; unspecified for any other.
    """
    subnormal = m.less(x, m.f32(2.0**-126))
    normal = m.select(subnormal, m.mul(x, m.f32(2.0**23)), x)
    correction = m.select(subnormal, m.f32(-23.0), m.f32(0.0))
    # Counting from 2/3 (its pattern) instead of 1 puts the mantissas on both sides of 1.
    offset = m.isub(normal, m.bits(0x3F2A_AAAB))
    exponent = m.sar(offset, 23)
    mantissa = m.isub(normal, m.shl(exponent, 23))
    return mantissa, m.add(integer_to_float(m, exponent), correction)
