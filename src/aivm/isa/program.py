"""A tensor program: typed inputs, committed constants, a straight line of instructions, outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aivm.isa.instructions import Instruction, TensorType

NUMERICS_VERSION = 1


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor fixed by the package: its type and its tensor root (`aivm.commitments`)."""

    type: TensorType
    root: bytes


@dataclass(frozen=True, slots=True)
class Program:
    """Inputs, constants and instructions are values in one numbering; outputs name some of them."""

    inputs: tuple[TensorType, ...]
    constants: tuple[Constant, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    numerics: int = NUMERICS_VERSION

    @property
    def first_constant(self) -> int:
        """Value id of constant 0."""
        return len(self.inputs)

    @property
    def first_instruction(self) -> int:
        """Value id of the result of instruction 0."""
        return len(self.inputs) + len(self.constants)

    @property
    def value_types(self) -> tuple[TensorType, ...]:
        """The type of every value, by value id."""
        return tuple(self._types())

    def _types(self) -> Iterator[TensorType]:
        yield from self.inputs
        for constant in self.constants:
            yield constant.type
        for instruction in self.instructions:
            yield instruction.type
