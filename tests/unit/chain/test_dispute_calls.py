"""Moves as calls: every kind of move has one, and the contract's ABI takes its arguments."""

from __future__ import annotations

import numpy as np
from tests.unit.dispute.conftest import LiarWithStates, flipped, results_of, table

from aivm.chain import artifact
from aivm.chain.dispute_calls import call_of, packed_state, state_of
from aivm.dispute.game import Outcome
from aivm.testing.programs import random_program


def test_every_move_of_many_games_encodes() -> None:
    abi, seen = artifact.load("DisputeGame").abi, set()
    for seed in range(40):
        case = random_program(seed)
        honest = results_of(case)
        value = next((v for v in range(len(honest) - 1, 0, -1) if honest[v].size), None)
        if value is None or value < case.program.first_instruction:
            continue
        claimed = [*honest]
        claimed[value] = flipped(
            honest[value], int(np.argmax(honest[value])) % honest[value].size, 0
        )
        game = table(case, honest, claimed, LiarWithStates)
        assert game.play() is Outcome.CONVICTED
        for state, move in zip(game.states, game.history, strict=True):
            function, arguments = call_of(state, move, game.provider.receipt)
            assert len(abi.encode_call(function, arguments)) > 8 * 32
            assert state_of(packed_state(state)) == state
            seen.add(function)
    assert seen >= {"commit", "pick", "revealTensor", "revealLeaves", "proveElement"}
