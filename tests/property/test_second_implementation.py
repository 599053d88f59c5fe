"""The second implementation, made of the standard's text alone, agrees on programs at random.

On what is valid, on every output, and on gas: so the text is complete, not only the vectors.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.engines import open_engine
from aivm.errors import MalformedProgram
from aivm.isa.gas import gas_units
from aivm.isa.records import RECORD_BYTES, decode, encode
from aivm.testing import random_program

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

import second_implementation as second
import second_validity as validity

# Where a record's fields have the byte that tells most.
TELLING = (0, 1, 2, 3, 4, 5, 11, 15, 19, 23, 31, 35, 39, 43, 71, 79, 87, 96, 97, 98, 103, 135, 199)
CHANGES = st.tuples(
    st.integers(0, 2**16),
    st.one_of(st.sampled_from(TELLING), st.integers(0, RECORD_BYTES - 1)),
    st.one_of(st.sampled_from((0, 1, 2, 3, 255)), st.integers(0, 255)),
)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_random_programs(seed: int) -> None:
    made = random_program(seed, max_instructions=12)
    program = validity.read(encode(made.program))
    arrays = zip(program.types, (*made.inputs, *made.constants), strict=False)
    values = [second.tensor_of(*type_, array.tobytes()) for type_, array in arrays]
    price = 0
    for record in program.instructions:
        operands = [values[value] for value in record.operands]
        values.append(second.run(record, operands))
        price += second.gas(record, operands)
    assert price == gas_units(made.program)
    outputs = open_engine("reference").load(made.program, made.constants).run(made.inputs)
    expected = [output.tobytes() for output in outputs]
    assert [second.bytes_of(values[value]) for value in program.outputs] == expected


@cache
def some_program(seed: int) -> bytes:
    return encode(random_program(seed, max_instructions=5).program)


@given(seed=st.integers(0, 50), changes=st.lists(CHANGES, min_size=1, max_size=2))
@settings(max_examples=400, deadline=None)
def test_changed_records(seed: int, changes: list[tuple[int, int, int]]) -> None:
    data = bytearray(some_program(seed))
    for record, offset, byte in changes:
        data[record % (len(data) // RECORD_BYTES) * RECORD_BYTES + offset] = byte
    assert accepts(decode, MalformedProgram, data) == accepts(validity.read, second.Refused, data)


def accepts(read, refusal: type[Exception], data: bytearray) -> bool:
    try:
        read(bytes(data))
    except refusal:
        return False
    return True
