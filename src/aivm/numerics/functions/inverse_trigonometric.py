"""atan, asin and acos."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    copy_sign,
    fast_two_sum,
    hexadecimal,
    magnitude,
    negate,
    polynomial,
)
from aivm.numerics.machine import Machine, W

_HALF_PI, _HALF_PI_LOW = hexadecimal("0x1.921fb6p+0 -0x1.777a5cp-25")
_PI, _PI_LOW = hexadecimal("0x1.921fb6p+1 -0x1.777a5cp-24")
# atan(u) = u + u**3 * A(u**2) on |u| <= 1
_ATAN = hexadecimal(
    "-0x1.d35742p-10 0x1.6423dep-7 -0x1.fd7d9cp-6 0x1.da29f4p-5 -0x1.58091ap-4"
    " 0x1.c08c4ep-4 -0x1.242086p-3 0x1.9991e4p-3 -0x1.55553ep-2"
)
# asin(s) = s + s**3 * S(s**2) on 0 <= s <= 1/2
_ASIN = hexadecimal("0x1.595c60p-5 0x1.8c3e50p-6 0x1.747bb8p-5 0x1.330204p-4 0x1.5555c8p-3")


def atan(m: Machine[W], x: W) -> W:
    """The inverse tangent, within 1.3 ulp; odd, so atan(-0) = -0; atan(+-inf) = +-pi/2."""
    t, one, zero = magnitude(m, x), m.f32(1.0), m.f32(0.0)
    is_steep = m.less(one, t)  # there atan t = pi/2 + atan(-1 / t)
    u = m.div(m.select(is_steep, m.f32(-1.0), t), m.select(is_steep, t, one))
    square = m.mul(u, u)
    base_low = m.select(is_steep, m.f32(_HALF_PI_LOW), zero)
    tail = m.fma(m.mul(u, square), polynomial(m, square, _ATAN), base_low)
    base = m.select(is_steep, m.f32(_HALF_PI), zero)
    return copy_sign(m, m.add(base, m.add(u, tail)), x)


def asin(m: Machine[W], x: W) -> W:
    """The inverse sine, within 0.8 ulp; odd, so asin(-0) = -0; NaN where |x| > 1."""
    is_small, arc, tail = _small_arc(m, magnitude(m, x))
    high, lost = fast_two_sum(m, m.f32(_HALF_PI), m.mul(m.f32(-2.0), arc))
    folded = m.add(high, m.add(lost, m.fma(m.f32(-2.0), tail, m.f32(_HALF_PI_LOW))))
    return copy_sign(m, m.select(is_small, m.add(arc, tail), folded), x)


def acos(m: Machine[W], x: W) -> W:
    """The inverse cosine, within 1 ulp; acos(1) = +0; NaN where |x| > 1."""
    is_small, arc, tail = _small_arc(m, magnitude(m, x))
    value = m.add(arc, tail)
    twice = m.add(value, value)
    obtuse = m.add(m.f32(_PI), m.sub(m.f32(_PI_LOW), twice))
    folded = m.select(m.less(x, m.f32(0.0)), obtuse, twice)
    middle = m.add(m.f32(_HALF_PI), m.sub(m.f32(_HALF_PI_LOW), copy_sign(m, value, x)))
    return m.select(is_small, middle, folded)


def _small_arc(m: Machine[W], t: W) -> tuple[W, W, W]:
    """(truth of t <= 1/2, arc, tail), for 0 <= t <= 1; NaN where t > 1.

    arc + tail is asin t where t <= 1/2, and elsewhere a = asin sqrt((1 - t) / 2), with which
    asin t = pi/2 - 2a and acos t = 2a.
    """
    half, zero = m.f32(0.5), m.f32(0.0)
    is_small = m.less_equal(t, half)
    square = m.select(is_small, m.mul(t, t), m.mul(m.sub(m.f32(1.0), t), half))
    root = m.sqrt(square)
    # What the root lost when it was rounded: (square - root**2) / (2 * root), where root is not 0.
    rest = m.fma(negate(m, root), root, square)
    divisor = m.select(m.equal(root, zero), m.f32(1.0), m.add(root, root))
    lost = m.select(is_small, zero, m.div(rest, divisor))
    arc = m.select(is_small, t, root)
    return is_small, arc, m.fma(m.mul(arc, square), polynomial(m, square, _ASIN), lost)
