"""What is due in a game, from nothing but the game, the side and the time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aivm.chain.cases import Case, Side, Status
from aivm.dispute.state import Phase, State
from aivm.litigation.duties import Due, due
from aivm.litigation.tables import Pace, Table

NOBODY = "0x" + "00" * 20
STATE = State(bytes(32), NOBODY, NOBODY, Phase.COMMIT, 1000, 100, 50, 1, 0, 1, 1)


def game(phase: Phase, status: Status = Status.OPEN) -> Case:
    receipt: Any = None
    state = replace(STATE, phase=phase)
    return Case(
        game=bytes(32),
        receipt=receipt,
        challenger=NOBODY,
        opening=state,
        turns=(),
        status=status,
        taken=0,
        payments=(),
        entries=(),
        position=(0, 0),
    )


PROVIDERS, CHALLENGERS = game(Phase.COMMIT), game(Phase.PICK_VALUE)  # until 1050, and until 1100
P, C = Side.PROVIDER, Side.CHALLENGER


@pytest.mark.parametrize(
    ("case", "side", "block_time", "time", "expected"),
    [
        (PROVIDERS, P, 1050, 1060, Due.MOVE),
        (PROVIDERS, P, 1051, 1051, Due.LATE),
        (PROVIDERS, C, 1050, 1050, Due.NOTHING),
        (PROVIDERS, C, 1000, 1051, Due.TIMEOUT),
        (CHALLENGERS, C, 1100, 1100, Due.MOVE),
        (CHALLENGERS, C, 1101, 1101, Due.LATE),
        (CHALLENGERS, P, 1100, 1100, Due.NOTHING),
        (CHALLENGERS, P, 1000, 1101, Due.TIMEOUT),
        (game(Phase.COMMIT, Status.CONVICTED), P, 1000, 1000, Due.NOTHING),
        (game(Phase.COMMIT, Status.VOIDED), C, 5000, 5000, Due.NOTHING),
    ],
)
def test_moves_and_ends_by_the_clock(
    case: Case, side: Side, block_time: int, time: int, expected: Due
) -> None:
    assert due(case, side, block_time=block_time, time=time, convicted=False) is expected


@pytest.mark.parametrize("case", [PROVIDERS, CHALLENGERS])
@pytest.mark.parametrize("time", [1000, 5000])
def test_after_a_conviction_elsewhere_the_bond_is_fetched(case: Case, time: int) -> None:
    assert due(case, C, block_time=time, time=time, convicted=True) is Due.VOID
    assert due(case, P, block_time=time, time=time, convicted=True) is Due.NOTHING


def test_what_fails_waits_longer_each_time_until_the_game_has_gone_on() -> None:
    table = Table(PROVIDERS)
    assert table.is_ready(7)
    table.failed(Pace(poll_seconds=1000))
    assert not table.is_ready(7)
    table.see(PROVIDERS)
    assert not table.is_ready(7)
    table.see(CHALLENGERS)
    assert table.is_ready(7)


def test_a_node_that_lags_behind_is_waited_for() -> None:
    table = Table(PROVIDERS)
    table.moved(PROVIDERS.state, 8, Pace(lag_seconds=1000))
    assert not table.is_ready(8)
    assert table.is_ready(9)  # a later block has the old state still: the move was taken back
    table.see(CHALLENGERS)
    assert table.is_ready(8)


def test_a_chain_that_stands_still_after_a_reorganisation_is_not_waited_for() -> None:
    table = Table(PROVIDERS)
    table.moved(PROVIDERS.state, 8, Pace(lag_seconds=-1))
    assert table.is_ready(7)


def test_nothing_is_said_twice_in_a_row() -> None:
    table = Table(PROVIDERS)
    assert [table.is_news(each) for each in ("a", "a", "b", "a")] == [True, False, True, True]
