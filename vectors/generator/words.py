"""Operands that look for trouble, the same on every machine and for every version of this program.

Pseudo-random bytes are SHAKE-256 of a name, so that they depend on nothing but the name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from itertools import product

from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF
from aivm.numerics.integers import largest, smallest, wrap

# Zeros, the subnormal border, one and its neighbours, halves and ties, the borders of exp, of
# integer conversion and of angle reduction, the largest, infinities, NaNs of any payload and sign.
SPECIAL_F32 = (
    *(0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000),
    *(0x3F800000, 0xBF800000, 0x3F7FFFFF, 0xBF7FFFFF, 0x3F800001, 0xBF800001, 0x3F000000),
    *(0xBF000000, 0x3EFFFFFF, 0x3F000001, 0x3FC00000, 0xBFC00000, 0x40000000, 0x40200000),
    *(0x40490FDB, 0xC0490FDB, 0x3FC90FDB, 0x42B17218, 0x42B17217, 0xC2AEAC50, 0xC2CFF1B5),
    *(0xC2CFF1B4, 0x42B2D4FC, 0x4B000001, 0x4B800001, 0x4A800000, 0x4A800001, 0xCA800001),
    *(0x4F000000, 0x4EFFFFFF, 0xCF000000, 0x4F800000, 0x5F000000, 0xDF000000, 0x5F800000),
    *(0x43000000, 0xC3010000, 0x437F8000, 0x477FE000, 0x477FF000, 0x33000000, 0x33000001),
    *(0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001),
    *(0xFFABCDEF, 0x7E967699),
)
# Few enough for every pair, or every triple, of them.
PAIRED_F32 = (
    *(0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000, 0x3F800000, 0xBF800000),
    *(0x3F800001, 0x3F7FFFFF, 0x3F000000, 0xC0000000, 0x40400000, 0x40200000, 0x4B7FFFFF),
    *(0x4B800000, 0xCF000000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0xFFC12345),
)
TRIPLED_F32 = (
    *(0x00000000, 0x80000000, 0x00000003, 0x3F800001, 0xBF800000, 0x7F7FFFFF, 0x7F800000),
    0x7FA00001,
)


def random_bytes(name: str, size: int) -> bytes:
    """`size` bytes that belong to a name."""
    return hashlib.shake_256(f"aivm vectors: {name}".encode()).digest(size)


def random_words(name: str, count: int, size_bytes: int) -> list[int]:
    """Any bit patterns."""
    data = random_bytes(name, count * size_bytes)
    return [
        int.from_bytes(data[at : at + size_bytes], "little")
        for at in range(0, len(data), size_bytes)
    ]


def random_number(name: str) -> int:
    """32 bits that belong to a name."""
    return int.from_bytes(random_bytes(name, 4), "little")


def ordinary_f32(name: str, count: int) -> list[int]:
    """Numbers of either sign between 2**-8 and 2**8, as words."""
    return [
        word & 0x807F_FFFF | (119 + (word >> 23) % 16) << 23
        for word in random_words(name, count, 4)
    ]


def float_words(dtype: DType, name: str, count: int) -> list[int]:
    """`count` words of a float dtype: specials first, then ordinary numbers and any bits."""
    if dtype is DType.F32:
        special = list(SPECIAL_F32)
        ordinary = ordinary_f32(name, count)
    else:
        special = _narrow_specials(dtype)
        ordinary = [word & 0xBFFF for word in random_words(name, count, 2)]
    anything = random_words(f"{name}, any bits", count, dtype.size_bytes)
    rest = [word for pair in zip(ordinary, anything, strict=True) for word in pair]
    return (special + rest)[:count]


def _narrow_specials(dtype: DType) -> list[int]:
    """Of F16 and BF16, of both signs: zeros, subnormals, one, the largest, infinity, NaNs."""
    storage = FORMAT_OF[dtype]
    one = ((1 << storage.exponent_bits - 1) - 1) << storage.precision - 1
    normal = 1 << storage.precision - 1
    sizes = (0, 1, normal - 1, normal, one - 1, one, one + 1, storage.infinity - 1)
    sizes += (storage.infinity, storage.infinity + 1, storage.canonical_nan, storage.sign_bit - 1)
    return [size | sign for size in sizes for sign in (0, storage.sign_bit)]


def integer_specials(dtype: DType) -> list[int]:
    """Small numbers, the width as a count, and the ends of the range."""
    bits = 8 * dtype.size_bytes
    numbers = (0, 1, 2, 3, -1, -7, bits - 1, bits, smallest(dtype), smallest(dtype) + 1)
    numbers += (largest(dtype), largest(dtype) // 3)
    return list(dict.fromkeys(wrap(dtype, number) for number in numbers))


def integer_words(dtype: DType, name: str, count: int) -> list[int]:
    """`count` numbers of an integer dtype or BOOL: specials, then any."""
    if dtype is DType.BOOL:
        return [word & 1 for word in random_words(name, count, 1)]
    anything = random_words(name, count, dtype.size_bytes)
    return (integer_specials(dtype) + [wrap(dtype, word) for word in anything])[:count]


def words_of(dtype: DType, name: str, count: int) -> list[int]:
    """`count` words of any dtype."""
    if dtype.is_float:
        return float_words(dtype, name, count)
    return integer_words(dtype, name, count)


def columns(dtype: DType, arity: int, name: str) -> list[list[int]]:
    """Operand columns for a function of `dtype`: combinations of specials, and others."""
    if arity == 1:
        return [words_of(dtype, name, 256)]
    if dtype is DType.BOOL:
        special: Sequence[int] = (0, 1)
    elif dtype is DType.F32:
        special = PAIRED_F32 if arity == 2 else TRIPLED_F32
    else:
        special = words_of(dtype, name, 12)
    rows = list(product(special, repeat=arity))
    count = 112 if dtype is DType.F32 else 48
    others = [_more(dtype, f"{name}, operand {place}", count) for place in range(arity)]
    return [[row[place] for row in rows] + others[place] for place in range(arity)]


def _more(dtype: DType, name: str, count: int) -> list[int]:
    if dtype is DType.F32:
        return ordinary_f32(name, count) + random_words(f"{name}, any bits", count, 4)
    if dtype.is_float or dtype is DType.BOOL:
        return words_of(dtype, name, count)
    return [wrap(dtype, word) for word in random_words(name, count, dtype.size_bytes)]


def packed(dtype: DType, words: Sequence[int]) -> bytes:
    """The little-endian bytes of a tensor's elements."""
    bits = 8 * dtype.size_bytes
    return b"".join((word & (1 << bits) - 1).to_bytes(dtype.size_bytes, "little") for word in words)


def f32(*numbers: float) -> bytes:
    """The bytes of binary32 numbers."""
    return struct.pack(f"<{len(numbers)}f", *numbers)
