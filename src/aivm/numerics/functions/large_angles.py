"""Reduction of large angles by pi/2, after Payne and Hanek: the bits of 2/pi that matter.

x * 2/pi is wanted modulo 4, to a relative precision of what is left. Let x = M * 2**s with an
integer M: then a multiple of 4 may be taken from P = 2**s * 2/pi beforehand. s is one of five, so
that 2**23 <= M < 2**45, and P is stored as five numbers, each product of which with M is exact as
a pair.
"""

from __future__ import annotations

from aivm.numerics.functions.blocks import (
    ROUNDER,
    fast_two_sum,
    hexadecimal,
    magnitude,
    nearest_integer,
    two_product,
    two_sum,
)
from aivm.numerics.machine import Machine, W

# Window j holds the numbers from 2**(22 + 22j) up to 2**(44 + 22j), with s = 22j - 1.
_WINDOW_BITS = 22
# Of each window: 2**s * 2/pi modulo 4, cut at multiples of 2**-20, 2**-44, 2**-68, 2**-92, 2**-116.
PIECES = tuple(
    hexadecimal(text)
    for text in (
        "0x1.45f300p-2 0x1.b72720p-24 0x1.054a80p-47 -0x1.ec5410p-72 -0x1.c15964p-94",
        "0x1.b72740p-2 -0x1.df56b0p-22 -0x1.ec5400p-50 -0x1.705658p-70 -0x1.11f924p-94",
        "-0x1.df56b0p+0 -0x1.ec5400p-28 -0x1.705660p-48 0x1.bb81b8p-70 -0x1.3ad4ccp-94",
        "-0x1.ec5400p-6 -0x1.705640p-26 -0x1.911f94p-46 0x1.b14accp-70 0x1.3c4390p-95",
        "-0x1.705600p-4 -0x1.6447e4p-22 -0x1.275a98p-47 -0x1.b0ef18p-71 -0x1.f7c034p-94",
    )
)
_HALF_PI, _HALF_PI_LOW = hexadecimal("0x1.921fb6p+0 -0x1.777a5cp-25")
# Adding it to |t| <= 2**26 rounds t to a multiple of 16.
_ROUNDER_TO_16 = 3.0 * 2.0**26


def reduce_large(m: Machine[W], angle: W) -> tuple[W, W, W]:
    """(r, r_low, k): angle = k * pi/2 + r + r_low modulo 2 pi, |r| <= 0.8, k a 32-bit integer.

    For 2**22 <= angle < infinity; NaNs for an infinity; unspecified for any other.
    """
    integer, pieces = _window(m, angle)
    high_1, low_1 = two_product(m, integer, pieces[0])  # up to 2**46, 2**21
    high_2, low_2 = two_product(m, integer, pieces[1])  # up to 2**24, 1/2
    high_3, low_3 = two_product(m, integer, pieces[2])  # up to 1, 2**-25
    high_4, low_4 = two_product(m, integer, pieces[3])  # up to 2**-24, 2**-49
    low_4 = m.fma(integer, pieces[4], low_4)
    # From 2**26 on every number is a multiple of 4.
    counts = m.less(magnitude(m, high_1), m.f32(2.0**26))
    first = m.select(counts, _modulo_16(m, high_1), m.f32(0.0))
    first = m.add(first, _modulo_16(m, low_1))  # multiples of 2**-20 up to 16: exact
    whole = (first, _modulo_16(m, high_2))
    k, terms = _split_sum(m, whole, (low_2, high_3), (low_3, high_4), low_4)
    return (*_times_half_pi(m, *terms), k)


def _window(m: Machine[W], angle: W) -> tuple[W, list[W]]:
    """(M, the five numbers of P) for an angle of 2**22 or more."""
    scale = m.f32(2.0)
    pieces = [m.f32(piece) for piece in PIECES[0]]
    for window in range(1, len(PIECES)):
        beyond = m.less_equal(m.f32(2.0 ** (22 + _WINDOW_BITS * window)), angle)
        scale = m.select(beyond, m.f32(2.0 ** (1 - _WINDOW_BITS * window)), scale)
        pieces = [
            m.select(beyond, m.f32(constant), piece)
            for constant, piece in zip(PIECES[window], pieces, strict=True)
        ]
    return m.mul(angle, scale), pieces


def _modulo_16(m: Machine[W], t: W) -> W:
    """t less a multiple of 16, which leaves at most 8; exact, for |t| <= 2**26."""
    rounder = m.f32(_ROUNDER_TO_16)
    return m.sub(t, m.sub(m.add(t, rounder), rounder))


def _split_sum(
    m: Machine[W], whole: tuple[W, W], middle: tuple[W, W], small: tuple[W, W], rest: W
) -> tuple[W, tuple[W, W]]:
    """(k, (high, low)) with the sum of all terms = k + high + low and |high| < 0.51.

    No error before the last sum is above 2**-70, because a sum that cancels is exact.
    """
    total, error_1 = two_sum(m, *whole)
    part, error_2 = two_sum(m, *middle)
    total, error_3 = two_sum(m, total, part)
    k, k_integer = nearest_integer(m, m.add(total, m.f32(ROUNDER)))
    fraction = m.sub(total, k)  # exact

    part, error_4 = two_sum(m, *small)
    upper, error_5 = two_sum(m, error_1, error_3)
    lower, error_6 = two_sum(m, error_2, part)
    high, error_7 = two_sum(m, fraction, upper)
    high, error_8 = two_sum(m, high, lower)
    tiny = m.add(m.add(error_5, error_6), m.add(error_4, rest))
    return k_integer, fast_two_sum(m, high, m.add(m.add(error_7, error_8), tiny))


def _times_half_pi(m: Machine[W], high: W, low: W) -> tuple[W, W]:
    """(high + low) * pi/2 as an unevaluated sum of two numbers."""
    product, product_low = two_product(m, high, m.f32(_HALF_PI))
    product_low = m.fma(high, m.f32(_HALF_PI_LOW), product_low)
    return fast_two_sum(m, product, m.fma(low, m.f32(_HALF_PI), product_low))
