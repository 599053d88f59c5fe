"""Refuses every malformed program with a precise reason. An engine may trust what passed here.

Each family has one function that yields the reasons why an instruction is malformed, most basic
first; later rules may rely on earlier ones, because only the first reason is ever drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

from aivm.errors import MalformedProgram
from aivm.isa import signatures
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
from aivm.isa.program import NUMERICS_VERSION, Constant, Program
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF, is_nan
from aivm.numerics.integers import largest, smallest

MAX_DIM = 2**32 - 1
MAX_ELEMENTS = 2**40
MAX_VALUES = 2**32 - 1
# No sum of origins and steps leaves a signed 64-bit integer, whatever the order of its terms.
MAX_REACH = 2**62

Reasons = Iterator[str]


def validate(program: Program) -> None:
    """Raises MalformedProgram, naming the place and the first rule that is broken."""
    for place, reasons in _reasons(program):
        for reason in reasons:
            raise MalformedProgram(f"{place}: {reason}")


def _reasons(program: Program) -> Iterator[tuple[str, Reasons]]:
    """Every place of the program with its reasons, in the order of the records."""
    yield "program", _check_counts(program)
    for position, type_ in enumerate(program.inputs):
        yield f"input {position}", _check_type(type_)
    for position, constant in enumerate(program.constants):
        yield f"constant {position}", _check_constant(constant)
    types = program.value_types
    for position, instruction in enumerate(program.instructions):
        place = f"instruction {position} ({type(instruction).__name__.upper()})"
        value = program.first_instruction + position
        yield place, _check_instruction(instruction, value, types)
    for position, value in enumerate(program.outputs):
        yield f"output {position}", _check_output(value, program.first_instruction, len(types))


def _check_counts(program: Program) -> Reasons:
    if program.numerics != NUMERICS_VERSION:
        yield f"numerics {program.numerics} is not known, only {NUMERICS_VERSION} is"
    if not program.outputs:
        yield "it has no outputs"
    if len(program.value_types) > MAX_VALUES or len(program.outputs) > MAX_VALUES:
        yield f"it has more than {MAX_VALUES} values or outputs"


def _check_constant(constant: Constant) -> Reasons:
    yield from _check_type(constant.type)
    if len(constant.root) != 32:
        yield f"its tensor root has {len(constant.root)} bytes instead of 32"


def _check_output(value: int, first: int, end: int) -> Reasons:
    if not 0 <= value < end:
        yield f"there is no value {value}, only 0 to {end - 1}"
    # An input may hold any NaN, a result only the canonical one: see isa.instructions.
    if value < first:
        yield f"value {value} is an input or constant; an output is a result (copy it with a MOVE)"


def _check_type(type_: TensorType) -> Reasons:
    if len(type_.shape) > MAX_RANK:
        yield f"rank {len(type_.shape)} is over {MAX_RANK}"
    yield from _check_dims("shape", type_.shape)


def _check_dims(name: str, dims: tuple[int, ...]) -> Reasons:
    """Dimensions of a shape or of a view; the product skips zeros so that no stride overflows."""
    if any(not 0 <= dim <= MAX_DIM for dim in dims):
        yield f"{name} {dims} has a dimension outside 0 to {MAX_DIM}"
    if prod(dim for dim in dims if dim) > MAX_ELEMENTS:
        yield f"{name} {dims} has more than {MAX_ELEMENTS} elements"


def _check_view(name: str, dims: tuple[int, ...], elements: int) -> Reasons:
    """(outer, length, inner) of `elements` elements; its dimensions are products of dimensions."""
    if any(not 0 <= dim <= MAX_ELEMENTS for dim in dims):
        yield f"{name} view {dims} has a dimension outside 0 to {MAX_ELEMENTS}"
    if prod(dim for dim in dims if dim) > MAX_ELEMENTS:
        yield f"{name} view {dims} has more than {MAX_ELEMENTS} elements"
    if prod(dims) != elements:
        yield f"{name} view {dims} does not have the {elements} elements of the {name}"


def _check_instruction(
    instruction: Instruction, value: int, types: Sequence[TensorType]
) -> Reasons:
    yield from _check_type(instruction.type)
    for operand in instruction.operands:
        if not 0 <= operand < value:
            yield f"operand {operand} does not come before its own result, value {value}"
    operands = [types[operand] for operand in instruction.operands]
    yield from _FAMILIES[type(instruction)](instruction, operands)


def _check_arity(operands: list[TensorType], arity: int) -> Reasons:
    if len(operands) != arity:
        yield f"takes {arity} operands, not {len(operands)}"


def _check_map(instruction: Map, operands: list[TensorType]) -> Reasons:
    signature = signatures.FUNCTIONS[instruction.function]
    yield from _check_arity(operands, signature.arity)
    yield from _check_signature(instruction.function.name, signature, operands, instruction.type)
    for operand in operands:
        yield from _check_broadcast("operand", operand.shape, instruction.type.shape)


def _check_signature(
    name: str, signature: signatures.Signature, operands: list[TensorType], result: TensorType
) -> Reasons:
    expected = signature.result_of([operand.dtype for operand in operands])
    given = ", ".join(operand.dtype.name for operand in operands)
    if expected is None:
        yield f"{name} is not defined for ({given})"
    elif result.dtype is not expected:
        yield f"{name} of ({given}) gives {expected.name}, not {result.dtype.name}"


def _check_broadcast(name: str, shape: tuple[int, ...], target: tuple[int, ...]) -> Reasons:
    aligned = target[len(target) - len(shape) :]
    fits = len(shape) <= len(target) and all(
        dim in (1, wanted) for dim, wanted in zip(shape, aligned, strict=True)
    )
    if not fits:
        yield f"{name} shape {shape} does not broadcast to {target}"


def _check_matmul(instruction: MatMul, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 2)
    a, b = operands
    shape = instruction.type.shape
    expected, given = signatures.matmul_result(a.dtype, b.dtype), instruction.type.dtype
    if expected is None:
        yield f"a product of {a.dtype.name} and {b.dtype.name} is not defined"
    elif given is not expected:
        yield f"of {a.dtype.name} and {b.dtype.name} gives {expected.name}, not {given.name}"
    if min(len(a.shape), len(b.shape), len(shape)) < 2:
        yield f"ranks of {a.shape}, {b.shape} and {shape} must all be 2 or more"
    rows, depth = _matrix(a.shape, instruction.transpose_a)
    depth_b, columns = _matrix(b.shape, instruction.transpose_b)
    if depth != depth_b:
        yield f"inner dimensions {depth} of {a.shape} and {depth_b} of {b.shape} differ"
    if shape[-2:] != (rows, columns):
        yield f"result shape {shape} must end in ({rows}, {columns})"
    yield from _check_broadcast("leading", a.shape[:-2], shape[:-2])
    yield from _check_broadcast("leading", b.shape[:-2], shape[:-2])


def _matrix(shape: tuple[int, ...], transposed: bool) -> tuple[int, int]:
    """Rows and columns of the matrices, as they take part in the product."""
    rows, columns = shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _check_reduce(instruction: Reduce, operands: list[TensorType]) -> Reasons:
    name = instruction.function.name
    signature = signatures.REDUCTIONS[instruction.function]
    yield from _check_arity(operands, 1)
    yield from _check_signature(name, signature, operands, instruction.type)
    outer, length, inner = instruction.outer, instruction.length, instruction.inner
    yield from _check_view("operand", (outer, length, inner), operands[0].elements)
    yield from _check_view("result", (outer, inner), instruction.type.elements)
    if length == 0 and instruction.function not in signatures.REDUCES_NOTHING:
        yield f"{name} over no elements has no value"


def _check_move(instruction: Move, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 1)
    yield from _check_same_dtype(operands, instruction.type)
    source = instruction.source
    if len(source) > MAX_RANK:
        yield f"source rank {len(source)} is over {MAX_RANK}"
    yield from _check_dims("source", source)
    if prod(source) != operands[0].elements:
        yield f"source {source} does not have the {operands[0].elements} elements of the operand"
    yield from _check_walk(instruction)
    if not _is_canonical(instruction.type.dtype, instruction.fill):
        yield f"fill {instruction.fill:#x} is no canonical {instruction.type.dtype.name}"


def _check_walk(instruction: Move) -> Reasons:
    """How the result's dimensions walk along the source's axes."""
    shape, source, axes = instruction.type.shape, instruction.source, instruction.axes
    if not len(axes) == len(instruction.steps) == len(shape):
        yield f"axes and steps must have one entry for each of the {len(shape)} dimensions"
    if len(instruction.origins) != len(source):
        yield f"origins must have one entry for each of the {len(source)} source axes"
    if any(not -1 <= axis < len(source) for axis in axes):
        yield f"axes {axes} name an axis outside -1 to {len(source) - 1}"
    if any(axis == -1 and step for axis, step in zip(axes, instruction.steps, strict=True)):
        yield "a dimension that walks along no axis must have step 0"
    pairs = zip(shape, instruction.steps, strict=True)
    walked = sum(max(dim, 1) * abs(step) for dim, step in pairs)
    if walked + sum(abs(origin) for origin in instruction.origins) > MAX_REACH:
        yield f"origins and steps reach further than {MAX_REACH} elements"


def _check_same_dtype(operands: list[TensorType], result: TensorType) -> Reasons:
    for operand in operands:
        if operand.dtype is not result.dtype:
            yield f"copies {operand.dtype.name}, so the result cannot be {result.dtype.name}"


def _check_gather(instruction: Gather, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 2)
    data, index = operands
    yield from _check_same_dtype([data], instruction.type)
    yield from _check_index(index)
    outer, size, inner = instruction.outer, instruction.size, instruction.inner
    result = instruction.type.elements
    yield from _check_view("operand", (outer, size, inner), data.elements)
    yield from _check_view("result", (outer, index.elements, inner), result)
    if size == 0 and result:
        yield "every index is outside an axis of no elements"


def _check_index(index: TensorType) -> Reasons:
    if index.dtype not in signatures.INDEX_DTYPES:
        yield f"the index is {index.dtype.name}, it must be I32 or I64"


def _check_scatter(instruction: Scatter, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 3)
    data, index, updates = operands
    yield from _check_same_dtype([data, updates], instruction.type)
    yield from _check_index(index)
    if data.dtype not in signatures.SCATTERINGS[instruction.function]:
        yield f"{instruction.function.name} is not defined for {data.dtype.name}"
    outer, size, inner = instruction.outer, instruction.size, instruction.inner
    yield from _check_view("operand", (outer, size, inner), data.elements)
    yield from _check_view("result", (outer, size, inner), instruction.type.elements)
    yield from _check_view("updates", (outer, index.elements, inner), updates.elements)
    if size == 0 and updates.elements:
        yield "every index is outside an axis of no elements"


def _check_rank(instruction: Rank, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 1)
    (operand,) = operands
    if operand.dtype not in signatures.NUMBERS:
        yield f"{operand.dtype.name} has no order"
    if instruction.type.dtype is not DType.I64:
        yield f"ranks are I64, not {instruction.type.dtype.name}"
    view = (instruction.outer, instruction.length, instruction.inner)
    yield from _check_view("operand", view, operand.elements)
    yield from _check_view("result", view, instruction.type.elements)


def _check_random(instruction: Random, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 1)
    if operands[0] != TensorType(DType.U64, (2,)):
        yield f"the key and stream are U64 of shape (2,), not {operands[0]}"
    if instruction.type.dtype is not DType.U32:
        yield f"the result is U32, not {instruction.type.dtype.name}"


def _check_concat(instruction: Concat, operands: list[TensorType]) -> Reasons:
    if not 2 <= len(operands) <= MAX_OPERANDS:
        yield f"joins 2 to {MAX_OPERANDS} operands, not {len(operands)}"
    yield from _check_same_dtype(operands, instruction.type)
    if len(instruction.lengths) != len(operands):
        yield f"has {len(instruction.lengths)} lengths for {len(operands)} operands"
    outer, inner = instruction.outer, instruction.inner
    for length, operand in zip(instruction.lengths, operands, strict=True):
        yield from _check_view("operand", (outer, length, inner), operand.elements)
    joined = (outer, sum(instruction.lengths), inner)
    yield from _check_view("result", joined, instruction.type.elements)


def _check_cast(instruction: Cast, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 1)
    source, target = operands[0], instruction.type
    if not signatures.can_cast(source.dtype, target.dtype):
        yield f"{source.dtype.name} cannot be cast to {target.dtype.name}"
    if source.shape != target.shape:
        yield f"the result has shape {target.shape}, the operand {source.shape}"


def _check_iota(instruction: Iota, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 0)
    dtype, elements = instruction.type.dtype, instruction.type.elements
    if dtype not in signatures.INDEX_DTYPES:
        yield f"the result is {dtype.name}, it must be I32 or I64"
    length, inner = instruction.length, instruction.inner
    period = max(length * inner, 1)
    yield from _check_view("result", (elements // period, length, inner), elements)
    low, high = smallest(dtype), largest(dtype)
    if not (low <= instruction.start <= high and low <= instruction.step <= high):
        yield f"start {instruction.start} or step {instruction.step} is no {dtype.name}"


def _check_fill(instruction: Fill, operands: list[TensorType]) -> Reasons:
    yield from _check_arity(operands, 0)
    if not _is_canonical(instruction.type.dtype, instruction.bits):
        yield f"bits {instruction.bits:#x} are no canonical {instruction.type.dtype.name}"


def _is_canonical(dtype: DType, bits: int) -> bool:
    """Whether a result may hold `bits`: in range, 0 or 1 for BOOL, no NaN but the canonical one."""
    if dtype is DType.BOOL:
        return bits in (0, 1)
    if not 0 <= bits < 1 << 8 * dtype.size_bytes:
        return False
    if not dtype.is_float:
        return True
    return not is_nan(FORMAT_OF[dtype], bits) or bits == FORMAT_OF[dtype].canonical_nan


_FAMILIES: dict[type, Callable[[Any, list[TensorType]], Reasons]] = {
    Map: _check_map,
    MatMul: _check_matmul,
    Reduce: _check_reduce,
    Move: _check_move,
    Gather: _check_gather,
    Concat: _check_concat,
    Cast: _check_cast,
    Iota: _check_iota,
    Fill: _check_fill,
    Scatter: _check_scatter,
    Rank: _check_rank,
    Random: _check_random,
}
