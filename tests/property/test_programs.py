"""Random programs: their bytes, their mutants, the reference engine against the specification."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.engines import open_engine
from aivm.errors import MalformedProgram
from aivm.isa import RECORD_BYTES, decode, encode, gas_units
from aivm.isa.operands import ScalarOperands
from aivm.isa.recipes import element
from aivm.testing import RandomProgram, random_program

seeds = st.integers(0, 2**32 - 1)


def interpret(case: RandomProgram) -> list[bytes]:
    """Every instruction's result by the specification: one element at a time, in Python."""
    types = case.program.value_types
    values = [array.tobytes() for array in (*case.inputs, *case.constants)]
    for instruction in case.program.instructions:
        operands = ScalarOperands(
            [types[operand] for operand in instruction.operands],
            [values[operand] for operand in instruction.operands],
        )
        dtype = instruction.type.dtype
        words = (element(operands, instruction, j) for j in range(instruction.type.elements))
        stored = (
            word.to_bytes(dtype.size_bytes, "little", signed=dtype.is_signed) for word in words
        )
        values.append(b"".join(stored))
    return values[case.program.first_instruction :]


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_the_reference_engine_is_the_specification_on_arrays(seed: int) -> None:
    case = random_program(seed)
    executable = open_engine("reference").load(case.program, case.constants)
    expected = interpret(case)
    for position, (array, data) in enumerate(
        zip(executable.trace(case.inputs), expected, strict=True)
    ):
        instruction = case.program.instructions[position]
        assert array.tobytes() == data, f"instruction {position}: {instruction}"
    first = case.program.first_instruction
    outputs = [array.tobytes() for array in executable.run(case.inputs)]
    assert outputs == [expected[value - first] for value in case.program.outputs]


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_a_program_has_one_encoding(seed: int) -> None:
    program = random_program(seed).program
    data = encode(program)
    sections = (program.inputs, program.constants, program.instructions, program.outputs)
    assert len(data) == RECORD_BYTES * (1 + sum(len(section) for section in sections))
    assert decode(data) == program
    assert gas_units(decode(data)) == gas_units(program) > 0


@settings(max_examples=200, deadline=None)
@given(seeds, seeds)
def test_a_changed_encoding_is_refused_or_is_another_program(seed: int, mutation: int) -> None:
    program = random_program(seed).program
    data = bytearray(encode(program))
    dice = random.Random(mutation)
    for _ in range(40):
        mutant = bytearray(data)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            # Half of the hits go where most fields are.
            offset = dice.randrange(RECORD_BYTES if dice.random() < 0.5 else 64)
            at = dice.randrange(len(data) // RECORD_BYTES) * RECORD_BYTES + offset
            mutant[at] = dice.choice((mutant[at] ^ 1 << dice.randrange(8), 0, 1, 255))
        try:
            decoded = decode(bytes(mutant))
        except MalformedProgram as error:
            assert error.message
        else:
            assert encode(decoded) == mutant
            assert (decoded == program) == (mutant == data)
            assert gas_units(decoded) > 0


@settings(max_examples=100, deadline=None)
@given(seeds, seeds)
def test_records_lost_doubled_or_swapped_never_crash(seed: int, mutation: int) -> None:
    data = encode(random_program(seed).program)
    records = [data[at : at + RECORD_BYTES] for at in range(0, len(data), RECORD_BYTES)]
    dice = random.Random(mutation)
    first, second = dice.randrange(len(records)), dice.randrange(len(records))
    swapped = list(records)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    shuffled = (records[:first] + records[first + 1 :], [*records, records[first]], swapped)
    for mutant in map(b"".join, shuffled):
        try:
            assert encode(decode(mutant)) == mutant
        except MalformedProgram as error:
            assert error.message
