"""Liars tell one lie, and everything that leads to it."""

from __future__ import annotations

import numpy as np
import pytest

from aivm.dispute.trace import Trace
from aivm.dispute.values import Held
from aivm.isa import MatMul, Program, Reduce, Reduction
from aivm.isa.instructions import Instruction, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing.liars import FalseMemory, said

ROW, COLUMN, ONE = (TensorType(DType.F32, shape) for shape in ((1, 40), (40, 1), (1, 1)))
ENDS = {1, 20, 21, 40}


def lie_about(instruction: Instruction) -> tuple[Trace, FalseMemory]:
    """The truth about a program of two such instructions, and a lie about the first of them."""
    program = Program((ROW, COLUMN), (), (instruction, instruction), (3,))
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=type_.shape).astype("<f4") for type_ in (ROW, COLUMN))
    result = np.full((1, 1), 7, "<f4")  # what it truly is does not matter here
    true = Held(program, [x, y, result, result])
    return Trace(program, true), FalseMemory(program, said(program, true, 2, 0, flip=1))


def test_one_value_is_other_and_all_later_roots_are() -> None:
    right, wrong = lie_about(MatMul((0, 1), ONE))
    assert wrong.roots[:2] == right.roots[:2]
    assert all(
        mine != theirs for mine, theirs in zip(wrong.roots[2:], right.roots[2:], strict=True)
    )
    assert wrong.word(2, 0) == right.word(2, 0) ^ 1
    assert wrong.word(1, 5) == right.word(1, 5)


def test_a_chain_is_wrong_from_its_middle_and_ends_in_the_lie() -> None:
    right, wrong = lie_about(MatMul((0, 1), ONE))
    true, told = (trace.states(2, 0, None, ENDS) for trace in (right, wrong))
    assert told[:2] == true[:2]
    assert told[2] == (true[2][0] ^ 8,)
    assert told[3] == (wrong.word(2, 0),)


@pytest.mark.parametrize("lane", [2, 3])
def test_a_lane_ends_in_what_was_said_of_it(lane: int) -> None:
    right, wrong = lie_about(Reduce(Reduction.SUM, (0,), ONE, 1, 40, 1))
    changed = [at for at in range(16) if right.lanes(2, 0)[at] != wrong.lanes(2, 0)[at]]
    assert changed == [3]
    assert wrong.states(2, 0, lane, {3}) == [(wrong.lanes(2, 0)[lane],)]
