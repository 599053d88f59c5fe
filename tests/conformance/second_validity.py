"""Which programs are valid, from encodings.md section 1 and isa.md sections 2 and 3 alone."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from second_implementation import (
    BOOL,
    F32,
    FUNCTIONS,
    I32,
    I64,
    NAN,
    NUMBERS,
    SIZE,
    TO_BOOL,
    U32,
    U64,
    Record,
    Refused,
    accepted,
    arity,
    canonical,
    ends,
    record_of,
    walk,
)

Type = tuple[int, tuple[int, ...]]
BYTE_TYPES = {9, 10}
HEADER = struct.Struct(">8x8sII8x4I")
# Bytes of an instruction's record that may be other than zero, beside those that all share.
OWN_BYTES: dict[int, list[tuple[int, int]]] = {
    0x10: [(1, 2)],
    0x11: [(5, 6)],
    0x12: [(1, 2), (64, 88)],
    0x13: [(24, 32), (64, 256)],
    0x14: [(64, 88)],
    0x15: [(64, 72), (80, 88), (96, 128)],
    0x16: [],
    0x17: [(72, 88), (96, 112)],
    0x18: [(24, 32)],
    0x19: [(1, 2), (64, 88)],
    0x1A: [(5, 6), (64, 88)],
    0x1B: [],
}
SHARED_BYTES = [(0, 1), (2, 5), (8, 24), (32, 64)]


def need(condition: bool, rule: str) -> None:
    if not condition:
        raise Refused(rule)


@dataclass
class Program:
    """A valid program."""

    inputs: list[Type]
    constants: list[tuple[Type, bytes]]
    instructions: list[Record]
    outputs: list[int]

    @property
    def types(self) -> list[Type]:
        made = [(r.dtype, r.shape) for r in self.instructions]
        return [*self.inputs, *(type_ for type_, _ in self.constants), *made]


def read(data: bytes) -> Program:
    """The program of these bytes, or Refused."""
    need(len(data) % 256 == 0 and len(data) > 0, "whole records")
    records = [data[at : at + 256] for at in range(0, len(data), 256)]
    magic, version, numerics, *counts = HEADER.unpack_from(records[0])
    need(records[0][0] == 0 and magic == b"AIVMPROG" and version == numerics == 1, "header")
    _only(records[0], [(8, 24), (32, 48)])
    need(sum(counts) == len(records) - 1, "counts")
    rest = iter(records[1:])
    sections = [[next(rest) for _ in range(count)] for count in counts]
    program = Program(
        [_tensor_type(record, 0x01, []) for record in sections[0]],
        [(_tensor_type(record, 0x02, [(64, 96)]), record[64:96]) for record in sections[1]],
        [_instruction(record) for record in sections[2]],
        [_output(record) for record in sections[3]],
    )
    _check(program)
    return program


def _only(record: bytes, ranges: list[tuple[int, int]]) -> None:
    named = {at for first, end in ranges for at in range(first, end)}
    need(not any(byte for at, byte in enumerate(record) if at not in named), "zero bytes")


def _tensor_type(record: bytes, opcode: int, more: list[tuple[int, int]]) -> Type:
    need(record[0] == opcode and record[2] in SIZE, "opcode or dtype")
    _only(record, [(0, 1), (2, 4), (32, 64), *more])
    read_ = record_of(record)
    return read_.dtype, read_.shape


def _output(record: bytes) -> int:
    need(record[0] == 0x03 and record[4] == 1, "output")
    _only(record, [(0, 1), (4, 5), (8, 12)])
    return record_of(record).operands[0]


def _instruction(record: bytes) -> Record:
    need(record[0] in OWN_BYTES and record[2] in SIZE, "opcode or dtype")
    _only(record, SHARED_BYTES + OWN_BYTES[record[0]])
    r = record_of(record)
    if r.opcode == 0x13:
        rank, source = len(r.shape), record[96]
        walk(r)
        used = [(64, 64 + 4 * source), (96, 97), (97, 97 + rank), (128, 128 + 8 * rank)]
        _only(record, [*SHARED_BYTES, (24, 32), *used, (192, 192 + 8 * source)])
    if r.opcode == 0x15:
        _only(record, [*SHARED_BYTES, (64, 72), (80, 88), (96, 96 + 8 * len(r.operands))])
    return r


def _check(program: Program) -> None:
    need(len(program.outputs) > 0, "an output")
    types = program.types
    first = len(types) - len(program.instructions)
    for _, shape in types[:first]:
        _shape(shape)
    for n, r in enumerate(program.instructions):
        _shape(r.shape)
        need(all(value < first + n for value in r.operands), "a straight line")
        RULES[r.opcode](r, [types[value] for value in r.operands])
    need(all(first <= value < len(types) for value in program.outputs), "outputs are results")


def _shape(shape: Sequence[int]) -> None:
    need(all(0 <= dim < 2**32 for dim in shape), "dimension")
    need(math.prod(dim for dim in shape if dim) <= 2**40, "elements")


def _view(dims: Sequence[int], elements: int) -> None:
    need(all(0 <= dim <= 2**40 for dim in dims), "view dimension")
    need(math.prod(dim for dim in dims if dim) <= 2**40, "view elements")
    need(math.prod(dims) == elements, "view size")


def _pattern(dtype: int, pattern: int) -> None:
    need(pattern < (2 if dtype == BOOL else 1 << 8 * SIZE[dtype]), "pattern")
    need(canonical(dtype, pattern) == pattern, "pattern")


def _count(type_: Type) -> int:
    return math.prod(type_[1])


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    need(len(shape) <= len(target), "broadcast")
    aligned = target[len(target) - len(shape) :]
    need(all(a in (1, b) for a, b in zip(shape, aligned, strict=True)), "broadcast")


def _map(r: Record, operands: list[Type]) -> None:
    need(r.function in FUNCTIONS, "function")
    name = FUNCTIONS[r.function]
    need(len(operands) == arity(r.function), "arity")
    dtypes = [dtype for dtype, _ in operands]
    if name == "SELECT":
        need(dtypes.pop(0) == BOOL, "condition")
    need(len(set(dtypes)) == 1 and dtypes[0] in accepted(name), "dtypes")
    need(r.dtype == (BOOL if name in TO_BOOL else dtypes[0]), "result dtype")
    for _, shape in operands:
        _broadcasts(shape, r.shape)


def _matmul(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 2 and r.flags < 4, "arity or flags")
    (a_dtype, a), (b_dtype, b) = operands
    bytes_ = {a_dtype, b_dtype} <= BYTE_TYPES
    need(bytes_ or a_dtype == b_dtype == F32, "dtypes")
    need(r.dtype == (I32 if bytes_ else F32), "result dtype")
    need(min(len(a), len(b), len(r.shape)) >= 2, "rank")
    m, k = a[-2:][::-1] if r.flags & 1 else a[-2:]
    k_b, n = b[-2:][::-1] if r.flags & 2 else b[-2:]
    need(k == k_b and r.shape[-2:] == (m, n), "shapes")
    _broadcasts(a[:-2], r.shape[:-2])
    _broadcasts(b[:-2], r.shape[:-2])


def _reduce(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 1 and 1 <= r.function <= 6, "arity or function")
    (dtype, _) = operands[0]
    need(dtype in NUMBERS, "dtype")
    need(r.dtype == (I64 if r.function > 4 else dtype), "result dtype")
    outer, length, inner = r.view
    _view(r.view, _count(operands[0]))
    _view((outer, inner), r.elements)
    need(length > 0 or r.function <= 2, "no elements")


def _move(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 1 and operands[0][0] == r.dtype, "arity or dtype")
    source, axes, steps, origins = walk(r)
    _shape(source)
    need(math.prod(source) == _count(operands[0]), "source")
    need(all(-1 <= axis < len(source) for axis in axes), "axes")
    need(all(step == 0 for axis, step in zip(axes, steps, strict=True) if axis == -1), "steps")
    reach = sum(max(dim, 1) * abs(step) for dim, step in zip(r.shape, steps, strict=True))
    need(reach + sum(map(abs, origins)) <= 2**62, "reach")
    _pattern(r.dtype, r.pattern)


def _gather(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 2 and operands[0][0] == r.dtype, "arity or dtype")
    need(operands[1][0] in (I32, I64), "index")
    outer, size, inner = r.view
    _view(r.view, _count(operands[0]))
    _view((outer, _count(operands[1]), inner), r.elements)
    need(size > 0 or r.elements == 0, "empty axis")


def _scatter(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 3 and 1 <= r.function <= 5, "arity or function")
    need(operands[0][0] == operands[2][0] == r.dtype, "dtype")
    need(r.function == 1 or r.dtype in NUMBERS, "dtype")
    need(operands[1][0] in (I32, I64), "index")
    outer, size, inner = r.view
    _view(r.view, _count(operands[0]))
    _view(r.view, r.elements)
    _view((outer, _count(operands[1]), inner), _count(operands[2]))
    need(size > 0 or _count(operands[2]) == 0, "empty axis")


def _concat(r: Record, operands: list[Type]) -> None:
    need(2 <= len(operands) <= 4, "arity")
    need(all(dtype == r.dtype for dtype, _ in operands), "dtype")
    outer, inner = r.u64(64), r.u64(80)
    lengths = [r.u64(96 + 8 * place) for place in range(len(operands))]
    for length, operand in zip(lengths, operands, strict=True):
        _view((outer, length, inner), _count(operand))
    _view((outer, sum(lengths), inner), r.elements)


def _cast(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 1, "arity")
    source, target = operands[0][0], r.dtype
    storage = {*NAN} - {F32}
    need(source != target, "same dtype")
    need(target == F32 if source in storage else target not in storage or source == F32, "pair")
    need(operands[0][1] == r.shape, "shape")


def _iota(r: Record, operands: list[Type]) -> None:
    need(not operands and r.dtype in (I32, I64), "arity or dtype")
    length, inner = r.u64(72), r.u64(80)
    _view((r.elements // max(length * inner, 1), length, inner), r.elements)
    low, high = ends(r.dtype)
    need(all(low <= value <= high for value in (r.i64(96), r.i64(104))), "start or step")


def _fill(r: Record, operands: list[Type]) -> None:
    need(not operands, "arity")
    _pattern(r.dtype, r.pattern)


def _rank(r: Record, operands: list[Type]) -> None:
    need(len(operands) == 1 and r.flags < 2, "arity or flags")
    need(operands[0][0] in NUMBERS and r.dtype == I64, "dtypes")
    _view(r.view, _count(operands[0]))
    _view(r.view, r.elements)


def _random(r: Record, operands: list[Type]) -> None:
    need(operands == [(U64, (2,))] and r.dtype == U32, "seed or dtype")


RULES: dict[int, Callable[[Record, list[Type]], None]] = {
    0x10: _map,
    0x11: _matmul,
    0x12: _reduce,
    0x13: _move,
    0x14: _gather,
    0x15: _concat,
    0x16: _cast,
    0x17: _iota,
    0x18: _fill,
    0x19: _scatter,
    0x1A: _rank,
    0x1B: _random,
}
