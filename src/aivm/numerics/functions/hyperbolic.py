"""The hyperbolic functions and their inverses."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    INFINITY,
    NAN,
    copy_sign,
    fast_two_sum,
    hexadecimal,
    magnitude,
    polynomial,
    power_of_two,
)
from aivm.numerics.functions.exponential import exp, exp_terms, log_of_parts, one_plus_parts
from aivm.numerics.machine import Machine, W

# tanh(t) = t + t**3 * T(t**2) on 0 <= t <= 0.61
_TANH_SMALL = float.fromhex("0x1.3851ecp-1")
_TANH = hexadecimal(
    "0x1.1baa54p-9 -0x1.0cb316p-7 0x1.63b0e6p-6 -0x1.b9f1eap-5 0x1.111076p-3 -0x1.555554p-2"
)
# sinh(t) = t + t**3 * S(t**2) on 0 <= t <= 1
_SINH = hexadecimal("0x1.756c1ep-19 0x1.a022bcp-13 0x1.1110e0p-7 0x1.555556p-3")
# sinh and cosh overflow just below this.
_LARGEST = 89.5
# From here on sqrt(t**2 +- 1) = t and 1 + 2t = 2t, as far as binary32 can tell.
_HUGE = 2.0**30


def tanh(m: Machine[W], x: W) -> W:
    """The hyperbolic tangent, within 1.4 ulp; odd, so tanh(-0) = -0."""
    t = magnitude(m, x)
    square = m.mul(t, t)
    small = m.fma(m.mul(polynomial(m, square, _TANH), square), t, t)
    one, two = m.f32(1.0), m.f32(2.0)
    large = m.sub(one, m.div(two, m.add(exp(m, m.add(t, t)), one)))
    return copy_sign(m, m.select(m.less(m.f32(_TANH_SMALL), t), large, small), x)


def sinh(m: Machine[W], x: W) -> W:
    """The hyperbolic sine, within 0.8 ulp; odd, so sinh(-0) = -0; sinh(+-inf) = +-inf."""
    t = magnitude(m, x)
    square = m.mul(t, t)
    small = m.fma(m.mul(polynomial(m, square, _SINH), square), t, t)
    high, low, opposite = _quarters(m, t)
    half = m.add(high, m.sub(low, opposite))
    return copy_sign(m, m.select(m.less(m.f32(1.0), t), m.add(half, half), small), x)


def cosh(m: Machine[W], x: W) -> W:
    """The hyperbolic cosine, within 0.9 ulp; even; cosh(+-inf) = +inf."""
    high, low, opposite = _quarters(m, magnitude(m, x))
    half = m.add(high, m.add(low, opposite))
    return m.add(half, half)


def _quarters(m: Machine[W], t: W) -> tuple[W, W, W]:
    """(high, low, opposite) with high + low = e**t / 4 and opposite = e**-t / 4, for t >= 0.

    A quarter stays finite wherever the sum or difference of two does, doubled.
    """
    clamped = m.select(m.less(m.f32(_LARGEST), t), m.f32(_LARGEST), t)
    k, r, tail = exp_terms(m, clamped)
    power = power_of_two(m, m.isub(k, m.bits(2)))
    high, lost = fast_two_sum(m, power, m.mul(power, r))
    low = m.fma(power, tail, lost)
    return high, low, m.div(m.f32(0.0625), m.add(high, low))


def asinh(m: Machine[W], x: W) -> W:
    """The inverse of sinh, within 1.8 ulp; odd, so asinh(-0) = -0; asinh(+-inf) = +-inf.

    log1p(t + t**2 / (1 + sqrt(1 + t**2))), and log(2t) for a huge t.
    """
    t, one = magnitude(m, x), m.f32(1.0)
    root = m.sqrt(m.fma(t, t, one))
    above_one = m.add(t, m.div(m.mul(t, t), m.add(one, root)))
    return copy_sign(m, _log_above_one(m, t, above_one), x)


def acosh(m: Machine[W], x: W) -> W:
    """The inverse of cosh, within 2.2 ulp; NaN below 1, acosh(+inf) = +inf.

    log1p(d + sqrt(2d + d**2)) with d = x - 1, and log(2x) for a huge x.
    """
    one = m.f32(1.0)
    d = m.sub(x, one)
    above_one = m.add(d, m.sqrt(m.fma(d, d, m.add(d, d))))
    return m.select(m.less(x, one), m.bits(NAN), _log_above_one(m, x, above_one))


def _log_above_one(m: Machine[W], t: W, above_one: W) -> W:
    """log(1 + above_one), or log(2t) where t is huge, or t where it is infinite or NaN."""
    is_huge = m.less(m.f32(_HUGE), t)
    f, exponent, lost = one_plus_parts(m, m.select(is_huge, t, above_one))
    doubled = m.add(exponent, m.select(is_huge, m.f32(1.0), m.f32(0.0)))
    return m.select(m.less(t, m.bits(INFINITY)), log_of_parts(m, f, doubled, lost), t)


def atanh(m: Machine[W], x: W) -> W:
    """The inverse of tanh, within 1.8 ulp; odd; atanh(+-1) = +-inf, NaN beyond.

    log1p(2t / (1 - t)) / 2, where the quotient is taken as 2t + 2t * t / (1 - t).
    """
    t, one = magnitude(m, x), m.f32(1.0)
    twice = m.add(t, t)
    above_one = m.fma(twice, m.div(t, m.sub(one, t)), twice)
    inside = m.mul(m.f32(0.5), log_of_parts(m, *one_plus_parts(m, above_one)))
    outside = m.select(m.equal(t, one), m.bits(INFINITY), m.bits(NAN))
    return copy_sign(m, m.select(m.less(t, one), inside, outside), x)
