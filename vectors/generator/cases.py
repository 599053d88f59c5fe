"""One instruction and its operands, computed by the specification and written down as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aivm.isa import signatures
from aivm.isa.chains import wrapped_position
from aivm.isa.gas import gas_units
from aivm.isa.instructions import Gather, Instruction, Scatter, TensorType
from aivm.isa.operands import ScalarOperands
from aivm.isa.program import Program
from aivm.isa.recipes import canonical, element
from aivm.isa.records import encode_instruction
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType
from generator.words import packed, random_number, words_of


@dataclass(frozen=True, slots=True)
class Tensor:
    """A type and the little-endian bytes of its elements."""

    type: TensorType
    data: bytes

    def to_json(self) -> list[Any]:
        return [self.type.dtype.name, list(self.type.shape), base64.b64encode(self.data).decode()]


def tensor(dtype: DType, shape: Sequence[int], data: bytes) -> Tensor:
    type_ = TensorType(dtype, tuple(shape))
    if len(data) != type_.size_bytes:
        raise ValueError(f"{len(data)} bytes for {type_}")
    return Tensor(type_, data)


def filled(dtype: DType, shape: Sequence[int], name: str) -> Tensor:
    """A tensor of specials, ordinary numbers and any bits, in an order that belongs to the name."""
    type_ = TensorType(dtype, tuple(shape))
    words = words_of(dtype, name, max(type_.elements, 40))
    order = sorted(range(len(words)), key=lambda at: random_number(f"{name} {at}"))
    return Tensor(type_, packed(dtype, [words[at] for at in order[: type_.elements]]))


def plain(dtype: DType, shape: Sequence[int], name: str) -> Tensor:
    """A tensor of ordinary numbers: no NaN, nothing that overflows."""
    type_ = TensorType(dtype, tuple(shape))
    numbers = [random_number(f"{name} {at}") for at in range(type_.elements)]
    if dtype is DType.F32:
        words = [n & 0x807F_FFFF | (124 + (n >> 23) % 4) << 23 for n in numbers]
    elif dtype is DType.BOOL:
        words = [n & 1 for n in numbers]
    else:
        words = [n % 19 - (9 if dtype.is_signed else 0) for n in numbers]
    return Tensor(type_, packed(dtype, words))


def run(instruction: Instruction, operands: Sequence[Tensor]) -> Tensor | None:
    """The result of a valid instruction, or None where it is a fault."""
    chosen = [operands[value] for value in instruction.operands]
    given = ScalarOperands([each.type for each in chosen], [_read(each) for each in chosen])
    if isinstance(instruction, Gather | Scatter) and _is_fault(instruction, given):
        return None
    type_ = instruction.type
    words = [element(given, instruction, index) for index in range(type_.elements)]
    return Tensor(type_, packed(type_.dtype, words))


def _read(each: Tensor) -> bytes:
    """What a program reads: every NaN is the canonical one."""
    if not each.type.dtype.is_float:
        return each.data
    operands = ScalarOperands([each.type], [each.data])
    words = (operands.read(0, index) for index in range(each.type.elements))
    return packed(each.type.dtype, [canonical(operands, each.type.dtype, word) for word in words])


def _is_fault(instruction: Gather | Scatter, operands: ScalarOperands) -> bool:
    touched = instruction.type if isinstance(instruction, Gather) else operands.types[2]
    if touched.elements == 0:
        return False
    numbers = (operands.read(1, j) for j in range(operands.types[1].elements))
    return not all(wrapped_position(instruction.size, number)[1] for number in numbers)


def program_of(instruction: Instruction, operands: Sequence[Tensor]) -> Program:
    """The program whose inputs are the operands and whose one instruction is its output."""
    return Program(tuple(each.type for each in operands), (), (instruction,), (len(operands),))


def case(name: str, instruction: Instruction, operands: Sequence[Tensor]) -> str:
    """The line of one case; its operands are values 0, 1, ... of the record."""
    program = program_of(instruction, operands)
    validate(program)
    result = run(instruction, operands)
    return json.dumps(
        {
            "case": name,
            "record": encode_instruction(instruction).rstrip(b"\0").hex(),
            "operands": [each.to_json() for each in operands],
            "result": None if result is None else result.to_json(),
            "gas": gas_units(program),
        },
        separators=(",", ":"),
    )


def dtypes(accepted: frozenset[DType]) -> list[DType]:
    """In the order of their codes."""
    return sorted(accepted)


def casts() -> list[tuple[DType, DType]]:
    """Every pair of dtypes that a CAST takes."""
    return [(a, b) for a in DType for b in DType if signatures.can_cast(a, b)]
