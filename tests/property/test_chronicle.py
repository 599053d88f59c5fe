"""A challenger that remembers nothing plays as one that remembers everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dispute.conftest import LiarWithStates, Table, flipped, results_of, table
from tests.unit.dispute.events import told
from tests.unit.dispute.test_player import FAMILIES, LONG, case_with, little, long_game

from aivm.dispute import moves
from aivm.dispute.chronicle import Happening, Moved, history_of, turns_of
from aivm.dispute.game import Outcome
from aivm.dispute.state import State
from aivm.isa import MatMul, Reduce, Reduction, TensorType
from aivm.isa.instructions import Instruction
from aivm.numerics.dtypes import DType
from aivm.testing.programs import RandomProgram


def play_and_forget(game: Table) -> int:
    """Play a game to its conviction; before every move the challenger's memory is what the chain
    tells. Returns the number of moves."""
    state = game.open()
    happenings: list[Happening] = [Moved(state)]
    tree, receipt = game.provider.program, game.provider.receipt
    while True:
        turns = turns_of(happenings)
        assert [turn.after for turn in turns] == game.states[1:]
        history = history_of(receipt, tree, turns)
        assert history == [m for m in game.history if not isinstance(m, moves.PickElement)]
        if not state.phase.is_providers:
            remembered = game.challenger.move(state, game.history)
            assert game.challenger.move(state, history) == remembered
        result = game.step(state)
        if not isinstance(result, State):
            assert result is Outcome.CONVICTED
            return len(game.history)
        state = result
        game.states.append(state)
        happenings += told(game.history[-1], state)


@settings(max_examples=60)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(0, 2**32 - 1))
def test_games_about_any_family(family: str, seed: int) -> None:
    case, value = case_with(family, seed)
    rng = np.random.default_rng(seed)
    honest, type_ = results_of(case), case.program.value_types[value]
    element, bit = rng.integers(type_.elements), rng.integers(8 * type_.dtype.size_bytes)
    claimed = [*honest]
    claimed[value] = flipped(honest[value], int(element), int(bit))
    play_and_forget(table(case, honest, claimed, LiarWithStates))


LONG_GAMES = {
    "matmul": MatMul((0, 1), TensorType(DType.F32, (120, 280))),
    "lanes": Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (120,)), 120, 300, 1),
    "arg": Reduce(Reduction.ARG_MAX, (0,), TensorType(DType.I64, (120,)), 120, 300, 1),
}


@pytest.mark.parametrize("name", LONG_GAMES)
def test_games_with_many_values_and_leaves(name: str) -> None:
    assert play_and_forget(long_game(LONG_GAMES[name])) > 8


@pytest.mark.parametrize(("name", "instruction"), LONG)
def test_games_about_long_chains(name: str, instruction: Instruction) -> None:
    types = (TensorType(DType.F32, (2, 2500)), TensorType(DType.F32, (2500, 3)))
    program = little(instruction, inputs=types)
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in types)
    case = RandomProgram(0, program, (), inputs)
    honest = results_of(case)
    claimed = [*honest[:2], flipped(honest[2], 1, 3)]
    assert play_and_forget(table(case, honest, claimed, LiarWithStates)) > 6, name
