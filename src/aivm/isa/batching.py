"""One program for several requests at once, with the bits of each request on its own.

Every value that depends on an input gets a leading axis, one index a request; what depends on
constants only stays as it is. No output element's chain of operations changes, so slice b of every
result is, by definition, the result of request b alone: batching is free of semantics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aivm.errors import MalformedProgram
from aivm.isa.instructions import (
    MAX_OPERANDS,
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType

Shape = tuple[int, ...]


def batched(program: Program, count: int) -> Program | None:
    """The valid program for `count` requests: each input and output has a new leading axis.

    Inputs are the requests' inputs stacked along it; constants are the same. An index outside its
    axis in any request is a fault of the whole run. None where the result would break a limit of
    `validate` (rank 8, 2^40 elements ...).
    """
    if count < 1:
        raise ValueError(f"a batch has 1 or more requests, not {count}")
    builder = _Builder(program, count)
    for instruction in program.instructions:
        builder.add(instruction)
    outputs = tuple(builder.stacked(value) for value in program.outputs)
    result = replace(
        program,
        inputs=tuple(builder.lifted(type_) for type_ in program.inputs),
        instructions=tuple(builder.instructions),
        outputs=outputs,
    )
    try:
        validate(result)
    except MalformedProgram:
        return None
    return result


class _Builder:
    """The new program's instructions. `values` maps the old value ids to the new ones."""

    def __init__(self, program: Program, count: int) -> None:
        self.count = count
        self.old_types = program.value_types
        self.instructions: list[Instruction] = []
        self.types = [self.lifted(type_) for type_ in program.inputs]
        self.types += [constant.type for constant in program.constants]
        self.first_instruction = len(self.types)
        self.values = list(range(self.first_instruction))
        self.vary = [True] * len(program.inputs) + [False] * len(program.constants)
        self.made: dict[Instruction, int] = {}  # reshapes and repeats that others can use again

    def lifted(self, type_: TensorType) -> TensorType:
        return TensorType(type_.dtype, (self.count, *type_.shape))

    def emit(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        self.types.append(instruction.type)
        return len(self.types) - 1

    def add(self, instruction: Instruction) -> None:
        """Translates the next instruction of the old program."""
        vary = any(self.vary[operand] for operand in instruction.operands)
        if vary:
            value = self.translated(instruction)
        else:
            operands: Any = tuple(self.values[operand] for operand in instruction.operands)
            value = self.emit(replace(instruction, operands=operands))
        self.values.append(value)
        self.vary.append(vary)

    def translated(self, instruction: Instruction) -> int:
        match instruction:
            case Map() | MatMul():
                return self.broadcast(instruction)
            case Reduce() | Rank():
                return self.more_rows(instruction)
            case Concat():
                return self.concat(instruction)
            case Move():
                return self.move(instruction)
            case Gather():
                return self.gather(instruction)
            case Scatter():
                return self.scatter(instruction)
            case Random():
                return self.random(instruction)
            case Cast():
                operands = (self.values[instruction.operands[0]],)
                return self.emit(Cast(operands, self.lifted(instruction.type)))
            case Iota() | Fill():
                raise AssertionError("what has no operands does not vary")

    # --- operands ---------------------------------------------------------------------------------

    def reshaped(self, value: int, shape: Shape) -> int:
        """The same elements under another shape."""
        if self.types[value].shape == shape:
            return value
        type_ = TensorType(self.types[value].dtype, shape)
        axes, rank = tuple(range(len(shape))), len(shape)
        return self.shared(Move((value,), type_, shape, axes, (1,) * rank, (0,) * rank))

    def stacked(self, old: int) -> int:
        """The old value with the leading axis, repeated along it where it does not vary."""
        value = self.values[old]
        if self.vary[old]:
            return value
        source = self.types[value].shape
        axes = (-1, *range(len(source)))
        steps = (0, *(1 for _ in source))
        type_ = self.lifted(self.types[value])
        return self.shared(Move((value,), type_, source, axes, steps, (0,) * len(source)))

    def shared(self, move: Move) -> int:
        if move not in self.made:
            self.made[move] = self.emit(move)
        return self.made[move]

    # --- families ---------------------------------------------------------------------------------

    def broadcast(self, instruction: Map | MatMul) -> int:
        """Operands of lower rank get axes of size 1 behind the leading one."""
        rank = len(instruction.type.shape)
        operands: list[int] = []
        for old in instruction.operands:
            value, shape = self.values[old], self.old_types[old].shape
            if self.vary[old]:
                ones = (1,) * (rank - len(shape))
                value = self.reshaped(value, (self.count, *ones, *shape))
            operands.append(value)
        given: Any = tuple(operands)
        return self.emit(replace(instruction, operands=given, type=self.lifted(instruction.type)))

    def more_rows(self, instruction: Reduce | Rank) -> int:
        outer = self.count * instruction.outer
        operands = (self.values[instruction.operands[0]],)
        type_ = self.lifted(instruction.type)
        return self.emit(replace(instruction, operands=operands, type=type_, outer=outer))

    def concat(self, instruction: Concat) -> int:
        operands = tuple(self.stacked(operand) for operand in instruction.operands)
        outer, type_ = self.count * instruction.outer, self.lifted(instruction.type)
        return self.emit(replace(instruction, operands=operands, type=type_, outer=outer))

    def move(self, instruction: Move) -> int:
        """The walk of each request stays on its own index of the leading axis."""
        axes = tuple(axis if axis < 0 else axis + 1 for axis in instruction.axes)
        moved = Move(
            (self.values[instruction.operands[0]],),
            self.lifted(instruction.type),
            (self.count, *instruction.source),
            (0, *axes),
            (1, *instruction.steps),
            (0, *instruction.origins),
            instruction.fill,
        )
        return self.emit(moved)

    def gather(self, instruction: Gather) -> int:
        data, index = instruction.operands
        type_ = self.lifted(instruction.type)
        outer, size, inner = instruction.outer, instruction.size, instruction.inner
        if not self.vary[index]:
            operands = (self.values[data], self.values[index])
            return self.emit(Gather(operands, type_, self.count * outer, size, inner))
        if self.vary[data]:
            lines = self.count * outer
            operands = (self.values[data], self.index_in_all(index, lines, outer, size))
            return self.emit(Gather(operands, type_, 1, lines * size, inner))
        # One table for all: the requests' indices are one long index.
        operands = (self.values[data], self.values[index])
        indices = self.old_types[index].elements
        long = TensorType(type_.dtype, (outer, self.count, indices, inner))
        found = self.emit(Gather(operands, long, outer, size, inner))
        if outer != 1:
            turned = TensorType(type_.dtype, (self.count, outer, indices, inner))
            walk = (1, 0, 2, 3), (1, 1, 1, 1), (0, 0, 0, 0)
            found = self.emit(Move((found,), turned, long.shape, *walk))
        return self.reshaped(found, type_.shape)

    def scatter(self, instruction: Scatter) -> int:
        data, index, updates = instruction.operands
        values = (self.stacked(data), self.stacked(updates))
        outer, size = self.count * instruction.outer, instruction.size
        place = self.values[index]
        if self.vary[index]:  # all lines are one, and updates keep their order within each
            place = self.index_in_all(index, outer, instruction.outer, size)
            outer, size = 1, outer * size
        operands = (values[0], place, values[1])
        type_ = self.lifted(instruction.type)
        return self.emit(
            replace(instruction, operands=operands, type=type_, outer=outer, size=size)
        )

    def index_in_all(self, old: int, lines: int, outer: int, size: int) -> int:
        """A varying index into (outer, size) as one into all lines, of shape (lines, elements).

        An index outside its own axis points outside the whole, so that it remains a fault.
        """
        elements = self.old_types[old].elements
        index = self.values[old]
        if self.types[index].dtype is not DType.I64:
            type_ = TensorType(DType.I64, self.types[index].shape)
            index = self.emit(Cast((index,), type_))
        index = self.reshaped(index, (self.count, 1, elements))
        own = self.types[index]
        number = self.number
        truth = TensorType(DType.BOOL, own.shape)
        negative = self.emit(Map(Function.LESS, (index, number(0)), truth))
        from_end = self.emit(Map(Function.ADD, (index, number(size)), own))
        index = self.emit(Map(Function.SELECT, (negative, from_end, index), own))
        reached = self.emit(Map(Function.LESS_EQUAL, (number(0), index), truth))
        before_end = self.emit(Map(Function.LESS, (index, number(size)), truth))
        inside = self.emit(Map(Function.AND, (reached, before_end), truth))
        line = TensorType(DType.I64, (self.count, outer, 1))
        start = self.emit(Iota(line, lines, 1, 0, size))
        whole = TensorType(DType.I64, (self.count, outer, elements))
        place = self.emit(Map(Function.ADD, (start, index), whole))
        return self.emit(Map(Function.SELECT, (inside, place, number(lines * size)), whole))

    def number(self, value: int) -> int:
        return self.emit(Fill(TensorType(DType.I64, ()), value))

    def random(self, instruction: Random) -> int:
        """Each request has a key of its own, and so a stream of its own."""
        seeds = self.values[instruction.operands[0]]
        one, seed = TensorType(DType.U32, (1, *instruction.type.shape)), TensorType(DType.U64, (2,))
        parts: list[int] = []
        for request in range(self.count):
            own = Move((seeds,), seed, (self.count, 2), (1,), (1,), (request, 0))
            parts.append(self.emit(Random((self.emit(own),), one)))
        return self.joined(parts, instruction.type)

    def joined(self, parts: Sequence[int], type_: TensorType) -> int:
        """The parts, (requests, *shape) each, along their leading axis."""
        while len(parts) > 1:
            groups = [parts[at : at + MAX_OPERANDS] for at in range(0, len(parts), MAX_OPERANDS)]
            parts = [self.joined_few(group, type_) for group in groups]
        return parts[0]

    def joined_few(self, parts: Sequence[int], type_: TensorType) -> int:
        if len(parts) == 1:
            return parts[0]
        lengths = tuple(self.types[part].shape[0] for part in parts)
        whole = TensorType(type_.dtype, (sum(lengths), *type_.shape))
        return self.emit(Concat(tuple(parts), whole, 1, lengths, type_.elements))
