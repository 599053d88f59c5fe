"""Moves, or whatever else, with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import IntEnum
from typing import Any

from aivm.receipts import Receipt

Lie = tuple[str, Any]
"""What is wrong, and the thing with it."""

_NUMBERS = (0, 1, 15, 16, 255, (1 << 32) - 1, (1 << 48) - 1, (1 << 64) - 1)
_NAN_PAYLOAD = 1 << 21
_HASH = 32  # bytes


def lies(truth: Any) -> Iterator[Lie]:
    """The same thing with one part of it wrong, for every part and in every way."""
    if isinstance(truth, bool | str | IntEnum) or truth is None:
        return
    if isinstance(truth, bytes):
        yield from _bytes(truth)
    elif isinstance(truth, int):
        yield from _numbers(truth)
    elif isinstance(truth, tuple):
        yield from _lists(truth)
    elif isinstance(truth, Receipt):
        yield "another receipt", replace(truth, sequence=truth.sequence + 1)
        yield "a later receipt", replace(truth, time=truth.time + 1)
    elif is_dataclass(truth) and not isinstance(truth, type):
        for part in fields(truth):
            for what, wrong in lies(getattr(truth, part.name)):
                yield f"{part.name}: {what}", replace(truth, **{part.name: wrong})


def _bytes(truth: bytes) -> Iterator[Lie]:
    if truth:
        yield "first bit", bytes([truth[0] ^ 1]) + truth[1:]
        yield "last bit", truth[:-1] + bytes([truth[-1] ^ 0x80])
        yield "zeros", bytes(len(truth))
    if len(truth) != _HASH:  # which has no other length in calldata
        yield "one byte more", truth + b"\0"
        yield "one byte less", truth[:-1]
        yield "nothing", b""


def _numbers(truth: int) -> Iterator[Lie]:
    near = (truth + 1, truth - 1, truth ^ _NAN_PAYLOAD, truth ^ 1 << 31, truth | 1 << 40)
    for wrong in dict.fromkeys((*near, *_NUMBERS)):
        if wrong != truth and wrong >= 0:
            yield f"{wrong:#x}", wrong


def _lists(truth: tuple[Any, ...]) -> Iterator[Lie]:
    yield "none", ()
    if not truth:
        return
    yield "the last twice", (*truth, truth[-1])
    yield "without the last", truth[:-1]
    yield "without the first", truth[1:]
    yield "backwards", truth[::-1]
    yield "the first everywhere", (truth[0],) * len(truth)
    for at in sorted({0, len(truth) // 2, len(truth) - 1}):
        for what, wrong in lies(truth[at]):
            yield f"{at}: {what}", (*truth[:at], wrong, *truth[at + 1 :])
