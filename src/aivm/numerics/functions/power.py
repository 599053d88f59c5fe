"""x**y: 2**(y * log2 |x|) in pairs of numbers, and the special cases of IEEE 754."""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    INFINITY,
    NAN,
    ROUNDER,
    SIGN_BIT,
    fast_two_sum,
    hexadecimal,
    magnitude,
    nearest_integer,
    negate,
    not_,
    polynomial,
    scale_by_power_of_two,
    split_binary,
    two_product,
)
from aivm.numerics.functions.integral import floor, trunc
from aivm.numerics.machine import Machine, W

# log2((1 + s) / (1 - s)) = s * (A + s**2 * (B + s**2 * T(s**2))), A = 2 / ln 2, B = A / 3
_A, _A_LOW = hexadecimal("0x1.715476p+1 0x1.4ae0c0p-25")
_B, _B_LOW = hexadecimal("0x1.ec709ep-1 -0x1.e2fe02p-28")
_T = hexadecimal("0x1.60a768p-2 0x1.a56a70p-2 0x1.277782p-1")
# 2**r = 1 + r * X(r) on |r| <= 1/2
_X = hexadecimal(
    "0x1.4447b8p-13 0x1.5f0960p-10 0x1.3b2a28p-7 0x1.c6af7ap-5 0x1.ebfbe0p-3 0x1.62e430p-1"
)
# Beyond this exponent the result has long overflowed or underflowed to zero.
_LARGEST_EXPONENT = 200.0


def pow_(m: Machine[W], x: W, y: W) -> W:
    """x**y, within 1.2 ulp.

    x**0 = 1 and 1**y = 1, for NaNs too; otherwise a NaN gives NaN. A negative finite x needs an
    integral y (else NaN) and gives a negative result where y is odd. Zeros, infinities and
    overflow follow IEEE 754-2019 `pow`; (-1)**(+-inf) = 1.
    """
    size = magnitude(m, x)
    regular = exp2_pair(m, *_times(m, y, *log2_pair(m, size)))
    result = _at_extremes(m, size, y, regular)

    zero, one = m.f32(0.0), m.f32(1.0)
    imaginary = m.and_(m.less(x, zero), m.less(size, m.bits(INFINITY)))
    imaginary = m.and_(imaginary, not_(m, m.equal(trunc(m, y), y)))
    result = m.select(imaginary, m.bits(NAN), result)
    sign = m.and_(x, m.bits(SIGN_BIT))
    result = m.or_(result, m.select(_is_odd(m, y), sign, m.bits(0)))

    is_number = m.and_(m.equal(x, x), m.equal(y, y))
    result = m.select(is_number, result, m.bits(NAN))
    is_one = m.or_(m.equal(x, one), m.equal(y, zero))
    return m.select(is_one, one, result)


def log2_pair(m: Machine[W], x: W) -> tuple[W, W]:
    """log2 of a positive finite x as high + low, relative error below 2**-34."""
    mantissa, exponent = split_binary(m, x)
    s, s_low = _ratio(m, mantissa)
    square, square_low = two_product(m, s, s)
    square_low = m.fma(m.add(s, s), s_low, square_low)

    tail = m.mul(square, polynomial(m, square, _T))
    inner, inner_low = fast_two_sum(m, m.f32(_B), tail)
    inner_low = m.add(inner_low, m.f32(_B_LOW))

    term, term_low = two_product(m, square, inner)
    term_low = m.fma(square, inner_low, m.fma(square_low, inner, term_low))
    factor, factor_low = fast_two_sum(m, m.f32(_A), term)
    factor_low = m.add(factor_low, m.add(term_low, m.f32(_A_LOW)))

    fraction, fraction_low = two_product(m, s, factor)
    fraction_low = m.fma(s, factor_low, m.fma(s_low, factor, fraction_low))
    high, low = fast_two_sum(m, exponent, fraction)
    return fast_two_sum(m, high, m.add(low, fraction_low))


def _ratio(m: Machine[W], mantissa: W) -> tuple[W, W]:
    """s = (mantissa - 1) / (mantissa + 1) as high + low."""
    one = m.f32(1.0)
    numerator = m.sub(mantissa, one)  # exact
    denominator = m.add(mantissa, one)
    denominator_low = m.sub(mantissa, m.sub(denominator, one))  # exact
    s = m.div(numerator, denominator)
    minus_s = negate(m, s)
    remainder = m.fma(minus_s, denominator_low, m.fma(minus_s, denominator, numerator))
    return s, m.div(remainder, denominator)


def _times(m: Machine[W], y: W, high: W, low: W) -> tuple[W, W]:
    """y * (high + low) as high + low, clamped to +-_LARGEST_EXPONENT."""
    product, product_low = two_product(m, y, high)
    product_low = m.fma(y, low, product_low)
    limit = m.f32(_LARGEST_EXPONENT)
    within = m.less_equal(magnitude(m, product), limit)
    clamped = m.or_(limit, m.and_(product, m.bits(SIGN_BIT)))
    return m.select(within, product, clamped), m.select(within, product_low, m.f32(0.0))


def exp2_pair(m: Machine[W], high: W, low: W) -> W:
    """2**(high + low) for |high| <= 200."""
    k, k_integer = nearest_integer(m, m.add(high, m.f32(ROUNDER)))
    r = m.add(m.sub(high, k), low)
    return scale_by_power_of_two(m, m.mul(r, polynomial(m, r, _X)), k_integer)


def _at_extremes(m: Machine[W], size: W, y: W, regular: W) -> W:
    """size**y where size is 0 or infinite or y is infinite: an infinity, or +0; else `regular`."""
    zero, one, infinity = m.f32(0.0), m.f32(1.0), m.bits(INFINITY)
    # A base below 1 grows under a negative exponent, a base above 1 under a positive one.
    grows = m.xor(m.less(size, one), m.less(zero, y))
    limit = m.select(grows, infinity, zero)
    extreme_base = m.or_(m.equal(size, zero), m.equal(size, infinity))
    extreme = m.or_(extreme_base, m.equal(magnitude(m, y), infinity))
    result = m.select(extreme, limit, regular)
    return m.select(m.equal(size, one), one, result)


def _is_odd(m: Machine[W], y: W) -> W:
    """Truth of y being an odd integer: y is integral and y / 2 is not."""
    half = m.mul(y, m.f32(0.5))
    integral = m.equal(floor(m, y), y)
    return m.and_(integral, m.less(floor(m, half), half))
