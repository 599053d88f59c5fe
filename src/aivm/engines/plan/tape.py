"""The tape: what the planner writes and `kernels/src/tape.c` runs.

A step is a run of 64-bit words: kind, number of words, instruction (for fault reports), then the
fields of its struct in `kernels/include/tape.h`, in that order. Addresses are symbolic (buffer and
byte offset) until the buffers have a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

AXES_MAX = 8  # AIVM_AXES


class Kind(IntEnum):
    """First word of a step."""

    ROWS = 1
    MATMUL = 2
    PACK = 3
    COPY = 4
    MOVE = 5
    REDUCE = 6
    GATHER = 7
    IOTA = 8
    SCATTER = 9
    RANK = 10
    RANDOM = 11
    MATMUL_BYTES = 12
    PACK_BYTES = 13
    TAPS = 14


@dataclass(frozen=True, slots=True)
class Address:
    """A place in memory: byte `offset` of a buffer."""

    buffer: int
    offset: int = 0


Word = int | Address


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `scratch_bytes` is what each worker needs beside the operands; a step that is
    `joined` runs together with the one behind it."""

    kind: Kind
    instruction: int
    words: tuple[Word, ...]
    scratch_bytes: int = 0
    joined: bool = False

    @property
    def buffers(self) -> set[int]:
        """Every buffer that the step reads or writes."""
        return {word.buffer for word in self.words if isinstance(word, Address)}

    def rehoused(self, home: Callable[[int], int]) -> Step:
        """The step with every buffer replaced by its home."""
        words = (
            Address(home(word.buffer), word.offset) if isinstance(word, Address) else word
            for word in self.words
        )
        return replace(self, words=tuple(words))


def encode(steps: Iterable[Step], place: Callable[[int], int]) -> npt.NDArray[np.int64]:
    """The words of the steps; `place(buffer)` is the buffer's first byte."""
    words: list[int] = []
    for step in steps:
        words += (step.kind, 3 + len(step.words), step.instruction)
        words += [
            place(word.buffer) + word.offset if isinstance(word, Address) else word
            for word in step.words
        ]
    return np.array(words, dtype=np.int64)


def padded(numbers: Sequence[int], size: int = AXES_MAX, fill: int = 0) -> tuple[int, ...]:
    """`numbers` as the fixed-size array of a struct."""
    assert len(numbers) <= size, "more axes than a step has room for"
    return (*numbers, *(fill,) * (size - len(numbers)))
