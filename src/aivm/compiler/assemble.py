"""The last step: drops what no output needs, and gives the rest the numbering of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivm.commitments import Array, tensor_root
from aivm.compiler.builder import Builder, ConstantEntry, InputEntry
from aivm.compiler.values import Value
from aivm.errors import InternalError, MalformedProgram
from aivm.isa.instructions import Instruction
from aivm.isa.program import Constant, Program
from aivm.isa.validate import validate


def assemble(build: Builder, outputs: Sequence[Value]) -> tuple[Program, tuple[Array, ...]]:
    """The program that computes `outputs`, and its constants in their order.

    Inputs are kept even if unused (they are the interface); constants stand in the order in which
    the rules first needed them, and instructions in the order in which they were made.
    """
    results = [build.index_of(build.result(value)) for value in outputs]
    live = _live(build, results)
    places: dict[int, int] = {}
    inputs = [entry for entry in build.entries if isinstance(entry, InputEntry)]
    constants: list[ConstantEntry] = []
    instructions: list[Instruction] = []
    for kind in (InputEntry, ConstantEntry, Instruction):
        for index, entry in enumerate(build.entries):
            if isinstance(entry, kind) and (index in live or kind is InputEntry):
                places[index] = len(places)
                if isinstance(entry, ConstantEntry):
                    constants.append(entry)
                elif not isinstance(entry, InputEntry):
                    instructions.append(entry)
    program = Program(
        inputs=tuple(entry.type for entry in inputs),
        constants=tuple(
            Constant(entry.type, tensor_root(entry.array, entry.type.dtype)) for entry in constants
        ),
        instructions=tuple(_renumbered(instruction, places) for instruction in instructions),
        outputs=tuple(places[index] for index in results),
    )
    try:
        validate(program)
    except MalformedProgram as error:
        raise InternalError(f"the compiler made a malformed program: {error}") from error
    return program, tuple(entry.array for entry in constants)


def _live(build: Builder, results: Sequence[int]) -> set[int]:
    """The entries that some output depends on. Operands always precede their instruction."""
    live = set(results)
    for index in range(len(build.entries) - 1, -1, -1):
        entry = build.entries[index]
        if index in live and not isinstance(entry, InputEntry | ConstantEntry):
            live.update(entry.operands)
    return live


def _renumbered(instruction: Instruction, places: dict[int, int]) -> Instruction:
    operands = tuple(places[operand] for operand in instruction.operands)
    # The families fix the length of their operand tuples, which renumbering keeps.
    return replace(instruction, operands=operands)  # type: ignore[arg-type]
