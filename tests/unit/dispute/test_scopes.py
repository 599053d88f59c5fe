"""The interval in dispute only narrows, and ends where the proof is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from aivm.dispute.game import Outcome
from aivm.dispute.scopes import Scale, scopes_of
from aivm.isa import MatMul, Reduce, Reduction, TensorType
from aivm.isa.instructions import Instruction
from aivm.numerics.dtypes import DType

from .conftest import LiarWithStates, flipped, results_of, table
from .test_player import FAMILIES, case_with, long_game

ORDER = list(Scale)
LONG = {
    "matmul": MatMul((0, 1), TensorType(DType.F32, (120, 280))),
    "lanes": Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (120,)), 120, 300, 1),
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_scope_is_within_the_one_before_it(family: str) -> None:
    case, value = case_with(family, 3)
    honest, type_ = results_of(case), case.program.value_types[value]
    element = int(np.random.default_rng(1).integers(type_.elements))
    claimed = [*honest]
    claimed[value] = flipped(honest[value], element, 1)
    game = table(case, honest, claimed, LiarWithStates)
    assert game.play() is Outcome.CONVICTED
    scopes = scopes_of(game.states, type_)
    assert len(scopes) == len(game.states)
    for above, below in pairwise(scopes):
        assert below.low <= below.first < below.end <= below.high
        assert ORDER.index(above.scale) <= ORDER.index(below.scale)
        if above.scale is below.scale:
            assert above.first <= below.first and below.end <= above.end
            assert (above.low, above.high) == (below.low, below.high)
    shown = [scope for scope in scopes if scope.scale is Scale.ELEMENTS]
    assert all(scope.first <= element < scope.end for scope in shown)
    assert [scope for scope in scopes if scope.scale is Scale.TRACE][-1].first == value


@pytest.mark.parametrize(("name", "instruction"), LONG.items())
def test_long_games_go_down_every_scale(name: str, instruction: Instruction) -> None:
    game = long_game(instruction)
    assert game.play() is Outcome.CONVICTED
    scales = {scope.scale for scope in scopes_of(game.states, instruction.type)}
    assert scales == set(Scale) - ({Scale.LANES} if name == "matmul" else set())
