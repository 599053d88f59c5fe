"""What no game can have told is refused. Whole games: tests/property/test_chronicle.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aivm.dispute.chronicle import (
    Happening,
    Moved,
    Posted,
    Revealed,
    history_of,
    turns_of,
)
from aivm.dispute.state import Phase
from aivm.dispute.trace import ProgramTree
from aivm.errors import BadInput, WrongChain
from aivm.isa import Fill
from aivm.testing.programs import random_program

from .conftest import Table, flipped, results_of, table
from .events import told


@pytest.fixture(scope="module")
def game() -> Table:
    """A game that was played to its end."""
    case = random_program(3)
    honest = results_of(case)
    value = len(honest) - 1
    played = table(case, honest, [*honest[:-1], flipped(honest[value], 0, 1)])
    played.play()
    return played


@pytest.fixture
def happenings(game: Table) -> list[Happening]:
    found: list[Happening] = [Moved(game.states[0])]
    for move, after in zip(game.history, game.states[1:], strict=False):
        found += told(move, after)
    return found


def test_an_opened_game_has_no_turns(happenings: list[Happening]) -> None:
    assert turns_of(happenings[:1]) == []


def test_the_first_turn_is_the_commitment(game: Table, happenings: list[Happening]) -> None:
    first = turns_of(happenings)[0]
    commit = game.history[0]
    assert (first.before, first.after) == tuple(game.states[:2])
    assert (first.outputs, first.nodes) == (commit.outputs, commit.nodes)  # type: ignore[union-attr]


def test_postings_may_come_in_any_order(happenings: list[Happening]) -> None:
    committed, revealed, moved = happenings[1:4]
    turns = [
        turns_of([happenings[0], *order])
        for order in ([committed, revealed, moved], [moved, revealed, committed])
    ]
    assert turns[0] == turns[1]


def test_what_is_told_must_be_whole(happenings: list[Happening]) -> None:
    opening, committed, revealed, moved = happenings[:4]
    wrong: list[list[Happening]] = [
        [committed],
        [opening, committed, moved],
        [opening, committed, committed, revealed, moved],
        [opening, moved, moved],
        [opening, Posted(b""), moved],
        [opening, committed, revealed, moved, Revealed(())],
        [opening, committed],
    ]
    for events in wrong:
        with pytest.raises(WrongChain):
            turns_of(events)


def test_a_choice_needs_something_to_choose_from(happenings: list[Happening], game: Table) -> None:
    turns = turns_of(happenings)
    assert turns[1].before.phase is Phase.PICK_VALUE
    with pytest.raises(WrongChain, match="before any posting"):
        history_of(game.provider.receipt, game.provider.program, turns[1:])


def test_another_program_is_refused(game: Table, happenings: list[Happening]) -> None:
    turns = turns_of(happenings)
    assert any(turn.before.phase is Phase.REVEAL_TENSOR for turn in turns)
    receipt, program = game.provider.receipt, game.provider.program.program
    with pytest.raises(BadInput, match="not the one that the receipt names"):
        history_of(receipt, ProgramTree(random_program(99).program), turns)
    swapped = (*program.instructions[:-1], Fill(program.instructions[-1].type, 1))
    with pytest.raises(BadInput, match="not the one that the receipt names"):
        history_of(receipt, ProgramTree(replace(program, instructions=swapped)), turns)
