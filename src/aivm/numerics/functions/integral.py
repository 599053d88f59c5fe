"""Signs, and rounding to an integral number.

Every rounding keeps NaN, the infinities and both zeros, and gives a zero the sign of its operand.
"""

from __future__ import annotations

from aivm.numerics.functions.blocks import INFINITY, copy_sign, magnitude, negate, not_
from aivm.numerics.machine import Machine, W

# From here on every binary32 number is an integer.
_ALL_INTEGERS = 2.0**23


def neg(m: Machine[W], x: W) -> W:
    """-x: the sign bit flipped, so -(+0) = -0."""
    return negate(m, x)


def abs_(m: Machine[W], x: W) -> W:
    """|x|: the sign bit cleared."""
    return magnitude(m, x)


def sign(m: Machine[W], x: W) -> W:
    """1 above zero, -1 below, and x itself where it is a zero or NaN."""
    zero = m.f32(0.0)
    not_above = m.select(m.less(x, zero), m.f32(-1.0), x)
    return m.select(m.less(zero, x), m.f32(1.0), not_above)


def round_(m: Machine[W], x: W) -> W:
    """The nearest integer, ties to even: 0.5 -> 0, 1.5 -> 2, -0.5 -> -0."""
    size = magnitude(m, x)
    step = m.f32(_ALL_INTEGERS)
    rounded = copy_sign(m, m.sub(m.add(size, step), step), x)
    return m.select(m.less(size, step), rounded, x)


def floor(m: Machine[W], x: W) -> W:
    """The greatest integer <= x."""
    nearest = round_(m, x)
    return m.select(m.less(x, nearest), m.sub(nearest, m.f32(1.0)), nearest)


def ceil(m: Machine[W], x: W) -> W:
    """The least integer >= x, which is -floor(-x): so -0.5 -> -0."""
    return neg(m, floor(m, neg(m, x)))


def trunc(m: Machine[W], x: W) -> W:
    """The integer part: rounded toward zero."""
    return copy_sign(m, floor(m, magnitude(m, x)), x)


def is_nan(m: Machine[W], x: W) -> W:
    """Truth of x being a NaN of any kind."""
    return not_(m, m.equal(x, x))


def is_inf(m: Machine[W], x: W) -> W:
    """Truth of x being an infinity of either sign."""
    return m.equal(magnitude(m, x), m.bits(INFINITY))
