"""Requests that run together answer, fail and are refused as if each ran alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from aivm.commitments import Array
from aivm.engines import Engine, Executable, open_engine
from aivm.engines.batches import Batches
from aivm.errors import AivmError, InvalidIndex, TooLarge, WrongTensor
from aivm.isa import Function, Gather, Map, Program, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing.engines import same

TABLE, INDEX = TensorType(DType.F32, (5,)), TensorType(DType.I64, (2,))
PICKED = TensorType(DType.F32, (2,))
PICK = Program(
    (TABLE, INDEX), (), (Gather((0, 1), PICKED, 1, 5, 1), Map(Function.NEG, (2,), PICKED)), (3, 2)
)


class Counting:
    """The native engine; notes the leading axis of what is loaded."""

    name = "counting"

    def __init__(self, largest: int = 100) -> None:
        self.engine = open_engine("native")
        self.largest = largest
        self.loaded: list[int] = []

    def load(self, program: Program, constants: Sequence[Array]) -> Executable:
        size = program.inputs[0].shape[0] if len(program.inputs[0].shape) > 1 else 1
        if size > self.largest:
            raise TooLarge("no room")
        self.loaded.append(size)
        return self.engine.load(program, constants)


def request(seed: int, *index: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=5).astype(np.float32), np.array(index, np.int64)]


def alone(inputs: list[Array]) -> list[Array]:
    return open_engine("reference").load(PICK, []).run(inputs)


def check(engine: Any, requests: list[list[Array]], sizes: Sequence[int] = (4, 2)) -> None:
    batches = Batches(engine, PICK, [], sizes)
    for outcome, inputs in zip(batches.run(requests), requests, strict=True):
        assert not isinstance(outcome, AivmError)
        assert all(map(same, outcome, alone(inputs)))
    batches.close()


@pytest.mark.parametrize("count", range(8))
def test_any_number_of_requests(count: int) -> None:
    engine = Counting()
    check(engine, [request(n, n % 5, -1) for n in range(count)])
    wanted = [1, *([4] if count >= 4 else []), *([2] if count % 4 >= 2 else [])]
    assert engine.loaded == wanted


def test_a_fault_is_its_own_requests_and_nobody_elses() -> None:
    engine: Engine = open_engine("native")
    requests = [request(0, 1, 2), request(1, 0, 5), request(2, -5, 4), request(3, 3, 3)]
    batches = Batches(engine, PICK, [])
    outcomes = batches.run(requests)
    assert isinstance(outcomes[1], InvalidIndex)
    for number in (0, 2, 3):
        outcome = outcomes[number]
        assert not isinstance(outcome, AivmError)
        assert all(map(same, outcome, alone(requests[number])))
    batches.close()


def test_a_wrong_tensor_is_refused_and_the_others_answered() -> None:
    batches = Batches(open_engine("native"), PICK, [])
    wrong = [np.zeros(6, np.float32), np.zeros(2, np.int64)]
    outcomes = batches.run([request(0, 1, 2), wrong, request(1, 0, 0)])
    assert [type(each) for each in outcomes] == [list, WrongTensor, list]
    batches.close()


def test_a_batch_that_does_not_fit_in_memory_is_cut() -> None:
    engine = Counting(largest=2)
    check(engine, [request(n, 0, 1) for n in range(5)])
    assert engine.loaded == [1, 2]


def test_a_program_that_cannot_be_batched_runs_one_by_one() -> None:
    type_ = TensorType(DType.F32, (1,) * 8)
    program = Program((type_,), (), (Map(Function.NEG, (0,), type_),), (1,))
    batches = Batches(open_engine("native"), program, [])
    one = np.ones(type_.shape, np.float32)
    outcomes = batches.run([[one], [2 * one]])
    assert [outcome[0].item() for outcome in outcomes if isinstance(outcome, list)] == [-1, -2]
    batches.close()
