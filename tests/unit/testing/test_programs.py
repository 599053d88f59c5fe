from __future__ import annotations

from typing import get_args

from aivm.isa import Function, Instruction, Map, Reduce, Reduction
from aivm.testing import random_program


def test_a_program_is_a_function_of_its_seed() -> None:
    one, two, other = random_program(7), random_program(7), random_program(8)
    assert one.program == two.program
    assert [array.tobytes() for array in one.inputs] == [array.tobytes() for array in two.inputs]
    assert one.program != other.program


def test_every_family_and_function_turns_up() -> None:
    programs = [random_program(seed).program for seed in range(400)]
    instructions = [each for program in programs for each in program.instructions]
    assert {type(each) for each in instructions} == set(get_args(Instruction))
    assert {each.function for each in instructions if isinstance(each, Map)} == set(Function)
    assert {each.function for each in instructions if isinstance(each, Reduce)} == set(Reduction)
    assert any(each.type.elements == 0 for each in instructions)
    assert any(each.type.shape == () for each in instructions)
