"""The catalogue has every opcode, function and dtype, and nothing in it is invalid."""

from __future__ import annotations

from aivm.isa import signatures
from aivm.isa.instructions import Map, Reduce, Scatter
from aivm.isa.opcodes import Function, Opcode, Reduction, Scattering
from aivm.isa.records import encode_instruction
from aivm.isa.validate import validate
from aivm.testing.catalogue import catalogue

RECORDS_OF_NO_INSTRUCTION = 4  # header, input, constant, output


def test_every_entry_is_a_valid_program() -> None:
    for entry in catalogue(1):
        validate(entry.program)


def test_every_opcode_function_and_dtype_is_there() -> None:
    entries = list(catalogue(1))
    opcodes = {encode_instruction(entry.instruction)[0] for entry in entries}
    assert opcodes == set(list(Opcode)[RECORDS_OF_NO_INSTRUCTION:])
    found = {
        (entry.instruction.function, entry.types[-1].dtype)
        for entry in entries
        if isinstance(entry.instruction, Map | Reduce | Scatter)
    }
    expected = {(each, dtype) for each in Function for dtype in signatures.FUNCTIONS[each].accepted}
    expected |= {
        (each, dtype) for each in Reduction for dtype in signatures.REDUCTIONS[each].accepted
    }
    expected |= {(each, dtype) for each in Scattering for dtype in signatures.SCATTERINGS[each]}
    assert found == expected
