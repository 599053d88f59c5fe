"""The exact remainder of a division."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    INFINITY,
    NAN,
    copy_sign,
    float_power_of_two,
    integer_to_float,
    magnitude,
    negate,
    power_of_two,
)
from aivm.numerics.machine import Machine, W

# Bits of the quotient that one step finds, and steps enough for the largest number by the smallest:
# their exponents, 127 and -149, differ by 276.
_STEP_BITS, _STEPS = 23.0, 12
# Between this and its double, binary32 numbers are the integers.
_ALL_INTEGERS = 2.0**23


def fmod(m: Machine[W], x: W, y: W) -> W:
    """x - y * trunc(x / y), exactly, with the sign of x (a zero too): IEEE 754's and C's fmod.

    NaN where y is a zero or x infinite; x itself where y is infinite or |x| < |y|.
    """
    size, divisor_size = magnitude(m, x), magnitude(m, y)
    mantissa, exponent = _normalized(m, size)
    divisor, divisor_exponent = _normalized(m, divisor_size)
    rest = m.select(m.less(mantissa, divisor), mantissa, m.sub(mantissa, divisor))
    left = integer_to_float(m, m.isub(exponent, divisor_exponent))
    minus_divisor = negate(m, divisor)
    for _ in range(_STEPS):
        bits = m.min(left, m.f32(_STEP_BITS))
        rest = _step(m, m.mul(rest, float_power_of_two(m, bits)), divisor, minus_divisor)
        left = m.sub(left, bits)

    regular = m.select(m.less(size, divisor_size), size, _scaled(m, rest, divisor_exponent))
    infinity = m.bits(INFINITY)
    defined = m.and_(m.less(size, infinity), m.less(m.f32(0.0), divisor_size))
    return copy_sign(m, m.select(defined, regular, m.bits(NAN)), x)


def _step(m: Machine[W], dividend: W, divisor: W, minus_divisor: W) -> W:
    """dividend mod divisor, for 0 <= dividend < 2**23 * divisor and 1 <= divisor < 2.

    The nearest quotient leaves a rest of at most 3/4 of the divisor, which fma computes exactly.
    """
    step = m.f32(_ALL_INTEGERS)
    quotient = m.sub(m.add(m.div(dividend, divisor), step), step)
    rest = m.fma(quotient, minus_divisor, dividend)
    return m.select(m.less(rest, m.f32(0.0)), m.add(rest, divisor), rest)


def _normalized(m: Machine[W], size: W) -> tuple[W, W]:
    """(mantissa in [1, 2), exponent as a 32-bit integer) of a positive finite number."""
    subnormal = m.less(size, m.f32(2.0**-126))
    normal = m.select(subnormal, m.mul(size, m.f32(2.0**24)), size)
    bias = m.select(subnormal, m.bits(127 + 24), m.bits(127))
    mantissa = m.or_(m.and_(normal, m.bits(0x007F_FFFF)), m.f32(1.0))
    return mantissa, m.isub(m.shr(normal, 23), bias)


def _scaled(m: Machine[W], rest: W, exponent: W) -> W:
    """rest * 2**exponent, in two factors because 2**exponent can be subnormal; exact here."""
    half = m.sar(exponent, 1)
    once = m.mul(rest, power_of_two(m, half))
    return m.mul(once, power_of_two(m, m.isub(exponent, half)))
