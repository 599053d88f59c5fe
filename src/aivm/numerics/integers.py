"""Integer operations on words of every integer dtype, and on BOOL.

The word of an integer is its value, the word of a BOOL 0 or 1. Results wrap modulo 2**bits.
Division is total: x / 0 = 0, x mod 0 = 0, and the most negative number divided by -1 wraps to
itself. A shift by a negative count, or by the width or more, shifts everything out. On BOOL only
the names in `ON_BOOL` are defined.
"""

from __future__ import annotations

from collections.abc import Callable

from aivm.errors import MalformedProgram
from aivm.numerics.dtypes import DType


def wrap(dtype: DType, value: int) -> int:
    """The number of `dtype` that is congruent to `value` modulo 2**bits (BOOL: modulo 2)."""
    if dtype is DType.BOOL:
        return value & 1
    bits = 8 * dtype.size_bytes
    pattern = value & ((1 << bits) - 1)
    return pattern - (1 << bits) if dtype.is_signed and pattern >> (bits - 1) else pattern


def smallest(dtype: DType) -> int:
    """The smallest number of an integer dtype."""
    return -(1 << (8 * dtype.size_bytes - 1)) if dtype.is_signed else 0


def largest(dtype: DType) -> int:
    """The largest number of an integer dtype."""
    return (1 << (8 * dtype.size_bytes - int(dtype.is_signed))) - 1


def div(a: int, b: int) -> int:
    """The quotient truncated toward zero; 0 where b = 0."""
    if b == 0:
        return 0
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def mod(a: int, b: int) -> int:
    """The remainder with the sign of the divisor b; 0 where b = 0."""
    return 0 if b == 0 else a % b


def fmod(a: int, b: int) -> int:
    """The remainder with the sign of the dividend a, a - b * div(a, b); 0 where b = 0."""
    return 0 if b == 0 else a - b * div(a, b)


def shift_left(a: int, count: int) -> int:
    """a * 2**count; 0 where the count is negative or not below 64 (so: not below the width)."""
    return a << count if 0 <= count < 64 else 0


def shift_right(a: int, count: int) -> int:
    """a / 2**count rounded down; where the count is negative or not below 64 (so: not below the
    width), nothing but the sign remains: -1 below zero, else 0."""
    return a >> (count if 0 <= count < 64 else 64)


def sign(a: int) -> int:
    """-1, 0 or 1."""
    return int(a > 0) - int(a < 0)


BINARY: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": div,
    "mod": mod,
    "fmod": fmod,
    "min": min,
    "max": max,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shift_left": shift_left,
    "shift_right": shift_right,
}

UNARY: dict[str, Callable[[int], int]] = {
    "neg": lambda a: -a,
    "abs": abs,
    "sign": sign,
    "not": lambda a: ~a,
}

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "equal": lambda a, b: a == b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
}

ON_BOOL = frozenset({"and", "or", "xor", "not", "min", "max", "equal", "less", "less_equal"})


def check(dtype: DType, name: str) -> None:
    """Raises MalformedProgram where the operation is not defined on the dtype."""
    known = name in BINARY or name in UNARY or name in COMPARISONS
    allowed = dtype.is_integer or (dtype is DType.BOOL and name in ON_BOOL)
    if not (known and allowed):
        raise MalformedProgram(f"numerics 1 defines no integer operation {name!r} on {dtype.name}")


def int_op(dtype: DType, name: str, a: int, b: int) -> int:
    """`name` (a key of BINARY) on two words of `dtype`, computed exactly and wrapped."""
    check(dtype, name)
    return wrap(dtype, BINARY[name](a, b))


def int_unary(dtype: DType, name: str, a: int) -> int:
    """`name` (a key of UNARY) on a word of `dtype`, computed exactly and wrapped."""
    check(dtype, name)
    return wrap(dtype, UNARY[name](a))


def compare(dtype: DType, name: str, a: int, b: int) -> int:
    """1 where the comparison `name` (a key of COMPARISONS) holds, else 0."""
    check(dtype, name)
    return int(COMPARISONS[name](a, b))
