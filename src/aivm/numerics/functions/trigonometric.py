"""sin, cos and tan over the whole range: small angles after Cody and Waite, large ones after Payne
and Hanek (`large_angles`)."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    ROUNDER,
    SIGN_BIT,
    fast_two_sum,
    hexadecimal,
    magnitude,
    nearest_integer,
    negate,
    polynomial,
    two_product,
    two_sum,
)
from aivm.numerics.functions.large_angles import reduce_large
from aivm.numerics.machine import Machine, W

# Up to here the subtraction of a multiple of pi/2 is precise enough.
LARGEST_SMALL_ANGLE = 2.0**22

_TWO_OVER_PI = float.fromhex("0x1.45f306p-1")
# pi / 2 as three numbers; the first has 24 bits, so subtracting a multiple of it from x is exact.
_HALF_PI, _HALF_PI_2, _HALF_PI_3 = hexadecimal("0x1.921fb6p+0 -0x1.777a5cp-25 -0x1.ee59dap-50")
# sin(r) = r + r**3 * S(r**2), cos(r) = 1 - r**2 / 2 + r**4 * C(r**2), on |r| <= 0.95
_SIN = hexadecimal("0x1.702e90p-19 -0x1.a02bb2p-13 0x1.11114cp-7 -0x1.555556p-3")
_COS = hexadecimal("0x1.9730dap-16 -0x1.6c00e2p-10 0x1.555534p-5")


def sin(m: Machine[W], x: W) -> W:
    """The sine of x radians, within 1 ulp; odd, so sin(-0) = -0; NaN for an infinity."""
    sine, cosine, quadrant = _quadrant_values(m, x)
    turned = m.xor(_pick(m, quadrant, sine, cosine), _sign_of_half(m, quadrant))
    return m.xor(turned, m.and_(x, m.bits(SIGN_BIT)))


def cos(m: Machine[W], x: W) -> W:
    """The cosine of x radians, within 1 ulp; even; NaN for an infinity."""
    sine, cosine, quadrant = _quadrant_values(m, x)
    next_quadrant = m.iadd(quadrant, m.bits(1))
    return m.xor(_pick(m, next_quadrant, sine, cosine), _sign_of_half(m, next_quadrant))


def tan(m: Machine[W], x: W) -> W:
    """The tangent of x radians, within 2.4 ulp; odd, so tan(-0) = -0; NaN for an infinity."""
    sine, cosine, quadrant = _quadrant_values(m, x)
    quotient = m.div(_pick(m, quadrant, sine, cosine), _pick(m, quadrant, cosine, sine))
    turned = m.xor(quotient, m.shl(quadrant, 31))
    return m.xor(turned, m.and_(x, m.bits(SIGN_BIT)))


def _quadrant_values(m: Machine[W], x: W) -> tuple[W, W, W]:
    """(sin r, cos r, k) where |x| = k * pi/2 + r modulo 2 pi and |r| <= 0.95."""
    angle = magnitude(m, x)
    k, quadrant = nearest_integer(m, m.fma(angle, m.f32(_TWO_OVER_PI), m.f32(ROUNDER)))
    r, r_low = _reduce(m, angle, k)
    large_r, large_r_low, large_quadrant = reduce_large(m, angle)
    is_small = m.less_equal(angle, m.f32(LARGEST_SMALL_ANGLE))
    r, r_low = m.select(is_small, r, large_r), m.select(is_small, r_low, large_r_low)
    return (*_sin_cos(m, r, r_low), m.select(is_small, quadrant, large_quadrant))


def _reduce(m: Machine[W], angle: W, k: W) -> tuple[W, W]:
    """angle - k * pi/2 as an unevaluated sum of two numbers (Cody and Waite, in three parts)."""
    exact = m.fma(k, m.f32(-_HALF_PI), angle)
    product, product_low = two_product(m, k, m.f32(-_HALF_PI_2))
    total, error = two_sum(m, exact, product)
    low = m.fma(k, m.f32(-_HALF_PI_3), m.add(error, product_low))
    return fast_two_sum(m, total, low)


def _sin_cos(m: Machine[W], r: W, r_low: W) -> tuple[W, W]:
    """(sin, cos) of r + r_low for |r| <= 0.95: sin' r = cos r, and 1 - r**2/2 is near enough."""
    square = m.mul(r, r)
    half_square = m.mul(m.f32(0.5), square)
    parabola, parabola_low = fast_two_sum(m, m.f32(1.0), negate(m, half_square))

    cubic = m.mul(m.mul(r, square), polynomial(m, square, _SIN))
    sine = m.add(r, m.fma(parabola, r_low, cubic))

    quartic = m.mul(m.mul(square, square), polynomial(m, square, _COS))
    correction = m.fma(negate(m, r), r_low, parabola_low)
    cosine = m.add(parabola, m.add(quartic, correction))
    return sine, cosine


def _pick(m: Machine[W], quadrant: W, even: W, odd: W) -> W:
    """`even` in quadrants 0 and 2, `odd` in 1 and 3."""
    lowest_bit = m.and_(m.shl(quadrant, 30), m.bits(0x4000_0000))  # 0.0 or 2.0
    return m.select(m.equal(lowest_bit, m.f32(0.0)), even, odd)


def _sign_of_half(m: Machine[W], quadrant: W) -> W:
    """The sign bit in quadrants 2 and 3, else no bit."""
    return m.and_(m.shl(quadrant, 30), m.bits(SIGN_BIT))
