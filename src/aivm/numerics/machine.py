"""The abstract machine of numerics 1, and its normative implementation.

A scalar function (`aivm.numerics.functions`) is written once, over a `Machine`, from the base
operations below. `ScalarMachine` computes it on Python integers and *is* the specification; other
machines compute it on arrays, record it as a straight-line program, or print it as C.

Values are words: the word of a float is its bit pattern, the word of an integer or BOOL its value.
The 32-bit operations (`and_` ... `imul`) work on patterns. Truths are 0 and 1 in the specification;
another machine may hold them otherwise (a mask, a numpy bool), so a function only passes them to
`select`, and to `and_`, `or_`, `xor` together with another truth.

NaNs: an F32 result element of an *instruction* is passed through `canonical`. Before that, inside
a function, a machine may give any NaN payload and sign, and no function may depend on them.
"""

from __future__ import annotations

import struct
from typing import Protocol, TypeVar

from aivm.numerics import binary32, conversions, integers
from aivm.numerics.dtypes import DType

W = TypeVar("W")

_MASK = 0xFFFF_FFFF


class Machine(Protocol[W]):
    """Base operations on words of type W. F32 arithmetic rounds to nearest even, once."""

    def f32(self, value: float) -> W:
        """The constant word of a number that binary32 represents exactly (ValueError otherwise)."""
        ...

    def bits(self, pattern: int) -> W:
        """The constant word with this 32-bit pattern."""
        ...

    def add(self, a: W, b: W) -> W: ...
    def sub(self, a: W, b: W) -> W: ...
    def mul(self, a: W, b: W) -> W: ...
    def div(self, a: W, b: W) -> W: ...
    def sqrt(self, a: W) -> W: ...

    def fma(self, a: W, b: W, c: W) -> W:
        """a * b + c, rounded once."""
        ...

    def min(self, a: W, b: W) -> W:
        """IEEE 754-2019 minimum: NaN propagates, -0 < +0."""
        ...

    def max(self, a: W, b: W) -> W:
        """IEEE 754-2019 maximum: NaN propagates, -0 < +0."""
        ...

    def equal(self, a: W, b: W) -> W:
        """Truth of a = b (false with a NaN; the zeros are equal)."""
        ...

    def less(self, a: W, b: W) -> W:
        """Truth of a < b (false with a NaN)."""
        ...

    def less_equal(self, a: W, b: W) -> W:
        """Truth of a <= b (false with a NaN)."""
        ...

    def select(self, truth: W, a: W, b: W) -> W:
        """a where the truth holds, else b; both are words of one dtype."""
        ...

    def canonical(self, a: W) -> W:
        """0x7fc00000 where a is a NaN, else a."""
        ...

    def and_(self, a: W, b: W) -> W: ...
    def or_(self, a: W, b: W) -> W: ...
    def xor(self, a: W, b: W) -> W: ...

    def shl(self, a: W, count: int) -> W:
        """32-bit word shifted left, 0 <= count < 32."""
        ...

    def shr(self, a: W, count: int) -> W:
        """32-bit word shifted right, zeros coming in."""
        ...

    def sar(self, a: W, count: int) -> W:
        """32-bit word shifted right, copies of the sign bit coming in."""
        ...

    def iadd(self, a: W, b: W) -> W:
        """32-bit words added, wrapping."""
        ...

    def isub(self, a: W, b: W) -> W: ...
    def imul(self, a: W, b: W) -> W: ...

    def int_op(self, dtype: DType, name: str, a: W, b: W) -> W:
        """A key of `integers.BINARY`: add, sub, mul, div, mod, fmod, min, max, and, or, xor,
        shift_left, shift_right."""
        ...

    def int_unary(self, dtype: DType, name: str, a: W) -> W:
        """neg, abs, sign, not."""
        ...

    def compare(self, dtype: DType, name: str, a: W, b: W) -> W:
        """Truth of equal, less or less_equal between integers."""
        ...

    def cast(self, source: DType, target: DType, a: W) -> W:
        """A word of dtype `source` converted to dtype `target` (see `conversions`)."""
        ...


def word_of(value: float) -> int:
    """The binary32 word of a Python float; ValueError where it is not a binary32 number."""
    try:
        packed = struct.pack(">f", value)
    except OverflowError:
        packed = b""
    if not packed or struct.unpack(">f", packed)[0] != value:
        raise ValueError(f"{value!r} is not a binary32 number")
    return int.from_bytes(packed, "big")


class ScalarMachine:
    """The specification: one element at a time, on Python integers, every rounding exact."""

    def f32(self, value: float) -> int:
        return word_of(value)

    def bits(self, pattern: int) -> int:
        return pattern

    def add(self, a: int, b: int) -> int:
        return binary32.add(a, b)

    def sub(self, a: int, b: int) -> int:
        return binary32.sub(a, b)

    def mul(self, a: int, b: int) -> int:
        return binary32.mul(a, b)

    def div(self, a: int, b: int) -> int:
        return binary32.div(a, b)

    def sqrt(self, a: int) -> int:
        return binary32.sqrt(a)

    def fma(self, a: int, b: int, c: int) -> int:
        return binary32.fma(a, b, c)

    def min(self, a: int, b: int) -> int:
        return binary32.minimum(a, b)

    def max(self, a: int, b: int) -> int:
        return binary32.maximum(a, b)

    def equal(self, a: int, b: int) -> int:
        return binary32.equal(a, b)

    def less(self, a: int, b: int) -> int:
        return binary32.less(a, b)

    def less_equal(self, a: int, b: int) -> int:
        return binary32.less_equal(a, b)

    def select(self, truth: int, a: int, b: int) -> int:
        return a if truth else b

    def canonical(self, a: int) -> int:
        return binary32.canonical(a)

    def and_(self, a: int, b: int) -> int:
        return a & b

    def or_(self, a: int, b: int) -> int:
        return a | b

    def xor(self, a: int, b: int) -> int:
        return a ^ b

    def shl(self, a: int, count: int) -> int:
        return a << count & _MASK

    def shr(self, a: int, count: int) -> int:
        return a >> count

    def sar(self, a: int, count: int) -> int:
        return integers.wrap(DType.I32, a) >> count & _MASK

    def iadd(self, a: int, b: int) -> int:
        return a + b & _MASK

    def isub(self, a: int, b: int) -> int:
        return a - b & _MASK

    def imul(self, a: int, b: int) -> int:
        return a * b & _MASK

    def int_op(self, dtype: DType, name: str, a: int, b: int) -> int:
        return integers.int_op(dtype, name, a, b)

    def int_unary(self, dtype: DType, name: str, a: int) -> int:
        return integers.int_unary(dtype, name, a)

    def compare(self, dtype: DType, name: str, a: int, b: int) -> int:
        return integers.compare(dtype, name, a, b)

    def cast(self, source: DType, target: DType, a: int) -> int:
        return conversions.cast(source, target, a)
