"""What the leading axis does to each family, and where it cannot be had."""

from __future__ import annotations

import numpy as np
import pytest

from aivm.commitments import Array
from aivm.engines import open_engine
from aivm.errors import InvalidIndex
from aivm.isa import (
    Concat,
    Fill,
    Gather,
    Instruction,
    Map,
    MatMul,
    Move,
    Program,
    Random,
    Scatter,
    TensorType,
)
from aivm.isa.batching import batched
from aivm.isa.opcodes import Function, Scattering
from aivm.isa.program import Constant
from aivm.numerics.dtypes import DType

F32, I64 = DType.F32, DType.I64


def program(
    inputs: list[TensorType], *instructions: Instruction, constants: tuple[TensorType, ...] = ()
) -> Program:
    """Outputs the last result."""
    known = tuple(Constant(type_, bytes(32)) for type_ in constants)
    last = len(inputs) + len(constants) + len(instructions) - 1
    return Program(tuple(inputs), known, instructions, (last,))


def run(made: Program | None, inputs: list[Array], constants: tuple[Array, ...] = ()) -> Array:
    assert made is not None
    return open_engine("reference").load(made, constants).run(inputs)[0]


def vector(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


def gather_of(size: int, index: int, dtype: DType = I64) -> Program:
    work = Gather((0, 1), vector(F32, index), 1, size, 1)
    return program([vector(F32, size), vector(dtype, index)], work)


def test_inputs_and_outputs_get_the_axis_and_constants_do_not() -> None:
    product = MatMul((0, 1), vector(F32, 2, 3))
    made = batched(program([vector(F32, 2, 4)], product, constants=(vector(F32, 4, 3),)), 5)
    assert made is not None
    assert made.inputs == (vector(F32, 5, 2, 4),)
    assert made.constants[0].type == vector(F32, 4, 3)
    assert made.instructions == (MatMul((0, 1), vector(F32, 5, 2, 3)),)


def test_what_depends_on_constants_only_is_computed_once_and_shown_to_all() -> None:
    fill = Fill(vector(F32, 3), 0x3F800000)
    twice = Map(Function.ADD, (1, 1), vector(F32, 3))
    made = batched(program([vector(F32)], fill, twice), 4)
    assert made is not None
    assert made.instructions[:2] == (fill, twice)
    result = run(made, [np.zeros(4, np.float32)])
    assert result.tolist() == [[2.0] * 3] * 4


def test_operands_of_lower_rank_are_broadcast_within_their_request() -> None:
    add = Map(Function.ADD, (0, 1), vector(F32, 2, 3))
    made = batched(program([vector(F32, 2, 3), vector(F32, 3)], add), 2)
    matrix = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    row = np.array([[100, 200, 300], [1000, 2000, 3000]], np.float32)
    assert np.array_equal(run(made, [matrix, row]), matrix + row[:, None])


def test_a_reshape_that_two_instructions_need_is_made_once() -> None:
    add = Map(Function.ADD, (0, 1), vector(F32, 2, 3))
    again = Map(Function.MUL, (2, 1), vector(F32, 2, 3))
    made = batched(program([vector(F32, 2, 3), vector(F32, 3)], add, again), 2)
    assert made is not None
    assert sum(isinstance(each, Move) for each in made.instructions) == 1


def test_a_concat_repeats_what_all_requests_share() -> None:
    joined = Concat((0, 1), vector(F32, 3), 1, (2, 1), 1)
    made = batched(program([vector(F32, 2)], joined, constants=(vector(F32, 1),)), 2)
    data = np.array([[1, 2], [3, 4]], np.float32)
    result = run(made, [data], (np.array([9], np.float32),))
    assert result.tolist() == [[1, 2, 9], [3, 4, 9]]


@pytest.mark.parametrize("dtype", [DType.I32, DType.I64])
def test_every_request_gathers_from_its_own_data(dtype: DType) -> None:
    made = batched(gather_of(3, 2, dtype), 2)
    data = np.array([[1, 2, 3], [10, 20, 30]], np.float32)
    index = np.array([[2, -3], [-1, 0]], np.int32 if dtype is DType.I32 else np.int64)
    assert run(made, [data, index]).tolist() == [[3, 1], [30, 10]]


@pytest.mark.parametrize("wrong", [3, -4, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("request_", [0, 1])
def test_an_index_never_reaches_the_data_of_another_request(wrong: int, request_: int) -> None:
    made = batched(gather_of(3, 1), 2)
    index = np.zeros((2, 1), np.int64)
    index[request_] = wrong
    with pytest.raises(InvalidIndex):
        run(made, [np.zeros((2, 3), np.float32), index])


def test_requests_gather_from_one_table_in_one_instruction() -> None:
    work = Gather((1, 0), vector(F32, 2, 2, 1), 2, 3, 1)
    made = batched(program([vector(I64, 2)], work, constants=(vector(F32, 2, 3),)), 2)
    assert made is not None
    assert sum(isinstance(each, Gather) for each in made.instructions) == 1
    table = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    result = run(made, [np.array([[0, 2], [-1, 1]])], (table,))
    assert result[..., 0].tolist() == [[[1, 3], [4, 6]], [[3, 2], [6, 5]]]


def test_updates_of_a_scatter_keep_their_order_and_their_request() -> None:
    types = [vector(F32, 3), vector(I64, 2), vector(F32, 2)]
    work = Scatter(Scattering.REPLACE, (0, 1, 2), vector(F32, 3), 1, 3, 1)
    made = batched(program(types, work), 2)
    index = np.array([[1, 1], [0, -1]])
    updates = np.array([[5, 6], [7, 8]], np.float32)
    result = run(made, [np.zeros((2, 3), np.float32), index, updates])
    assert result.tolist() == [[0, 6, 0], [7, 0, 8]]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_request_has_its_own_random_numbers(count: int) -> None:
    one = program([vector(DType.U64, 2)], Random((0,), vector(DType.U32, 5)))
    seeds = np.arange(2 * count, dtype=np.uint64).reshape(count, 2)
    result = run(batched(one, count), [seeds])
    alone = [run(one, [seed]).tolist() for seed in seeds]
    assert result.tolist() == alone


def test_no_rank_beyond_eight() -> None:
    type_ = vector(F32, *(1,) * 8)
    assert batched(program([type_], Map(Function.NEG, (0,), type_)), 2) is None


def test_no_more_elements_than_a_tensor_may_have() -> None:
    type_ = vector(F32, 2**20, 2**19)
    one = program([type_], Map(Function.NEG, (0,), type_))
    assert batched(one, 2) is not None
    assert batched(one, 3) is None


def test_a_batch_of_none_is_none() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        batched(gather_of(3, 1), 0)
