"""Where buffers live: values whose lifetimes do not meet may share the same bytes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64  # bytes: one cache line, one 512-bit vector


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer of `size` bytes in use from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """An offset for every buffer, and the bytes needed for all.

    Largest first, each at the lowest offset where nothing placed so far that lives at the same time
    is in the way: within a few per cent of the lower bound on real networks.
    """
    offsets = [0] * len(lifetimes)
    placed: list[int] = []  # in ascending order of offset
    total = 0
    by_size = sorted(range(len(lifetimes)), key=lambda index: -lifetimes[index].size)
    for index in by_size:
        wanted = lifetimes[index]
        size = _aligned(wanted.size)
        offset = 0
        for other in placed:
            rival = lifetimes[other]
            if rival.first > wanted.last or rival.last < wanted.first:
                continue
            if offset + size <= offsets[other]:
                break
            offset = max(offset, offsets[other] + _aligned(rival.size))
        offsets[index] = offset
        insort(placed, index, key=offsets.__getitem__)
        total = max(total, offset + size)
    return offsets, total


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
