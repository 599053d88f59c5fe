"""Memory from shapes alone."""

from __future__ import annotations

from aivm.isa.instructions import Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.packages.resources import memory_bytes

TYPE = TensorType(DType.F32, (256,))  # 1024 bytes


def chain(length: int, outputs: tuple[int, ...]) -> Program:
    instructions = tuple(Map(Function.NEG, (i,), TYPE) for i in range(length))
    return Program((TYPE,), (), instructions, outputs)


def test_a_chain_needs_two_values_at_a_time() -> None:
    assert memory_bytes(chain(1, (1,))) == 2 * 1024
    assert memory_bytes(chain(10, (10,))) == 3 * 1024


def test_outputs_stay_alive() -> None:
    assert memory_bytes(chain(10, tuple(range(1, 11)))) == 11 * 1024


def test_a_value_nobody_reads_still_needs_its_place() -> None:
    unread = Map(Function.NEG, (0,), TYPE)
    assert memory_bytes(Program((TYPE,), (), (unread, unread), (2,))) == 2 * 1024


def test_no_instructions() -> None:
    assert memory_bytes(Program((TYPE,), (), (), (0,))) == 1024
