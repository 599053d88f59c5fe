"""The program root is the tree over the records."""

from __future__ import annotations

from dataclasses import replace

from aivm.commitments import merkle, program_root
from aivm.isa.instructions import Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.isa.records import RECORD_BYTES, encode
from aivm.numerics.dtypes import DType

TYPE = TensorType(DType.F32, (4,))
PROGRAM = Program((TYPE,), (), (Map(Function.NEG, (0,), TYPE),), (1,))


def test_each_record_is_one_leaf() -> None:
    records = encode(PROGRAM)
    leaves = [records[at : at + RECORD_BYTES] for at in range(0, len(records), RECORD_BYTES)]
    assert program_root(PROGRAM) == merkle.root_of_leaves(leaves)
    path = merkle.prove(leaves, 2)
    assert merkle.verify(program_root(PROGRAM), leaves[2], 2, len(leaves), path)


def test_another_instruction_gives_another_root() -> None:
    other = replace(PROGRAM, instructions=(Map(Function.ABS, (0,), TYPE),))
    assert program_root(other) != program_root(PROGRAM)
