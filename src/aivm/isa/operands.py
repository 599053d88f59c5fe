"""What a recipe is given: a machine, the operands' elements, and words made of numbers.

Recipes compute *where* to read with plain integer arithmetic (`+ - * // %` and comparisons), so
that an index may be one Python int or an int64 array of many. Words, whatever a machine holds them
as, never mix with indices except through the two conversions here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap
from aivm.numerics.machine import Machine, ScalarMachine, W

# A Python int, or an int64 array; of a comparison, a bool or an array of bools.
Index = Any


class Operands(Protocol[W]):
    """The operands of one instruction, before a machine whose words are of type W."""

    @property
    def machine(self) -> Machine[W]: ...

    @property
    def types(self) -> Sequence[TensorType]: ...

    def read(self, slot: int, element: Index) -> W:
        """Word of an element of operand `slot`, counted in row-major order."""
        ...

    def index(self, word: W) -> Index:
        """The number that an I32 or I64 word stands for."""
        ...

    def word(self, dtype: DType, number: Index) -> W:
        """The word of a number, wrapped to the dtype (a float dtype: of a bit pattern)."""
        ...


class ScalarOperands:
    """Operands held as their bytes and read one element at a time: `Operands[int]`."""

    machine = ScalarMachine()

    def __init__(self, types: Sequence[TensorType], data: Sequence[bytes]) -> None:
        self.types = types
        self._data = data

    def read(self, slot: int, element: int) -> int:
        dtype = self.types[slot].dtype
        first, end = element * dtype.size_bytes, (element + 1) * dtype.size_bytes
        assert 0 <= first < end <= len(self._data[slot]), f"element {element} of operand {slot}"
        return int.from_bytes(self._data[slot][first:end], "little", signed=dtype.is_signed)

    def index(self, word: int) -> int:
        return word

    def word(self, dtype: DType, number: int) -> int:
        return wrap(dtype, number)
