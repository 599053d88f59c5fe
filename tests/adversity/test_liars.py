"""A liar on either side, at every depth and of every kind: the honest side wins, with its money."""

from __future__ import annotations

import pytest
from tests.adversity import tables
from tests.adversity.arena import Arena, Duel, Side, acquittal, changes, conviction, encodable
from tests.adversity.lies import lies
from tests.unit.dispute.test_player import FAMILIES, case_with

from aivm.dispute.game import Outcome
from aivm.dispute.moves import Move
from aivm.dispute.player import Provider


async def tempted(duel: Duel, honest: Side) -> None:
    """Play a game; before each move of the liar's, try every lie in its place, to the end."""
    outcome: Outcome | None = None
    while outcome is None:
        if duel.side is not honest:
            await every_lie(duel, honest)
        move = duel.legal_move()
        if move is not None:
            outcome = await duel.make(move)
        else:
            assert duel.side is not honest
            outcome = await duel.timeout()
    duel.arena.verdict(outcome, honest.victory)


async def every_lie(duel: Duel, honest: Side) -> None:
    """Each lie is refused, by the chain and by the rules; or it is accepted by both, and loses."""
    truth = duel.own_move()
    if truth is None:
        return
    told = [
        (what, move, data)
        for what, move in lies(truth)
        if (data := encodable(duel, move)) is not None and data != encodable(duel, truth)
    ]
    errors = await duel.arena.refusals([(duel.mover, data) for _, _, data in told])
    duel.arena.tally.lies += len(told)
    for (what, move, _), error in zip(told, errors, strict=True):
        allowed = duel.allows(move)
        assert allowed == (error == ""), (duel.state.phase, what, error)
        if allowed:
            await believed(duel.copy(), move, honest)


async def believed(duel: Duel, move: Move, honest: Side) -> None:
    """The lie has a legal form: the honest side wins all the same. Leaves the chain as it was."""
    arena = duel.arena
    before = await arena.devchain.snapshot()
    arena.tally.accepted += 1
    outcome = await duel.make(move)
    if outcome is None:
        await duel.finish(honest)
    else:
        arena.verdict(outcome, honest.victory)
    await arena.devchain.revert(before)


@pytest.mark.parametrize("name", tables.LAST)
async def test_a_lying_provider_is_convicted(name: str, arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(tables.cheat(name))
    await tempted(duel, Side.CHALLENGER)
    assert changes(before, await arena.money()) == conviction(arena.terms)


@pytest.mark.parametrize("name", tables.LAST)
async def test_a_lying_challenger_pays(name: str, arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(tables.slander(name))
    await tempted(duel, Side.PROVIDER)
    assert changes(before, await arena.money()) == acquittal(arena.terms)


SOURCES = {
    "input": lambda: tables.false_source("input"),
    "constant": lambda: tables.false_source("constant"),
    "output": tables.boast,
    "nan payload": tables.payload,
    "gather outside": lambda: tables.impossible("gather"),
    "scatter outside": lambda: tables.impossible("scatter"),
    "last sum": lambda: tables.cheat("lanes", Provider),
    "last state": lambda: tables.cheat("matmul", Provider),
}


@pytest.mark.parametrize("name", SOURCES)
async def test_what_a_provider_can_be_wrong_about(name: str, arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(SOURCES[name]())
    await tempted(duel, Side.CHALLENGER)
    assert changes(before, await arena.money()) == conviction(arena.terms)


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_a_wrong_bit_in_any_family(family: str, arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(tables.wrong_bit(*case_with(family, 3)))
    await duel.finish(Side.CHALLENGER)
    assert changes(before, await arena.money()) == conviction(arena.terms)


@pytest.mark.parametrize("value", [0, 1, 2, 35, 63, 64, 71, 72])
async def test_a_root_that_is_no_tensors(value: int, arena: Arena) -> None:
    """Wherever it stands in the trace, its owner cannot open it, or is shown the right one."""
    before = await arena.money()
    table = tables.cheat("map")
    table.provider.trace.roots[value] = bytes([value]) * 32
    duel = await arena.open(table)
    await duel.finish(Side.CHALLENGER)
    assert changes(before, await arena.money()) == conviction(arena.terms)
