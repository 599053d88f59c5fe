"""The element types of numerics 1.

A dtype's integer value is its code in records, tensor headers and contracts: never renumber one.
"""

from __future__ import annotations

from enum import IntEnum


class DType(IntEnum):
    """Element type of a tensor; every element is stored little-endian."""

    F32 = 1
    F16 = 2  # storage only
    BF16 = 3  # storage only
    BOOL = 8  # one byte, 0 or 1
    U8 = 9
    I8 = 10
    U16 = 11
    I16 = 12
    U32 = 13
    I32 = 14
    U64 = 15
    I64 = 16

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return _SIZE_BYTES[self]

    @property
    def is_float(self) -> bool:
        return self in (DType.F32, DType.F16, DType.BF16)

    @property
    def is_signed(self) -> bool:
        """True for the two's complement integer types."""
        return self in (DType.I8, DType.I16, DType.I32, DType.I64)

    @property
    def is_integer(self) -> bool:
        return self >= DType.U8


_SIZE_BYTES = {
    DType.F32: 4,
    DType.F16: 2,
    DType.BF16: 2,
    DType.BOOL: 1,
    DType.U8: 1,
    DType.I8: 1,
    DType.U16: 2,
    DType.I16: 2,
    DType.U32: 4,
    DType.I32: 4,
    DType.U64: 8,
    DType.I64: 8,
}
