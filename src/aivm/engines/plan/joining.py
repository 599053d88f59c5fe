"""Which rows a step hands over to the ROWS step behind it, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.tape import Address, Step, Word

# Elements of a block: it, its operands and what comes of it stay in the second-level cache. But a
# block of few rows would read all of B for little work.
BLOCK_ELEMENTS = 32 * 1024
BLOCK_ROWS_MIN = 128


@dataclass(frozen=True, slots=True)
class MadeRows:
    """The dense rows that a step makes."""

    step: Step
    value: int
    rows: int
    run: int  # a block never spans two runs of so many rows
    line: int  # a block is a whole number of lines of so many rows, where it can be
    columns: int

    @property
    def block_rows(self) -> int:
        most = max(BLOCK_ROWS_MIN, BLOCK_ELEMENTS // self.columns)
        whole = max(1, most // self.line) * self.line
        return min(whole, self.run)

    @property
    def blocks(self) -> int:
        return self.rows // self.run * -(-self.run // self.block_rows)

    @property
    def offset(self) -> int:
        """Of the block, in scratch: behind what the step itself needs there."""
        return _aligned(self.step.scratch_bytes)

    def joined(self, rows_scratch_bytes: int) -> Step:
        """The step, with blocks in scratch for a ROWS step that needs so much of it."""
        rows_scratch = _aligned(self.offset + self.block_rows * self.columns * 4)
        words: list[Word] = [
            self.offset if word == Address(self.value) else word for word in self.step.words
        ]
        words[:2] = [self.block_rows, rows_scratch]
        scratch_bytes = rows_scratch + rows_scratch_bytes
        return replace(self.step, words=tuple(words), scratch_bytes=scratch_bytes, joined=True)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
