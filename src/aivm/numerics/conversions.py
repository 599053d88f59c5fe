"""Conversions between all dtypes, on words: what a CAST instruction does to one element.

from     to float                   to integer                  to BOOL
float    one rounding; NaN gives    truncated toward zero,      x != 0, NaN gives 1
         the canonical NaN,         saturating; NaN gives 0
         overflow infinity
integer  one rounding from the      wraps modulo 2**bits        x != 0
         exact number
BOOL     0.0 or 1.0                 0 or 1                      itself
"""

from __future__ import annotations

from aivm.numerics.dtypes import DType
from aivm.numerics.formats import (
    FORMAT_OF,
    is_infinite,
    is_nan,
    round_to_format,
    sign_of,
    unpack,
)
from aivm.numerics.integers import largest, smallest, wrap


def cast(source: DType, target: DType, word: int) -> int:
    """The word of dtype `target` for a word of dtype `source`."""
    if source.is_float:
        if target.is_float:
            return float_to_float(source, target, word)
        if target is DType.BOOL:
            return float_to_bool(source, word)
        return float_to_integer(source, target, word)
    if target.is_float:
        return integer_to_float(target, word)
    if target is DType.BOOL:
        return int(word != 0)
    return wrap(target, word)


def float_to_float(source: DType, target: DType, word: int) -> int:
    """One rounding, to nearest with ties to even; widening is exact."""
    wide, narrow = FORMAT_OF[source], FORMAT_OF[target]
    if is_nan(wide, word):
        return narrow.canonical_nan
    if is_infinite(wide, word):
        return narrow.infinity | (narrow.sign_bit if sign_of(wide, word) else 0)
    return round_to_format(narrow, *unpack(wide, word))


def float_to_integer(source: DType, target: DType, word: int) -> int:
    """Truncated toward zero, then clamped to the target's range; NaN gives 0."""
    fmt = FORMAT_OF[source]
    if is_nan(fmt, word):
        return 0
    if is_infinite(fmt, word):
        return smallest(target) if sign_of(fmt, word) else largest(target)
    sign, significand, exponent = unpack(fmt, word)
    magnitude = significand << exponent if exponent >= 0 else significand >> -exponent
    value = -magnitude if sign else magnitude
    return min(max(value, smallest(target)), largest(target))


def float_to_bool(source: DType, word: int) -> int:
    """0 for either zero, 1 for everything else, NaN included."""
    return int(word & ~FORMAT_OF[source].sign_bit != 0)


def integer_to_float(target: DType, value: int) -> int:
    """The nearest float to the number (one rounding, also on the way to F16 and BF16)."""
    return round_to_format(FORMAT_OF[target], int(value < 0), abs(value), 0)
