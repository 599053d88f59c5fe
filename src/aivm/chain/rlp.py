"""RLP, Ethereum's serialisation (Yellow Paper, appendix B): the encoder, all that signing needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Item: TypeAlias = "bytes | int | Sequence[Item]"


def encode(item: Item) -> bytes:
    """The RLP bytes of nested lists of byte strings and non-negative integers."""
    if isinstance(item, int):
        return _encode_bytes(item.to_bytes((item.bit_length() + 7) // 8, "big"))
    if isinstance(item, bytes):
        return _encode_bytes(item)
    payload = b"".join(encode(element) for element in item)
    return _header(len(payload), short=0xC0) + payload


def _encode_bytes(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < 0x80:  # a small byte is its own encoding
        return data
    return _header(len(data), short=0x80) + data


def _header(length: int, *, short: int) -> bytes:
    """One byte up to 55 bytes of payload; beyond it the length itself, prefixed by its size."""
    if length <= 55:
        return bytes([short + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([short + 55 + len(size)]) + size
