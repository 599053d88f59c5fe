"""Makes a failing program as small as it can be and still fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from aivm.commitments import Array
from aivm.isa.program import Program
from aivm.testing.numbering import renumbered
from aivm.testing.programs import RandomProgram

Finds = Callable[[RandomProgram], int | None]  # the position of an instruction that is wrong
Traces = Callable[[RandomProgram], Sequence[Array]]


def shrunk(case: RandomProgram, find: Finds, trace: Traces) -> RandomProgram:
    """A case that fails too, with one output and few instructions.

    What is found wrong becomes the output. Then instructions leave one by one, by becoming an input
    that holds their result (`trace` computes all of them), and with them whatever only they had
    needed. Stops when none can leave any more.
    """
    while True:
        smaller = next(_candidates(case, find, trace), None)
        if smaller is None:
            return case
        case = smaller


def _candidates(case: RandomProgram, find: Finds, trace: Traces) -> Iterator[RandomProgram]:
    """Smaller cases that fail."""
    wrong = find(case)
    if wrong is not None:
        output = case.program.first_instruction + wrong
        aimed = without_unused(replace(case, program=replace(case.program, outputs=(output,))))
        if aimed.program != case.program and find(aimed) is not None:
            yield aimed
    for each in _smaller(case, trace(case)):
        if find(each) is not None:
            yield each


def _smaller(case: RandomProgram, results: Sequence[Array]) -> Iterator[RandomProgram]:
    """The case with one instruction's result given; the latest first, they save most."""
    outputs = {value - case.program.first_instruction for value in case.program.outputs}
    for position in reversed(range(len(case.program.instructions))):
        if position not in outputs:
            yield without_unused(given(case, position, results[position]))


def given(case: RandomProgram, position: int, result: Array) -> RandomProgram:
    """The case with instruction `position` replaced by an input that holds its result."""
    program = case.program
    value = program.first_instruction + position
    place = len(program.inputs)

    def number(old: int) -> int:
        if old == value:
            return place
        if old < place or old > value:
            return old
        return old + 1

    kept = [i for n, i in enumerate(program.instructions) if n != position]
    changed = Program(
        (*program.inputs, program.instructions[position].type),
        program.constants,
        tuple(renumbered(instruction, number) for instruction in kept),
        tuple(number(output) for output in program.outputs),
    )
    return replace(case, program=changed, inputs=(*case.inputs, result))


def without_unused(case: RandomProgram) -> RandomProgram:
    """The case without values that no output depends on."""
    program = case.program
    wanted = set(program.outputs)
    for position in reversed(range(len(program.instructions))):
        if program.first_instruction + position in wanted:
            wanted.update(program.instructions[position].operands)
    order = sorted(wanted)
    number = {old: new for new, old in enumerate(order)}
    constants, instructions = program.first_constant, program.first_instruction
    inputs_kept = [n for n in order if n < constants]
    constants_kept = [n - constants for n in order if constants <= n < instructions]
    made = [program.instructions[n - instructions] for n in order if n >= instructions]
    smaller = Program(
        tuple(program.inputs[n] for n in inputs_kept),
        tuple(program.constants[n] for n in constants_kept),
        tuple(renumbered(instruction, number.__getitem__) for instruction in made),
        tuple(number[output] for output in program.outputs),
    )
    return replace(
        case,
        program=smaller,
        inputs=tuple(case.inputs[n] for n in inputs_kept),
        constants=tuple(case.constants[n] for n in constants_kept),
    )
