"""A tensor as the lowering rules see it: known now, or the result of something in the program."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.commitments import Array
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """Exactly one of `array` (known at compile time) and `index` (place in the builder) is set."""

    type: TensorType
    array: Array | None = None
    index: int | None = None

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return len(self.type.shape)
