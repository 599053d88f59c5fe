"""The base operations of numerics 1 on whole numpy arrays, bit for bit as `ScalarMachine`.

A word array of F32, F16 or BF16 holds bit patterns (uint32, uint16, uint16); of an integer dtype it
is the plain numpy array; of BOOL, and so of every truth, it is an array of numpy bool. Operands
broadcast. NaN payloads are unspecified until `canonical`, as in every machine.

numpy rounds add, subtract, multiply, divide and square root of float32 correctly and keeps
subnormals; only fused multiply-add and a few conversions need thought.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from aivm.numerics import integers
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF
from aivm.numerics.machine import word_of

Words = npt.NDArray[Any]

_NUMPY_INTEGERS: dict[DType, type[Any]] = {
    DType.U8: np.uint8,
    DType.I8: np.int8,
    DType.U16: np.uint16,
    DType.I16: np.int16,
    DType.U32: np.uint32,
    DType.I32: np.int32,
    DType.U64: np.uint64,
    DType.I64: np.int64,
}
_NAN = np.uint32(0x7FC00000)
_SMALLEST_NORMAL = np.float32(2.0**-126)
# What binary64 has below binary32's last bit, and how it looks half way between two of these.
_TAIL = np.uint64((1 << 29) - 1)
_HALF = np.uint64(1 << 28)

_quiet = np.errstate(all="ignore")


class ArrayMachine:
    """`Machine[Words]`: one operation, all elements."""

    def f32(self, value: float) -> Words:
        return np.array(word_of(value), np.uint32)

    def bits(self, pattern: int) -> Words:
        return np.array(pattern, np.uint32)

    @_quiet
    def add(self, a: Words, b: Words) -> Words:
        return _words(_floats(a) + _floats(b))

    @_quiet
    def sub(self, a: Words, b: Words) -> Words:
        return _words(_floats(a) - _floats(b))

    @_quiet
    def mul(self, a: Words, b: Words) -> Words:
        return _words(_floats(a) * _floats(b))

    @_quiet
    def div(self, a: Words, b: Words) -> Words:
        return _words(_floats(a) / _floats(b))

    @_quiet
    def sqrt(self, a: Words) -> Words:
        return _words(np.sqrt(_floats(a)))

    @_quiet
    def fma(self, a: Words, b: Words, c: Words) -> Words:
        return _words(fused_multiply_add(_floats(a), _floats(b), _floats(c)))

    @_quiet
    def min(self, a: Words, b: Words) -> Words:
        least = np.minimum(_floats(a), _floats(b))
        # Equal numbers have equal bits, except the two zeros: there the sign bit wins.
        return np.where(self.equal(a, b), a | b, _words(least))

    @_quiet
    def max(self, a: Words, b: Words) -> Words:
        greatest = np.maximum(_floats(a), _floats(b))
        return np.where(self.equal(a, b), a & b, _words(greatest))

    @_quiet
    def equal(self, a: Words, b: Words) -> Words:
        return np.asarray(_floats(a) == _floats(b))

    @_quiet
    def less(self, a: Words, b: Words) -> Words:
        return np.asarray(_floats(a) < _floats(b))

    @_quiet
    def less_equal(self, a: Words, b: Words) -> Words:
        return np.asarray(_floats(a) <= _floats(b))

    def select(self, truth: Words, a: Words, b: Words) -> Words:
        return np.where(truth, a, b)

    @_quiet
    def canonical(self, a: Words) -> Words:
        return np.where(np.isnan(_floats(a)), _NAN, a)

    def and_(self, a: Words, b: Words) -> Words:
        return np.asarray(a & b)

    def or_(self, a: Words, b: Words) -> Words:
        return np.asarray(a | b)

    def xor(self, a: Words, b: Words) -> Words:
        return np.asarray(a ^ b)

    def shl(self, a: Words, count: int) -> Words:
        return np.asarray(a << np.uint32(count))

    def shr(self, a: Words, count: int) -> Words:
        return np.asarray(a >> np.uint32(count))

    def sar(self, a: Words, count: int) -> Words:
        return np.asarray(a.view(np.int32) >> np.int32(count)).view(np.uint32)

    @_quiet
    def iadd(self, a: Words, b: Words) -> Words:
        return np.asarray(a + b)

    @_quiet
    def isub(self, a: Words, b: Words) -> Words:
        return np.asarray(a - b)

    @_quiet
    def imul(self, a: Words, b: Words) -> Words:
        return np.asarray(a * b)

    @_quiet
    def int_op(self, dtype: DType, name: str, a: Words, b: Words) -> Words:
        integers.check(dtype, name)
        return np.asarray(_INTEGER_BINARY[name](a, b))

    @_quiet
    def int_unary(self, dtype: DType, name: str, a: Words) -> Words:
        integers.check(dtype, name)
        return np.asarray(_INTEGER_UNARY[name](a))

    def compare(self, dtype: DType, name: str, a: Words, b: Words) -> Words:
        integers.check(dtype, name)
        return np.asarray(_INTEGER_COMPARISONS[name](a, b))

    @_quiet
    def cast(self, source: DType, target: DType, a: Words) -> Words:
        if source.is_float:
            return _from_float(source, target, a)
        if target.is_float:
            return _integer_to_float(target, a)
        if target is DType.BOOL:
            return np.asarray(a != 0)
        return np.asarray(a.astype(_NUMPY_INTEGERS[target]))


def _floats(words: Words) -> Words:
    return words.view(np.float32)


def _words(floats: Words) -> Words:
    return np.asarray(floats).view(np.uint32)


# --- fused multiply-add ---------------------------------------------------------------------------


def fused_multiply_add(a: Words, b: Words, c: Words) -> Words:
    """a * b + c on float32 (or float64 holding float32 values), rounded once to float32.

    Why this is exact. The binary64 product of two binary32 numbers is exact: 48 bits fit in 53, and
    it lies between 2**-298 and 2**256, far inside binary64's normal range. So is the sum, where it
    is exact; else `total` is it rounded to 53 bits. Rounding `total` again to 24 bits goes wrong
    only where `total` lies exactly half way between two binary32 numbers while the true sum does
    not: its last 29 bits are then 1 followed by zeros. Below 2**-126 half way points sit elsewhere,
    so every such total is doubtful. Where there is any doubt, the totals are made odd
    (`_round_to_odd`) before they are narrowed, which is right everywhere by Boldo and Melquiond's
    theorem, as 53 >= 24 + 2; it costs three times as much.
    Infinities and NaNs come out of the binary64 operations as they would out of the fused one:
    nothing finite overflows in them.
    """
    product = np.multiply(a, b, dtype=np.float64)
    addend = np.asarray(c, np.float64)
    total = np.asarray(product + addend)
    result = np.asarray(total.astype(np.float32))
    doubtful = np.asarray(total.view(np.uint64) & _TAIL) == _HALF
    doubtful |= np.abs(result) <= _SMALLEST_NORMAL
    if doubtful.any():
        return np.asarray(_round_to_odd(product, addend, total).astype(np.float32))
    return result


def _round_to_odd(x: Words, y: Words, total: Words) -> Words:
    """x + y in binary64 where exact, else that neighbour of the exact sum whose last bit is 1.

    Knuth's TwoSum gives the exact error of `total` = x + y. An inexact odd total is already the
    wanted neighbour; an even one is moved by one unit in its last place toward the exact sum.
    """
    y_part = total - x
    x_part = total - y_part
    error = (x - x_part) + (y - y_part)
    bits = total.view(np.int64)
    move = (np.abs(error) > 0) & (bits & 1 == 0)
    outward = (error > 0) == (total > 0)
    stepped = np.asarray(bits + np.where(outward, 1, -1))
    return np.where(move, stepped, bits).view(np.float64)


# --- integers -------------------------------------------------------------------------------------


def _divide(a: Words, b: Words) -> Words:
    """Truncated toward zero; 0 where b = 0."""
    divisor = np.where(b == 0, np.ones_like(b), b)
    floor = np.floor_divide(a, divisor)
    inexact = floor * divisor != a
    quotient = floor + (inexact & ((a < 0) != (divisor < 0))).astype(floor.dtype)
    return np.asarray(np.where(b == 0, np.zeros_like(quotient), quotient))


def _modulo(a: Words, b: Words) -> Words:
    """Sign of the divisor; x mod 1 = 0 stands in for x mod 0."""
    return np.asarray(np.remainder(a, np.where(b == 0, np.ones_like(b), b)))


def _remainder(a: Words, b: Words) -> Words:
    """Sign of the dividend; 0 where b = 0."""
    return np.asarray(np.fmod(a, np.where(b == 0, np.ones_like(b), b)))


def _shift_left(a: Words, count: Words) -> Words:
    """0 where the count is negative or not below the width."""
    zero = a.dtype.type(0)
    inside = (count >= 0) & (count < 8 * a.itemsize)
    return np.where(inside, a << np.where(inside, count, zero), zero)


def _shift_right(a: Words, count: Words) -> Words:
    """Nothing but the sign where the count is negative or not below the width."""
    most = a.dtype.type(8 * a.itemsize - 1)
    outside = (count < 0) | (count > most)
    shifted = np.asarray(a >> np.where(outside, most, count))
    return shifted if a.dtype.kind == "i" else np.where(outside, a.dtype.type(0), shifted)


_INTEGER_BINARY: dict[str, Callable[[Words, Words], Words]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "mod": _modulo,
    "fmod": _remainder,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shift_left": _shift_left,
    "shift_right": _shift_right,
}
_INTEGER_UNARY: dict[str, Callable[[Words], Words]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "not": np.invert,
}
_INTEGER_COMPARISONS: dict[str, Callable[[Words, Words], Words]] = {
    "equal": np.equal,
    "less": np.less,
    "less_equal": np.less_equal,
}


# --- conversions ----------------------------------------------------------------------------------


def _from_float(source: DType, target: DType, a: Words) -> Words:
    if target is DType.BOOL:
        return np.asarray(a & a.dtype.type(FORMAT_OF[source].sign_bit - 1) != 0)
    wide = _widen(source, a)
    if target.is_float:
        return _narrow(target, wide)
    return _float_to_integer(target, wide)


def _widen(source: DType, a: Words) -> Words:
    """float32 of the same values."""
    if source is DType.F16:
        return a.view(np.float16).astype(np.float32)
    if source is DType.BF16:
        return np.asarray(a.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return a.view(np.float32)


def _narrow(target: DType, values: Words) -> Words:
    """Words of the nearest numbers of `target`; every NaN the canonical one."""
    if target is DType.F32:
        words = _words(values)
    elif target is DType.F16:
        words = np.asarray(values.astype(np.float16)).view(np.uint16)
    else:
        words = _narrow_to_bfloat16(_words(values))
    nan = words.dtype.type(FORMAT_OF[target].canonical_nan)
    return np.where(np.isnan(values), nan, words)


def _narrow_to_bfloat16(words: Words) -> Words:
    """The upper half of binary32 words; adding just under half a unit rounds it to nearest even."""
    last_kept = words >> np.uint32(16) & np.uint32(1)
    rounded = words + np.uint32(0x7FFF) + last_kept
    return np.asarray(rounded >> np.uint32(16)).astype(np.uint16)


def _float_to_integer(target: DType, values: Words) -> Words:
    """Truncated, saturating, NaN to 0. The bounds are compared in binary64: exact."""
    numpy_type = _NUMPY_INTEGERS[target]
    wide = values.astype(np.float64)
    low, high = integers.smallest(target), integers.largest(target)
    too_high = wide >= float(high + 1)
    too_low = wide <= float(low)
    inside = np.where(too_high | too_low | np.isnan(wide), 0.0, wide)
    result = inside.astype(numpy_type)  # C conversion: truncates, and every value is in range
    result = np.where(too_high, numpy_type(high), result)
    return np.where(too_low, numpy_type(low), result)


def _integer_to_float(target: DType, a: Words) -> Words:
    """One rounding. The detour to F16 over float32 is none: integers below 2**24 are exact there,
    and all others are infinite in F16."""
    if target is DType.BF16:
        return _integer_to_bfloat16(a)
    return _narrow(target, a.astype(np.float32))


def _integer_to_bfloat16(a: Words) -> Words:
    """One rounding, from 64-bit integers too: binary64 first, made exact, then cut to 8 bits.

    From 2**40 on the lowest 16 bits lie below the rounding point of an 8-bit significand: whether
    they are zero is all that counts, so they are folded into one sticky bit, and 49 bits remain.
    """
    negative = np.asarray(a < 0)
    unsigned = a.astype(np.uint64)
    magnitude = np.where(negative, np.uint64(0) - unsigned, unsigned)
    low = magnitude & np.uint64(0xFFFF)
    sticky = np.where(low != 0, np.uint64(0x8000), np.uint64(0))
    folded = np.where(magnitude >> np.uint64(40) != 0, magnitude - low + sticky, magnitude)
    bits = np.asarray(folded.astype(np.float64)).view(np.uint64)
    last_kept = bits >> np.uint64(45) & np.uint64(1)
    rounded = bits + np.uint64((1 << 44) - 1) + last_kept
    exact = np.asarray(rounded >> np.uint64(45) << np.uint64(45)).view(np.float64)
    words = _words(exact.astype(np.float32)) >> np.uint32(16)
    return np.asarray(words | negative.astype(np.uint32) << np.uint32(15)).astype(np.uint16)
