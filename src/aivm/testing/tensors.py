"""Random tensors that look for trouble: every special number turns up often."""

from __future__ import annotations

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF

# Zeros, subnormals and their border, one and its neighbours, the largest, infinities, NaNs with
# payloads and signs, ties of rounding to an integer, the ranges of exp and of integer conversion.
_SPECIAL_F32 = np.array(
    [
        *(0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x80800000),
        *(0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001, 0x7F7FFFFF, 0xFF7FFFFF),
        *(0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFABCDEF),
        *(0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000, 0x4B000001, 0x4F000000, 0xCF000000),
        *(0x42B17218, 0xC2CFF1B5, 0x5F000000, 0x40490FDB),
    ],
    dtype=np.uint32,
)


def random_tensor(rng: np.random.Generator, type_: TensorType) -> Array:
    """A tensor of that type: of one kind of number, or of several kinds mixed."""
    kinds = rng.integers(0, 4, size=type_.elements) if rng.random() < 0.5 else rng.integers(0, 4)
    bits = _random_words(rng, type_, np.broadcast_to(kinds, type_.elements))
    return bits.view(numpy_dtype(type_.dtype)).reshape(type_.shape)


def _random_words(rng: np.random.Generator, type_: TensorType, kinds: Array) -> Array:
    """Bit patterns. Kinds: 0 special, 1 any bits, 2 and 3 ordinary numbers."""
    dtype, size = type_.dtype, type_.dtype.size_bytes
    anything = np.frombuffer(rng.bytes(type_.elements * size), dtype=f"<u{size}")
    if dtype is DType.BOOL:
        return anything & 1
    special, ordinary = (
        _float_words(rng, dtype, type_.elements)
        if dtype.is_float
        else _integer_words(rng, dtype, type_.elements)
    )
    return np.where(kinds == 0, special, np.where(kinds == 1, anything, ordinary))


def _float_words(rng: np.random.Generator, dtype: DType, count: int) -> tuple[Array, Array]:
    special = rng.choice(_SPECIAL_F32, size=count)
    ordinary = rng.normal(scale=rng.choice([0.1, 1.0, 10.0]), size=count).astype(np.float32)
    words = ordinary.view(np.uint32)
    if dtype is DType.F32:
        return special, words
    if dtype is DType.BF16:
        return (special >> 16).astype(np.uint16), (words >> 16).astype(np.uint16)
    infinity = FORMAT_OF[dtype].infinity
    borders = np.array([0, 1, 0x3FF, 0x400, 0x3C00, infinity - 1, infinity, infinity + 1, 0x7E00])
    signs = rng.integers(0, 2, size=count) << 15
    special = (rng.choice(borders, size=count) | signs).astype(np.uint16)
    return special, ordinary.astype(np.float16).view(np.uint16)


def _integer_words(rng: np.random.Generator, dtype: DType, count: int) -> tuple[Array, Array]:
    size = dtype.size_bytes
    highest = (1 << 8 * size) - 1
    borders = [0, 1, 2, highest, highest - 1, highest >> 1, (highest >> 1) + 1]
    special = rng.choice(np.array(borders, dtype=np.uint64), size=count)
    low = -9 if dtype.is_signed else 0
    ordinary = rng.integers(low, 10, size=count, dtype=np.int64)
    return special.astype(f"<u{size}"), ordinary.astype(f"<i{size}").view(f"<u{size}")
