"""A failing program ends as the instruction that fails, with what it read as inputs."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.commitments import Array
from aivm.engines import open_engine
from aivm.isa import Map
from aivm.isa.opcodes import Function
from aivm.isa.validate import validate
from aivm.testing import RandomProgram, random_program
from aivm.testing.shrinking import given, shrunk, without_unused


def trace(case: RandomProgram) -> Sequence[Array]:
    validate(case.program)
    return list(open_engine("reference").load(case.program, case.constants).trace(case.inputs))


def tanh(case: RandomProgram) -> int | None:
    """Where the last TANH is."""
    found = [
        position
        for position, each in enumerate(case.program.instructions)
        if isinstance(each, Map) and each.function is Function.TANH
    ]
    return found[-1] if found else None


def test_only_the_culprit_remains() -> None:
    cases = (random_program(seed, max_instructions=40) for seed in range(200))
    guilty = [case for case in cases if tanh(case) is not None][:5]
    assert guilty
    for case in guilty:
        small = shrunk(case, tanh, trace)
        (culprit,) = small.program.instructions
        assert isinstance(culprit, Map) and culprit.function is Function.TANH
        assert small.program.outputs == (small.program.first_instruction,)


def test_a_result_that_is_given_changes_no_other() -> None:
    for seed in range(30):
        case = random_program(seed)
        results = trace(case)
        position = len(results) // 2
        if case.program.first_instruction + position in case.program.outputs:
            continue
        rest = trace(given(case, position, results[position]))
        kept = [array for n, array in enumerate(results) if n != position]
        assert [a.tobytes() for a in rest] == [a.tobytes() for a in kept]


def test_what_no_output_needs_goes() -> None:
    for seed in range(30):
        case = random_program(seed)
        small = without_unused(case)
        whole, part = (
            open_engine("reference").load(each.program, each.constants).run(each.inputs)
            for each in (case, small)
        )
        assert [a.tobytes() for a in whole] == [a.tobytes() for a in part]
        used = {operand for each in small.program.instructions for operand in each.operands}
        used.update(small.program.outputs)
        assert used == set(range(len(small.program.value_types)))
