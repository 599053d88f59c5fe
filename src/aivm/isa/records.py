"""A program as bytes: 256-byte records, so that a contract decodes any of them in constant gas.

A program is one HEADER, then its INPUT, CONSTANT, instruction and OUTPUT records, in that order.
Numbers are big-endian; u and i stand for unsigned and two's complement, with their width in bits.
Every byte that is not named here is zero, and `decode` refuses anything else: one encoding each.

    offset  field
         0  opcode u8        isa.opcodes.Opcode
         1  function u8      Function of a MAP, Reduction of a REDUCE, Scattering of a SCATTER
         2  dtype u8         of the result (INPUT, CONSTANT: of the tensor)
         3  rank u8          of the result; how many entries of `shape`, `axes` and `steps` count
         4  operands u8      how many entries of `operand` count
         5  flags u8         MATMUL: bit 0 transpose_a, bit 1 transpose_b; RANK: bit 0 descending
         8  operand 4 x u32  value ids (OUTPUT: the one value that is an output)
        24  pattern u64      MOVE: fill; FILL: bits
        32  shape 8 x u32    of the result (INPUT, CONSTANT: of the tensor)

    64..255 by family
      HEADER     8 magic "AIVMPROG", 16 format u32, 20 numerics u32, 32 number of inputs u32,
                 36 constants u32, 40 instructions u32, 44 outputs u32
      CONSTANT  64 tensor root, 32 bytes
      REDUCE, RANK       64 outer u64, 72 length u64, 80 inner u64
      GATHER, SCATTER    64 outer u64, 72 size u64, 80 inner u64
      CONCAT    64 outer u64, 80 inner u64, 96 lengths 4 x u64
      IOTA      72 length u64, 80 inner u64, 96 start i64, 104 step i64
      MOVE      64 source 8 x u32, 96 source rank u8, 97 axes 8 x i8,
               128 steps 8 x i64, 192 origins 8 x i64
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aivm.errors import MalformedProgram
from aivm.isa.instructions import (
    MAX_OPERANDS,
    MAX_RANK,
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function, Opcode, Reduction, Scattering
from aivm.isa.program import Constant, Program
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType

RECORD_BYTES = 256
MAGIC = b"AIVMPROG"
FORMAT_VERSION = 1

_PREFIX = struct.Struct(">6B2x4I")
_SHAPE = struct.Struct(">8I")
SHAPE_OFFSET = 32
_HEADER = struct.Struct(">B7x8sII8x4I")
_ROOT = slice(64, 96)
SOURCE_RANK_OFFSET = 96


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a family: where its numbers lie, their struct code, how many there are."""

    name: str
    offset: int
    code: str
    many: Callable[[Counts], int] | None = None  # None: one number, not a tuple


@dataclass(frozen=True, slots=True)
class Counts:
    """The lengths of a record's tuples."""

    operands: int
    rank: int
    source_rank: int


_FAMILIES: dict[Opcode, type] = {
    Opcode.MAP: Map,
    Opcode.MATMUL: MatMul,
    Opcode.REDUCE: Reduce,
    Opcode.MOVE: Move,
    Opcode.GATHER: Gather,
    Opcode.CONCAT: Concat,
    Opcode.CAST: Cast,
    Opcode.IOTA: Iota,
    Opcode.FILL: Fill,
    Opcode.SCATTER: Scatter,
    Opcode.RANK: Rank,
    Opcode.RANDOM: Random,
}
_OPCODES = {family: opcode for opcode, family in _FAMILIES.items()}
_FUNCTIONS: dict[Opcode, type[Function] | type[Reduction] | type[Scattering]] = {
    Opcode.MAP: Function,
    Opcode.REDUCE: Reduction,
    Opcode.SCATTER: Scattering,
}
# Attributes that are true or false: bits of `flags`, from bit 0.
FLAGS: dict[Opcode, tuple[str, ...]] = {
    Opcode.MATMUL: ("transpose_a", "transpose_b"),
    Opcode.RANK: ("descending",),
}
_OUTER = Field("outer", 64, "Q")
_LENGTH = Field("length", 72, "Q")
_SIZE = Field("size", 72, "Q")
_INNER = Field("inner", 80, "Q")
FIELDS: dict[Opcode, tuple[Field, ...]] = {
    Opcode.REDUCE: (_OUTER, _LENGTH, _INNER),
    Opcode.RANK: (_OUTER, _LENGTH, _INNER),
    Opcode.GATHER: (_OUTER, _SIZE, _INNER),
    Opcode.SCATTER: (_OUTER, _SIZE, _INNER),
    Opcode.CONCAT: (_OUTER, _INNER, Field("lengths", 96, "Q", lambda counts: counts.operands)),
    Opcode.IOTA: (
        _LENGTH,
        _INNER,
        Field("start", 96, "q"),
        Field("step", 104, "q"),
    ),
    Opcode.FILL: (Field("bits", 24, "Q"),),
    Opcode.MOVE: (
        Field("fill", 24, "Q"),
        Field("source", 64, "I", lambda counts: counts.source_rank),
        Field("axes", 97, "b", lambda counts: counts.rank),
        Field("steps", 128, "q", lambda counts: counts.rank),
        Field("origins", 192, "q", lambda counts: counts.source_rank),
    ),
}


def encode(program: Program) -> bytes:
    """The records of a program; MalformedProgram if it breaks a rule of `validate`."""
    validate(program)
    return b"".join(_records(program))


def decode(data: bytes) -> Program:
    """The program with exactly these records; MalformedProgram for any other bytes."""
    if len(data) % RECORD_BYTES or not data:
        raise MalformedProgram(
            f"{len(data)} bytes are no whole number of {RECORD_BYTES}-byte records"
        )
    records = [data[at : at + RECORD_BYTES] for at in range(0, len(data), RECORD_BYTES)]
    numerics, *counts = decode_header(records[0])
    if sum(counts) != len(records) - 1:
        raise MalformedProgram(
            f"the header announces {sum(counts)} records, {len(records) - 1} follow it"
        )
    numbered = iter(enumerate(records[1:], start=1))
    inputs, constants, instructions, outputs = (
        tuple(_decoded(decoder, *next(numbered)) for _ in range(count))
        for decoder, count in zip(_DECODERS, counts, strict=True)
    )
    program = Program(inputs, constants, instructions, outputs, numerics)
    validate(program)
    # One encoding a program: what the decoders did not look at must be as `encode` leaves it.
    for position, (record, canonical) in enumerate(zip(records, _records(program), strict=True)):
        if record != canonical:
            raise MalformedProgram(f"record {position} has a byte set that should be zero")
    return program


def decode_header(record: bytes) -> tuple[int, int, int, int, int]:
    """Numerics version, and how many inputs, constants, instructions and outputs a program has."""
    opcode, magic, version, numerics, *counts = _HEADER.unpack_from(record)
    if (opcode, magic, version) != (Opcode.HEADER, MAGIC, FORMAT_VERSION):
        raise MalformedProgram(f"record 0 is no header of program format {FORMAT_VERSION}")
    inputs, constants, instructions, outputs = counts
    return numerics, inputs, constants, instructions, outputs


def _records(program: Program) -> Iterator[bytes]:
    yield _header_record(program)
    for type_ in program.inputs:
        yield bytes(_record(Opcode.INPUT, (), type_))
    for constant in program.constants:
        yield _constant_record(constant)
    for instruction in program.instructions:
        yield encode_instruction(instruction)
    for value in program.outputs:
        yield bytes(_record(Opcode.OUTPUT, (value,)))


def _header_record(program: Program) -> bytes:
    sections = (program.inputs, program.constants, program.instructions, program.outputs)
    counts = (len(section) for section in sections)
    header = _HEADER.pack(Opcode.HEADER, MAGIC, FORMAT_VERSION, program.numerics, *counts)
    return header.ljust(RECORD_BYTES, b"\0")


def _record(
    opcode: Opcode,
    operands: tuple[int, ...],
    type_: TensorType | None = None,
    function: int = 0,
    flags: int = 0,
) -> bytearray:
    """A record with the fields that all kinds share."""
    record = bytearray(RECORD_BYTES)
    dtype, shape = (type_.dtype, type_.shape) if type_ else (0, ())
    padded = (*operands, *[0] * (MAX_OPERANDS - len(operands)))
    _PREFIX.pack_into(record, 0, opcode, function, dtype, len(shape), len(operands), flags, *padded)
    _SHAPE.pack_into(record, SHAPE_OFFSET, *shape, *[0] * (MAX_RANK - len(shape)))
    return record


def _constant_record(constant: Constant) -> bytes:
    record = _record(Opcode.CONSTANT, (), constant.type)
    record[_ROOT] = constant.root
    return bytes(record)


def encode_instruction(instruction: Instruction) -> bytes:
    """The record of one valid instruction."""
    opcode = _OPCODES[type(instruction)]
    function = instruction.function if isinstance(instruction, Map | Reduce | Scatter) else 0
    names = enumerate(FLAGS.get(opcode, ()))
    flags = sum(getattr(instruction, name) << bit for bit, name in names)
    record = _record(opcode, instruction.operands, instruction.type, function, flags)
    if isinstance(instruction, Move):
        record[SOURCE_RANK_OFFSET] = len(instruction.source)
    for field in FIELDS.get(opcode, ()):
        value = getattr(instruction, field.name)
        numbers = value if field.many else (value,)
        struct.pack_into(f">{len(numbers)}{field.code}", record, field.offset, *numbers)
    return bytes(record)


def _decoded(decoder: Callable[[bytes], Any], position: int, record: bytes) -> Any:
    try:
        return decoder(record)
    except MalformedProgram as error:
        raise MalformedProgram(f"record {position}: {error.message}") from None


def _decode_input(record: bytes) -> TensorType:
    _expect(Opcode.INPUT, record)
    return _type(record)


def _decode_constant(record: bytes) -> Constant:
    _expect(Opcode.CONSTANT, record)
    return Constant(_type(record), record[_ROOT])


def _decode_output(record: bytes) -> int:
    _expect(Opcode.OUTPUT, record)
    operands = _operands(record)
    if len(operands) != 1:
        raise MalformedProgram(f"an output names one value, not {len(operands)}")
    return operands[0]


def decode_instruction(record: bytes) -> Instruction:
    """The instruction of a record; MalformedProgram where it has none. Its operands are not known
    here, so only `decode` can tell whether it is valid."""
    opcode = _member(Opcode, record[0], "opcode")
    family = _FAMILIES.get(opcode)
    if family is None:
        raise MalformedProgram(f"{opcode.name} stands where an instruction is expected")
    attributes: dict[str, Any] = {"operands": _operands(record), "type": _type(record)}
    if opcode in _FUNCTIONS:
        attributes["function"] = _member(_FUNCTIONS[opcode], record[1], "function")
    for bit, name in enumerate(FLAGS.get(opcode, ())):
        attributes[name] = bool(record[5] >> bit & 1)
    source_rank = record[SOURCE_RANK_OFFSET] if family is Move else 0
    counts = Counts(record[4], record[3], _count(source_rank, MAX_RANK, "source rank"))
    for field in FIELDS.get(opcode, ()):
        many = field.many(counts) if field.many else 1
        numbers = struct.unpack_from(f">{many}{field.code}", record, field.offset)
        attributes[field.name] = numbers if field.many else numbers[0]
    instruction: Instruction = family(**attributes)
    return instruction


_DECODERS: tuple[Callable[[bytes], Any], ...] = (
    _decode_input,
    _decode_constant,
    decode_instruction,
    _decode_output,
)


def _expect(opcode: Opcode, record: bytes) -> None:
    if record[0] != opcode:
        raise MalformedProgram(f"opcode {record[0]:#04x} stands where {opcode.name} is expected")


def _type(record: bytes) -> TensorType:
    shape = _SHAPE.unpack_from(record, SHAPE_OFFSET)
    dtype = _member(DType, record[2], "dtype")
    return TensorType(dtype, shape[: _count(record[3], MAX_RANK, "rank")])


def _operands(record: bytes) -> tuple[int, ...]:
    operands = _PREFIX.unpack_from(record)[6:]
    return operands[: _count(record[4], MAX_OPERANDS, "number of operands")]


def _count(number: int, limit: int, name: str) -> int:
    if number > limit:
        raise MalformedProgram(f"{name} {number} is over {limit}")
    return number


def _member(kind: Callable[[int], Any], code: int, name: str) -> Any:
    try:
        return kind(code)
    except ValueError:
        raise MalformedProgram(f"{name} {code:#04x} does not exist") from None
