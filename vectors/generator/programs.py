"""Whole programs: records, roots, gas and results; and records that no program has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from aivm.commitments import bundle_root, program_root_of_records, tensor_root_of_bytes
from aivm.errors import MalformedProgram
from aivm.isa.gas import gas_units
from aivm.isa.instructions import (
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
from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.isa.program import Constant, Program
from aivm.isa.records import RECORD_BYTES, decode, encode
from aivm.numerics.dtypes import DType
from aivm.numerics.machine import word_of
from generator.cases import Tensor, plain, run, tensor
from generator.words import f32, packed

F = Function


class Builder:
    """Writes a program instruction by instruction; a value is its id."""

    def __init__(self, inputs: Sequence[Tensor], constants: Sequence[Tensor] = ()) -> None:
        self.inputs, self.constants = list(inputs), list(constants)
        self.types = [each.type for each in (*inputs, *constants)]
        self.instructions: list[Instruction] = []

    def add(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        self.types.append(instruction.type)
        return len(self.types) - 1

    def map(self, function: Function, *operands: int, dtype: DType | None = None) -> int:
        """A MAP of the largest operand's shape."""
        shape = max((self.types[value].shape for value in operands), key=lambda s: (len(s), s))
        result = TensorType(dtype or self.types[operands[-1]].dtype, shape)
        return self.add(Map(function, operands, result))

    def number(self, value: float) -> int:
        return self.add(Fill(TensorType(DType.F32, ()), word_of(value)))

    def rows(self, function: Reduction, value: int, dtype: DType | None = None) -> int:
        """A REDUCE over the last axis, which stays as 1."""
        type_ = self.types[value]
        *outer, length = type_.shape
        result = TensorType(dtype or type_.dtype, (*outer, 1))
        return self.add(Reduce(function, (value,), result, result.elements, length, 1))

    def softmax(self, value: int) -> int:
        shifted = self.map(F.SUB, value, self.rows(Reduction.MAX, value))
        powers = self.map(F.EXP, shifted)
        return self.map(F.DIV, powers, self.rows(Reduction.SUM, powers))

    def program(self, *outputs: int) -> Program:
        constants = (
            Constant(each.type, tensor_root_of_bytes(each.type.dtype, each.type.shape, each.data))
            for each in self.constants
        )
        inputs = tuple(each.type for each in self.inputs)
        return Program(inputs, tuple(constants), tuple(self.instructions), outputs)


def _softmax() -> tuple[Builder, Program]:
    b = Builder([plain(DType.F32, (3, 19), "softmax")])
    return b, b.program(b.softmax(0))


def _layer_norm() -> tuple[Builder, Program]:
    names = ("scale", "shift")
    b = Builder(
        [plain(DType.F32, (4, 33), "layer norm")], [plain(DType.F32, (33,), name) for name in names]
    )
    length = b.number(33.0)
    mean = b.map(F.DIV, b.rows(Reduction.SUM, 0), length)
    centred = b.map(F.SUB, 0, mean)
    variance = b.map(F.DIV, b.rows(Reduction.SUM, b.map(F.MUL, centred, centred)), length)
    deviation = b.map(F.SQRT, b.map(F.ADD, variance, b.number(2.0**-17)))
    scaled = b.map(F.MUL, b.map(F.DIV, centred, deviation), 1)
    return b, b.program(b.map(F.ADD, scaled, 2), mean)


def _attention() -> tuple[Builder, Program]:
    b = Builder([plain(DType.F32, (2, 5, 8), name) for name in ("query", "key", "value")])
    scores = b.add(MatMul((0, 1), TensorType(DType.F32, (2, 5, 5)), transpose_b=True))
    weights = b.softmax(b.map(F.MUL, scores, b.number(0.25)))
    return b, b.program(b.add(MatMul((weights, 2), TensorType(DType.F32, (2, 5, 8)))), weights)


def _gelu() -> tuple[Builder, Program]:
    b = Builder([plain(DType.F32, (2, 6), "x")], [plain(DType.F32, (6, 7), "weight")])
    x = b.add(MatMul((0, 1), TensorType(DType.F32, (2, 7))))
    bell = b.map(F.ERF, b.map(F.MUL, x, b.number(float.fromhex("0x1.6a09e6p-1"))))
    half = b.map(F.MUL, x, b.number(0.5))
    return b, b.program(b.map(F.FMA, half, bell, half))


def _quantised() -> tuple[Builder, Program]:
    """A scale for every row, rounding to I8, an exact product, and back."""
    b = Builder([plain(DType.F32, (3, 20), "x")], [plain(DType.I8, (20, 4), "weight")])
    largest = b.rows(Reduction.MAX, b.map(F.ABS, 0))
    scale = b.map(F.DIV, largest, b.number(127.0))
    rounded = b.map(F.ROUND, b.map(F.DIV, 0, scale))
    narrow = b.add(Cast((rounded,), TensorType(DType.I8, (3, 20))))
    product = b.add(MatMul((narrow, 1), TensorType(DType.I32, (3, 4))))
    wide = b.add(Cast((product,), TensorType(DType.F32, (3, 4))))
    return b, b.program(b.map(F.MUL, wide, scale), product)


def _wrapping_product() -> tuple[Builder, Program]:
    """33,100 products of 255 by 255 pass 2**31."""
    b = Builder([])
    sides = [b.add(Fill(TensorType(DType.U8, shape), 255)) for shape in ((1, 33100), (33100, 1))]
    return b, b.program(b.add(MatMul((sides[0], sides[1]), TensorType(DType.I32, (1, 1)))))


def _top_k() -> tuple[Builder, Program]:
    """The three greatest of each row with their places: RANK, SCATTER of an IOTA, GATHER."""
    numbers = (0.5, 3.0, float("nan"), 3.0, -1.0, 0.0)
    b = Builder([tensor(DType.F32, (6,), f32(*numbers))])
    places = TensorType(DType.I64, (6,))
    rank = b.add(Rank((0,), places, 1, 6, 1, True))
    iota = b.add(Iota(places, 6, 1, 0, 1))
    order = b.add(Scatter(Scattering.REPLACE, (iota, rank, iota), places, 1, 6, 1))
    first = b.add(Move((order,), TensorType(DType.I64, (3,)), (6,), (0,), (1,), (0,)))
    best = b.add(Gather((0, first), TensorType(DType.F32, (3,)), 1, 6, 1))
    return b, b.program(best, first)


def _dropout() -> tuple[Builder, Program]:
    seed = tensor(DType.U64, (2,), packed(DType.U64, (7, 9)))
    b = Builder([seed, plain(DType.F32, (3, 4), "x")])
    words = b.add(Random((0,), TensorType(DType.U32, (3, 4))))
    limit = b.add(Fill(TensorType(DType.U32, ()), 1 << 31))
    kept = b.map(F.LESS, words, limit, dtype=DType.BOOL)
    dropped = b.add(Fill(TensorType(DType.F32, ()), 0))
    result = b.add(Map(F.SELECT, (kept, 1, dropped), TensorType(DType.F32, (3, 4))))
    return b, b.program(result)


def _odd_ends() -> tuple[Builder, Program]:
    """Unused input and result, a constant moved out, one value twice among the outputs."""
    b = Builder(
        [plain(DType.F32, (2,), "unused"), tensor(DType.F16, (2,), b"\x01\xfc\x00\x3c")],
        [tensor(DType.F32, (2,), b"\x01\x00\xa0\x7f\x00\x00\x80\x3f")],
    )
    move = b.add(Move((2,), TensorType(DType.F32, (2,)), (2,), (0,), (1,), (0,)))
    wide = b.add(Cast((1,), TensorType(DType.F32, (2,))))
    b.add(Concat((move, wide), TensorType(DType.F32, (4,)), 1, (2, 2), 1))
    return b, b.program(move, wide, move)


PROGRAMS = {
    "softmax": _softmax,
    "layer norm": _layer_norm,
    "attention": _attention,
    "gelu": _gelu,
    "quantised linear": _quantised,
    "wrapping product": _wrapping_product,
    "top 3": _top_k,
    "dropout": _dropout,
    "odd ends": _odd_ends,
}


def valid() -> Iterator[str]:
    """Programs that run."""
    for name, make in PROGRAMS.items():
        builder, program = make()
        records = encode(program)
        values = _evaluate(builder, program)
        outputs = [values[value] for value in program.outputs]
        roots = [
            tensor_root_of_bytes(each.type.dtype, each.type.shape, each.data) for each in outputs
        ]
        yield json.dumps(
            {
                "case": name,
                "records": _trimmed(records),
                "constants": [each.to_json() for each in builder.constants],
                "inputs": [each.to_json() for each in builder.inputs],
                "outputs": [each.to_json() for each in outputs],
                "root": program_root_of_records(records).hex(),
                "output_root": bundle_root(roots).hex(),
                "gas": gas_units(program),
            },
            separators=(",", ":"),
        )


def _trimmed(records: bytes) -> list[str]:
    """Each record in hexadecimal, without the zero bytes at its end."""
    count = len(records) // RECORD_BYTES
    every = (records[at * RECORD_BYTES : (at + 1) * RECORD_BYTES] for at in range(count))
    return [record.rstrip(b"\0").hex() for record in every]


def _evaluate(builder: Builder, program: Program) -> list[Tensor]:
    values = [*builder.inputs, *builder.constants]
    for instruction in program.instructions:
        result = run(instruction, values)
        assert result is not None
        values.append(result)
    return values


def _base() -> Program:
    """One instruction of every family, for records to be broken in."""
    x, index = TensorType(DType.F32, (2, 3)), TensorType(DType.I64, (2,))
    seed = TensorType(DType.U64, (2,))
    f16, flat = TensorType(DType.F16, (2, 3)), TensorType(DType.F32, (2,))
    instructions: tuple[Instruction, ...] = (
        Map(F.ADD, (0, 3), x),  # record 5, value 4
        MatMul((0, 4), TensorType(DType.F32, (2, 2)), transpose_b=True),  # 6, 5
        Reduce(Reduction.MAX, (0,), flat, 2, 3, 1),  # 7, 6
        Move(
            (0,), TensorType(DType.F32, (3, 2)), (2, 3), (1, 0), (1, 1), (0, 0), 0x3F800000
        ),  # 8, 7
        Gather((0, 1), x, 1, 2, 3),  # 9, 8
        Concat((0, 4), TensorType(DType.F32, (4, 3)), 1, (2, 2), 3),  # 10, 9
        Cast((0,), f16),  # 11, 10
        Iota(index, 2, 1, 0, 1),  # 12, 11
        Fill(TensorType(DType.BOOL, (2, 3)), 1),  # 13, 12
        Scatter(Scattering.ADD, (0, 1, 4), x, 1, 2, 3),  # 14, 13
        Rank((0,), TensorType(DType.I64, (2, 3)), 2, 3, 1),  # 15, 14
        Random((2,), TensorType(DType.U32, (5,))),  # 16, 15
        Map(F.SELECT, (12, 0, 4), x),  # 17, 16
    )
    constant = Constant(TensorType(DType.F32, (3,)), bytes(range(32)))
    return Program((x, index, seed), (constant,), instructions, (4, 16, 4))


# What to write where: (record, offset, bytes in hexadecimal), and the rule that it breaks.
BREAKS: tuple[tuple[str, tuple[tuple[int, int, str], ...]], ...] = (
    ("magic", ((0, 8, "42"),)),
    ("format version", ((0, 16, "00000002"),)),
    ("numerics version", ((0, 20, "00000002"),)),
    ("header opcode", ((0, 0, "01"),)),
    ("more records announced", ((0, 40, "0000000e"),)),
    ("an input too many, an instruction too few", ((0, 32, "00000004"), (0, 40, "0000000c"))),
    ("outputs counted as instructions", ((0, 40, "00000010"), (0, 44, "00000000"))),
    ("a byte of the header that should be zero", ((0, 255, "01"),)),
    ("a byte of an input that should be zero", ((1, 100, "01"),)),
    ("unknown opcode", ((5, 0, "7f"),)),
    ("an output stands among instructions", ((5, 0, "03"),)),
    ("unknown function", ((5, 1, "3f"),)),
    ("a function on a family without one", ((6, 1, "01"),)),
    ("unknown dtype", ((1, 2, "04"),)),
    ("dtype zero", ((1, 2, "00"),)),
    ("rank 9", ((1, 3, "09"),)),
    ("a dimension beyond the rank", ((1, 40, "00000001"),)),
    ("2**40 elements and more", ((1, 32, "ffffffffffffffff"),)),
    ("an operand beyond the count", ((5, 16, "00000001"),)),
    ("five operands", ((5, 4, "05"),)),
    ("an operand too few", ((5, 4, "01"), (5, 12, "00000000"))),
    ("an operand too many", ((5, 4, "03"), (5, 16, "00000000"))),
    ("an operand that is its own result", ((5, 8, "00000004"),)),
    ("an operand that comes later", ((5, 8, "00000005"),)),
    ("a flag that does not exist", ((6, 5, "06"),)),
    ("a flag on a family without any", ((5, 5, "01"),)),
    ("ADD of unlike dtypes", ((5, 12, "00000001"),)),
    ("ADD gives another dtype", ((5, 2, "0e"),)),
    (
        "ADD of storage types",
        ((17, 1, "400202"), (17, 4, "02"), (17, 8, "0000000a0000000a00000000")),
    ),
    ("operands do not broadcast", ((5, 32, "00000004"),)),
    ("inner dimensions differ", ((6, 5, "00"),)),
    ("result shape of MATMUL", ((6, 32, "00000003"),)),
    ("MATMUL of rank 1", ((6, 12, "00000003"),)),
    ("MATMUL of mixed dtypes", ((6, 12, "00000001"),)),
    ("REDUCE view of other size", ((7, 64, "0000000000000003"),)),
    (
        "MAX over no elements",
        (
            *(
                (13, 2, "01"),
                (13, 31, "00"),
                (13, 32, "00000000"),
                (17, 0, "12030102"),
                (17, 4, "01"),
            ),
            *((17, 8, "0000000c0000000000000000"), (17, 71, "02"), (17, 87, "03")),
        ),
    ),
    ("ARG_MAX gives F32", ((7, 1, "05"),)),
    ("MOVE source of other size", ((8, 64, "00000003"),)),
    ("MOVE along an axis that is not there", ((8, 97, "02"),)),
    ("MOVE steps along no axis", ((8, 97, "ff"),)),
    ("MOVE source rank 9", ((8, 96, "09"),)),
    ("MOVE gives another dtype", ((8, 2, "0e"),)),
    ("MOVE fill is another NaN", ((8, 28, "7fc00001"),)),
    ("MOVE fill is wider than the dtype", ((8, 24, "01"),)),
    ("MOVE reaches beyond 2**62", ((8, 128, "7fffffffffffffff"),)),
    ("GATHER index is F32", ((9, 12, "00000000"),)),
    ("GATHER view", ((9, 72, "0000000000000003"),)),
    ("CONCAT of one", ((10, 4, "01"), (10, 12, "00000000"), (10, 104, "0000000000000000"))),
    ("CONCAT lengths", ((10, 96, "0000000000000001"),)),
    ("CAST to the same dtype", ((11, 2, "01"),)),
    ("CAST of another shape", ((11, 32, "00000003"),)),
    (
        "CAST between storage types",
        ((17, 0, "16000302"), (17, 4, "01"), (17, 8, "0000000a0000000000000000")),
    ),
    ("IOTA of F32", ((12, 2, "01"),)),
    ("IOTA view", ((12, 72, "0000000000000003"),)),
    ("IOTA start beyond I32", ((12, 2, "0e"), (12, 96, "0000000080000000"))),
    ("FILL of BOOL with 2", ((13, 31, "02"),)),
    ("SCATTER updates of other size", ((14, 80, "0000000000000002"),)),
    ("SCATTER index is F32", ((14, 12, "00000000"),)),
    ("unknown scattering", ((14, 1, "06"),)),
    ("RANK gives I32", ((15, 2, "0e"),)),
    ("RANK of BOOL", ((15, 8, "0000000c"),)),
    ("RANDOM of another seed", ((16, 8, "00000001"),)),
    ("RANDOM gives I32", ((16, 2, "0e"),)),
    ("SELECT by numbers", ((17, 8, "00000000"),)),
    ("the output is an input", ((18, 8, "00000000"),)),
    ("the output is a constant", ((18, 8, "00000003"),)),
    ("the output is not there", ((18, 8, "00000011"),)),
    ("an output with two operands", ((18, 4, "02"),)),
    ("an output with a dtype", ((18, 2, "01"),)),
)


def invalid() -> Iterator[str]:
    """One valid program, then what makes it invalid."""
    records = encode(_base())
    yield json.dumps({"case": "valid", "records": _trimmed(records)}, separators=(",", ":"))
    for name, changes in BREAKS:
        _check_refused(name, _changed(records, changes))
        yield json.dumps({"case": name, "changes": changes}, separators=(",", ":"))
    end = len(records)
    no_outputs = ((0, 44, "00000000"),)
    for name, size, changes in (
        ("a record too few", end - RECORD_BYTES, ()),
        ("a byte too few", end - 1, ()),
        ("nothing", 0, ()),
        ("no outputs", end - 3 * RECORD_BYTES, no_outputs),
    ):
        _check_refused(name, _changed(records, changes)[:size])
        line = {"case": name, "changes": changes, "bytes": size}
        yield json.dumps(line, separators=(",", ":"))


def _changed(records: bytes, changes: tuple[tuple[int, int, str], ...]) -> bytes:
    broken = bytearray(records)
    for record, offset, text in changes:
        data = bytes.fromhex(text)
        at = record * RECORD_BYTES + offset
        broken[at : at + len(data)] = data
    return bytes(broken)


def _check_refused(name: str, records: bytes) -> None:
    try:
        decode(records)
    except MalformedProgram:
        return
    raise AssertionError(f"{name}: these records were meant to be refused")
