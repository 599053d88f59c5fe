"""Unsigned LEB128 integers, as protobuf, CIDs and CAR files have them; one spelling each."""

from __future__ import annotations

from aivm.errors import MalformedBlock

MAX_BITS = 63


def encode(value: int) -> bytes:
    """The shortest encoding of 0 <= value < 2^63."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes, position: int) -> tuple[int, int]:
    """The integer at `position` and the position behind it.

    Raises MalformedBlock for a truncated, over-long or too large one.
    """
    value = shift = 0
    while True:
        if position >= len(data):
            raise MalformedBlock("an integer is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= MAX_BITS:
            raise MalformedBlock("an integer has more than 63 bits")
    if byte == 0 and shift > 7:
        raise MalformedBlock("an integer is not in its shortest encoding")
    return value, position
