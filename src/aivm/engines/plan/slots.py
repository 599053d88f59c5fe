"""Where the values of a ROWS step are: windows of tensors in memory, and runs of scratch."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.tape import Address, Word, padded
from aivm.engines.plan.views import Shape, merged_axes
from aivm.numerics.dtypes import DType


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Rows that the step before makes in scratch, at an offset, and hands over block by block."""

    offset: int


@dataclass(slots=True)
class Slot:
    """Where a run of elements is. `strides` (in elements, over the row axes) only in memory."""

    dtype: DType
    scalar: bool
    place: Address | HandedOver | int  # in memory, or offset in scratch
    strides: tuple[int, ...] = ()
    element_stride: int = 1

    @property
    def in_memory(self) -> bool:
        return not isinstance(self.place, int)

    def words(self, strides: tuple[int, ...], chunk: int) -> list[Word]:
        """A `row_slot` of tape.h. `strides` are this one's after axes have merged; a row of
        scratch has `chunk` elements."""
        size = self.dtype.size_bytes
        element_step = 0 if self.scalar else self.element_stride * size
        steps = [stride * size for stride in strides]
        if self.in_memory:
            row_step = steps[-1] if steps else 0
        else:
            row_step = size if self.scalar else size * chunk
        match self.place:
            case HandedOver(offset):
                place: list[Word] = [2, offset]
            case Address():
                place = [1, self.place]
            case _:
                place = [0, self.place]
        return [*place, size, element_step, row_step, *padded(steps)]


@dataclass(slots=True)
class Scratch:
    """Space for slots that are not in memory; freed space is used again."""

    elements: int
    rows: int
    # Offsets by kind of slot. A slot is used again only for its own kind: a kernel may then write
    # over its operand, element by element.
    free: dict[tuple[int, bool], list[int]] = field(default_factory=dict)
    size_bytes: int = 0

    def take(self, element_bytes: int, scalar: bool, fresh: bool) -> int:
        """An offset; `fresh` where nothing may have been before, because later rows rely on it."""
        if not fresh and self.free.get((element_bytes, scalar)):
            return self.free[element_bytes, scalar].pop()
        offset = self.size_bytes
        size = element_bytes * self.rows * (1 if scalar else self.elements)
        self.size_bytes += -(-size // ALIGNMENT) * ALIGNMENT
        return offset

    def give_back(self, offset: int, element_bytes: int, scalar: bool) -> None:
        self.free.setdefault((element_bytes, scalar), []).append(offset)


def inner_stride(strides: tuple[int, ...], space: Shape, split: int) -> int | None:
    """The one stride of the axes behind the split; None where they need several."""
    axes = merged_axes(space[split:], (strides[split:],)) if space[split:] else [(1, (0,))]
    return axes[0][1][0] if len(axes) == 1 else None
