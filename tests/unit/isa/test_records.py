from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from aivm.errors import MalformedProgram
from aivm.isa import (
    RECORD_BYTES,
    Cast,
    Concat,
    Constant,
    Fill,
    Function,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Opcode,
    Program,
    Reduce,
    Reduction,
    TensorType,
    decode,
    encode,
)
from aivm.isa.records import decode_instruction, encode_instruction
from aivm.numerics.dtypes import DType


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def i64(*shape: int) -> TensorType:
    return TensorType(DType.I64, shape)


ROOT = bytes(range(32))
INSTRUCTIONS: tuple[Instruction, ...] = (
    Map(Function.ADD, (0, 1), f32(2, 3)),
    MatMul((2, 0), f32(3, 3), transpose_a=True),
    Reduce(Reduction.MAX, (2,), f32(2), outer=2, length=3, inner=1),
    Move((0,), f32(4, 2), source=(2, 3), axes=(1, -1), steps=(-1, 0), origins=(0, 2), fill=7),
    Gather((0, 9), f32(2, 3), outer=1, size=2, inner=3),
    Concat((0, 2), f32(2, 6), outer=2, lengths=(3, 3), inner=1),
    Cast((0,), i64(2, 3)),
    Iota(i64(2), length=2, inner=1, start=-1, step=-2),
    Fill(f32(), bits=0x3F800000),
)
# Iota comes first, because the gather reads it.
ORDER = (0, 1, 2, 3, 7, 8, 4, 5, 6)


def program() -> Program:
    """One of every instruction family; value 0 an input, 1 a constant, 2 to 10 results."""
    instructions = list(INSTRUCTIONS)
    gather = Gather((0, 6), f32(2, 3), outer=1, size=2, inner=3)
    instructions[4] = gather
    return Program(
        inputs=(f32(2, 3),),
        constants=(Constant(f32(1, 3), ROOT),),
        instructions=tuple(instructions[index] for index in ORDER),
        outputs=(10, 3),
    )


HEADER, INPUT, CONSTANT, MAP, MATMUL, REDUCE, MOVE, IOTA, FILL, GATHER, CONCAT, CAST = range(12)
OUTPUT = 12


def numbers(record: int, offset: int, format_: str) -> tuple[int, ...]:
    return struct.unpack_from(f">{format_}", encode(program()), record * RECORD_BYTES + offset)


@pytest.mark.parametrize(
    ("record", "offset", "format_", "expected"),
    [
        (HEADER, 0, "B7x", (0,)),
        (HEADER, 8, "8s", (b"AIVMPROG",)),
        (HEADER, 16, "II", (1, 1)),
        (HEADER, 32, "4I", (1, 1, 9, 2)),
        (INPUT, 0, "6B", (Opcode.INPUT, 0, DType.F32, 2, 0, 0)),
        (INPUT, 32, "3I", (2, 3, 0)),
        (CONSTANT, 0, "6B", (Opcode.CONSTANT, 0, DType.F32, 2, 0, 0)),
        (CONSTANT, 64, "32s", (ROOT,)),
        (MAP, 0, "6B2x4I", (0x10, Function.ADD, DType.F32, 2, 2, 0, 0, 1, 0, 0)),
        (MATMUL, 0, "6B2x4I", (0x11, 0, DType.F32, 2, 2, 1, 2, 0, 0, 0)),
        (REDUCE, 0, "6B2x4I", (0x12, Reduction.MAX, DType.F32, 1, 1, 0, 2, 0, 0, 0)),
        (REDUCE, 64, "3Q", (2, 3, 1)),
        (MOVE, 24, "Q8I", (7, 4, 2, 0, 0, 0, 0, 0, 0)),
        (MOVE, 64, "8I", (2, 3, 0, 0, 0, 0, 0, 0)),
        (MOVE, 96, "B8b", (2, 1, -1, 0, 0, 0, 0, 0, 0)),
        (MOVE, 128, "8q", (-1, 0, 0, 0, 0, 0, 0, 0)),
        (MOVE, 192, "8q", (0, 2, 0, 0, 0, 0, 0, 0)),
        (GATHER, 64, "3Q", (1, 2, 3)),
        (CONCAT, 64, "3Q", (2, 0, 1)),
        (CONCAT, 96, "4Q", (3, 3, 0, 0)),
        (CAST, 0, "6B", (0x16, 0, DType.I64, 2, 1, 0)),
        (IOTA, 72, "2Q", (2, 1)),
        (IOTA, 96, "2q", (-1, -2)),
        (FILL, 24, "Q", (0x3F800000,)),
        (OUTPUT, 0, "6B2xI", (Opcode.OUTPUT, 0, 0, 0, 1, 0, 10)),
    ],
)
def test_layout(record: int, offset: int, format_: str, expected: tuple[object, ...]) -> None:
    assert numbers(record, offset, format_) == expected


def test_every_family_survives() -> None:
    assert decode(encode(program())) == program()
    for instruction in INSTRUCTIONS:
        assert decode_instruction(encode_instruction(instruction)) == instruction


def test_encode_refuses_a_malformed_program() -> None:
    with pytest.raises(MalformedProgram, match="no outputs"):
        encode(Program((f32(),), (), (), ()))


def put(record: int, offset: int, *values: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        at = record * RECORD_BYTES + offset
        data[at : at + len(values)] = bytes(values)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(HEADER, 0, 1), "record 0 is no header"),
        (put(HEADER, 8, 0), "record 0 is no header"),
        (put(HEADER, 19, 2), "record 0 is no header of program format 1"),
        (put(HEADER, 23, 2), "numerics 2 is not known"),
        (put(HEADER, 35, 2), "the header announces 14 records, 13 follow it"),
        (put(HEADER, 255, 1), "record 0 has a byte set"),
        (put(INPUT, 0, 2), "record 1: opcode 0x02 stands where INPUT"),
        (put(INPUT, 2, 0), "record 1: dtype 0x00 does not exist"),
        (put(INPUT, 3, 9), "record 1: rank 9 is over 8"),
        (put(INPUT, 43, 1), "record 1 has a byte set"),
        (put(CONSTANT, 96, 1), "record 2 has a byte set"),
        (put(MAP, 0, 0x20), "record 3: opcode 0x20 does not exist"),
        (put(MAP, 0, 0x01), "record 3: INPUT stands where an instruction"),
        (put(MAP, 1, 0), "record 3: function 0x00 does not exist"),
        (put(MAP, 4, 5), "record 3: number of operands 5 is over 4"),
        (put(MAP, 5, 1), "record 3 has a byte set"),
        (put(MAP, 6, 1), "record 3 has a byte set"),
        (put(MATMUL, 1, 1), "record 4 has a byte set"),
        (put(MATMUL, 5, 5), "record 4 has a byte set"),
        (put(REDUCE, 88, 1), "record 5 has a byte set"),
        (put(MOVE, 96, 9), "record 6: source rank 9 is over 8"),
        (put(MOVE, 99, 1), "record 6 has a byte set"),
        (put(MOVE, 24, 1), "is no canonical F32"),
        (put(CONCAT, 79, 1), "record 10 has a byte set"),
        (put(CONCAT, 96, 255), "has a dimension outside"),
        (put(OUTPUT, 4, 2), "record 12: an output names one value, not 2"),
        (put(OUTPUT, 2, 1), "record 12 has a byte set"),
    ],
)
def test_decode_names_what_is_wrong(change: Callable[[bytearray], None], message: str) -> None:
    data = bytearray(encode(program()))
    change(data)
    with pytest.raises(MalformedProgram, match=message):
        decode(bytes(data))


@pytest.mark.parametrize("size", [0, 1, 255, 257, RECORD_BYTES * 13 - 1])
def test_decode_refuses_a_broken_record(size: int) -> None:
    with pytest.raises(MalformedProgram, match=f"{size} bytes are no whole number"):
        decode(encode(program())[:size])


def test_decode_refuses_a_lost_record() -> None:
    with pytest.raises(MalformedProgram, match="announces 13 records, 12 follow"):
        decode(encode(program())[:-RECORD_BYTES])


def test_every_byte_counts() -> None:
    """No byte of a program can change without another program or a refusal coming of it."""
    data = encode(program())
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x81
        try:
            other = decode(bytes(changed))
        except MalformedProgram:
            continue
        assert other != program()
        assert encode(other) == changed
