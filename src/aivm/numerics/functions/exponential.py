"""exp, log and the functions made of them."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    INFINITY,
    NAN,
    ROUNDER,
    copy_sign,
    hexadecimal,
    magnitude,
    nearest_integer,
    polynomial,
    scale_by_power_of_two,
    split_binary,
)
from aivm.numerics.machine import Machine, W

_LOG2_E, _LN2_HIGH, _LN2_LOW = hexadecimal("0x1.715476p+0 0x1.62e400p-1 0x1.7f7d1cp-20")
# exp(r) = 1 + r + r**2 * E(r) on |r| <= ln(2) / 2
_EXP = hexadecimal("0x1.6db646p-10 0x1.123ce0p-7 0x1.55545cp-5 0x1.55548cp-3 0x1p-1")

_LN2, _LN2_REST = hexadecimal("0x1.62e430p-1 -0x1.05c610p-29")
# log(1 + f) = f + f**2 * L(f) on |f| <= 1/3
_LOG = hexadecimal(
    "-0x1.07c48cp-3 0x1.1e6ccap-3 -0x1.f332b8p-4 0x1.1ed562p-3 -0x1.559c66p-3"
    " 0x1.99d050p-3 -0x1.fffefap-3 0x1.555506p-2 -0x1p-1"
)

# log(1 + t) = g + g**3 * Q(g**2) with g = 2t / (2 + t), on 0 <= t <= 1
_LOG_NEAR_ONE = hexadecimal("0x1.1efe6cp-11 0x1.1eb4a4p-9 0x1.99d296p-7 0x1.555500p-4")

# tanh(t) = t + t**3 * T(t**2) on 0 <= t <= 0.61
_TANH_SMALL = float.fromhex("0x1.3851ecp-1")
_TANH = hexadecimal(
    "0x1.1baa54p-9 -0x1.0cb316p-7 0x1.63b0e6p-6 -0x1.b9f1eap-5 0x1.111076p-3 -0x1.555554p-2"
)


def exp(m: Machine[W], x: W) -> W:
    """e**x, within 1.1 ulp. exp(-inf) = +0, exp(+inf) = +inf; underflow is gradual."""
    above = m.select(m.less(x, m.f32(-105.0)), m.f32(-105.0), x)
    clamped = m.select(m.less(m.f32(89.0), above), m.f32(89.0), above)
    k, k_integer = nearest_integer(m, m.fma(clamped, m.f32(_LOG2_E), m.f32(ROUNDER)))
    r = m.fma(k, m.f32(-_LN2_LOW), m.fma(k, m.f32(-_LN2_HIGH), clamped))
    excess = m.fma(polynomial(m, r, _EXP), m.mul(r, r), r)
    return scale_by_power_of_two(m, excess, k_integer)


def log(m: Machine[W], x: W) -> W:
    """The natural logarithm, within 1 ulp. log(+-0) = -inf, log(+inf) = +inf, NaN below zero."""
    mantissa, exponent = split_binary(m, x)
    f = m.sub(mantissa, m.f32(1.0))
    tail = m.mul(polynomial(m, f, _LOG), m.mul(f, f))
    near = m.add(f, m.fma(exponent, m.f32(_LN2_REST), tail))
    regular = m.fma(exponent, m.f32(_LN2), near)
    zero = m.f32(0.0)
    result = m.select(m.less(x, m.bits(INFINITY)), regular, x)
    result = m.select(m.less(x, zero), m.bits(NAN), result)
    return m.select(m.equal(x, zero), m.f32(float("-inf")), result)


def tanh(m: Machine[W], x: W) -> W:
    """The hyperbolic tangent, within 1.4 ulp; odd, so tanh(-0) = -0."""
    t = magnitude(m, x)
    square = m.mul(t, t)
    small = m.fma(m.mul(polynomial(m, square, _TANH), square), t, t)
    one, two = m.f32(1.0), m.f32(2.0)
    large = m.sub(one, m.div(two, m.add(exp(m, m.add(t, t)), one)))
    return copy_sign(m, m.select(m.less(m.f32(_TANH_SMALL), t), large, small), x)


def sigmoid(m: Machine[W], x: W) -> W:
    """1 / (1 + e**-x), within 2.5 ulp, as e**-|x| or 1 over 1 + e**-|x|: nothing overflows."""
    decay = exp(m, negative_magnitude(m, x))
    one = m.f32(1.0)
    numerator = m.select(m.less(x, m.f32(0.0)), decay, one)
    return m.div(numerator, m.add(one, decay))


def softplus(m: Machine[W], x: W) -> W:
    """log(1 + e**x), within 3 ulp, as max(x, 0) + log(1 + e**-|x|)."""
    t = exp(m, negative_magnitude(m, x))
    g = m.div(m.add(t, t), m.add(m.f32(2.0), t))
    square = m.mul(g, g)
    near = m.fma(m.mul(polynomial(m, square, _LOG_NEAR_ONE), square), g, g)
    zero = m.f32(0.0)
    return m.add(m.select(m.less(x, zero), zero, x), near)


def negative_magnitude(m: Machine[W], x: W) -> W:
    """-|x|: the sign bit set."""
    return m.or_(x, m.bits(0x8000_0000))
