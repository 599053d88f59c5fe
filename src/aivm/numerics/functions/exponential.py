"""exp and log, both near 0 and 1 too (expm1, log1p), and the activations made of them."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    INFINITY,
    NAN,
    ROUNDER,
    fast_two_sum,
    float_power_of_two,
    hexadecimal,
    magnitude,
    nearest_integer,
    negate,
    polynomial,
    power_of_two,
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


def exp(m: Machine[W], x: W) -> W:
    """e**x, within 1.1 ulp. exp(-inf) = +0, exp(+inf) = +inf; underflow is gradual."""
    above = m.select(m.less(x, m.f32(-105.0)), m.f32(-105.0), x)
    clamped = m.select(m.less(m.f32(89.0), above), m.f32(89.0), above)
    k, k_integer = nearest_integer(m, m.fma(clamped, m.f32(_LOG2_E), m.f32(ROUNDER)))
    r = m.fma(k, m.f32(-_LN2_LOW), m.fma(k, m.f32(-_LN2_HIGH), clamped))
    excess = m.fma(polynomial(m, r, _EXP), m.mul(r, r), r)
    return scale_by_power_of_two(m, excess, k_integer)


def expm1(m: Machine[W], x: W) -> W:
    """e**x - 1, within 1.1 ulp. expm1(-0) = -0, expm1(-inf) = -1, expm1(+inf) = +inf.

    Half of it is computed and then doubled, because 2**k overflows for results that do not.
    """
    above = m.select(m.less(x, m.f32(-18.0)), m.f32(-18.0), x)
    clamped = m.select(m.less(m.f32(89.0), above), m.f32(89.0), above)
    k, r, tail = exp_terms(m, clamped)
    half_power = power_of_two(m, m.isub(k, m.bits(1)))
    high, low = fast_two_sum(m, m.sub(half_power, m.f32(0.5)), m.mul(half_power, r))
    half = m.add(high, m.fma(half_power, tail, low))
    is_tiny = m.less(magnitude(m, x), m.f32(2.0**-25))
    return m.select(is_tiny, x, m.add(half, half))


def exp_terms(m: Machine[W], x: W) -> tuple[W, W, W]:
    """(k, r, tail) with e**x = 2**k * (1 + r + tail), |r| <= 0.35, for -105 <= x <= 90.

    k is a 32-bit integer; `tail` holds what r lost when it was rounded.
    """
    k, k_integer = nearest_integer(m, m.fma(x, m.f32(_LOG2_E), m.f32(ROUNDER)))
    exact = m.fma(k, m.f32(-_LN2_HIGH), x)
    r = m.fma(k, m.f32(-_LN2_LOW), exact)
    lost = m.fma(k, m.f32(-_LN2_LOW), m.sub(exact, r))
    return k_integer, r, m.fma(polynomial(m, r, _EXP), m.mul(r, r), lost)


def log(m: Machine[W], x: W) -> W:
    """The natural logarithm, within 1 ulp. log(+-0) = -inf, log(+inf) = +inf, NaN below zero."""
    mantissa, exponent = split_binary(m, x)
    regular = log_of_parts(m, m.sub(mantissa, m.f32(1.0)), exponent)
    zero = m.f32(0.0)
    result = m.select(m.less(x, m.bits(INFINITY)), regular, x)
    result = m.select(m.less(x, zero), m.bits(NAN), result)
    return m.select(m.equal(x, zero), m.f32(float("-inf")), result)


def log_of_parts(m: Machine[W], f: W, exponent: W, lost: W | None = None) -> W:
    """log((1 + f + lost) * 2**exponent) for |f| <= 1/3; the exponent is an integral F32.

    `lost`, if there is any, is far smaller than f.
    """
    tail = m.mul(polynomial(m, f, _LOG), m.mul(f, f))
    if lost is not None:
        tail = m.add(tail, lost)
    near = m.add(f, m.fma(exponent, m.f32(_LN2_REST), tail))
    return m.fma(exponent, m.f32(_LN2), near)


def log1p(m: Machine[W], x: W) -> W:
    """log(1 + x), within 1.2 ulp. log1p(-0) = -0, log1p(-1) = -inf, log1p(+inf) = +inf, NaN below
    -1."""
    regular = log_of_parts(m, *one_plus_parts(m, x))
    minus_one = m.f32(-1.0)
    result = m.select(m.less(x, m.bits(INFINITY)), regular, x)
    result = m.select(m.less(x, minus_one), m.bits(NAN), result)
    result = m.select(m.equal(x, minus_one), m.f32(float("-inf")), result)
    return m.select(m.equal(x, m.f32(0.0)), x, result)


def one_plus_parts(m: Machine[W], x: W) -> tuple[W, W, W]:
    """(f, exponent as F32, lost) with 1 + x = (1 + f + lost) * 2**exponent and |f| <= 1/3.

    For finite x > -1. f takes in what the sum 1 + x loses when it is rounded, `lost` what f loses;
    from 2**25 on that counts for nothing.
    """
    one = m.f32(1.0)
    total = m.add(one, x)
    rest = m.sub(x, m.sub(total, one))
    mantissa, exponent = split_binary(m, total)
    scaled = m.mul(rest, float_power_of_two(m, negate(m, exponent)))
    counts = m.less(total, m.f32(2.0**25))
    correction = m.select(counts, scaled, m.f32(0.0))
    f, lost = fast_two_sum(m, m.sub(mantissa, one), correction)
    return f, exponent, lost


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
