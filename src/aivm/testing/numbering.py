"""Instructions under other value ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aivm.isa.instructions import Instruction


def renumbered(instruction: Instruction, number: Callable[[int], int]) -> Instruction:
    """The instruction with every operand replaced by its new number."""
    operands: Any = tuple(number(operand) for operand in instruction.operands)
    return replace(instruction, operands=operands)
