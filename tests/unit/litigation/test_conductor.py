"""Whole disputes that nobody plays by hand, on a chain that does its worst."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.litigation.conftest import CHEAT, Court, OpenWorkers, inputs_of

from aivm.chain.cases import Status
from aivm.errors import NotAllowed
from aivm.litigation.conductor import Conductor
from aivm.litigation.tables import Pace


async def test_a_cheat_that_plays_by_itself_is_convicted_by_a_proof(
    court: Court, open_workers: OpenWorkers
) -> None:
    terms, before = court.terms, await court.tokens(3)
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        signed = await court.signed(theirs)
        async with court.playing(2, theirs), court.playing(3, ours) as challenger:
            game = await challenger.open(signed, court.world.package, inputs_of(0))
            case = await challenger.ended(game)
    assert case.status is Status.CONVICTED
    assert case.entries[-1].move == "prove"
    award = terms.penalty // 2
    assert await court.tokens(3) == before + award * 4 // 5
    await court.chain.dispute.compensate(court.devchain.accounts[6], case.receipt)
    assert await court.tokens(5) == award // 5
    assert await court.staked() == 5_000 * 10**18 - terms.penalty


async def test_an_honest_provider_keeps_its_stake_and_gets_its_part_of_the_bond(
    court: Court, open_workers: OpenWorkers
) -> None:
    """The challenger has nothing to show; when his time is over, the provider says so."""
    async with open_workers() as workers:
        signed = await court.signed(workers)
        await court.doubt(3, signed)
        async with court.playing(2, workers):
            await court.heard("Commit, block")
            await court.devchain.advance(court.terms.clock + 60)
            await court.heard("the receipt stands")
    assert await court.staked() == 5_000 * 10**18
    assert await court.tokens(1) == court.terms.bond // 2


async def test_a_right_receipt_is_not_doubted(court: Court, open_workers: OpenWorkers) -> None:
    before = await court.tokens(3)
    async with open_workers() as workers, court.playing(3, workers) as challenger:
        signed = await court.signed(workers)
        with pytest.raises(NotAllowed, match="the receipt is right"):
            await challenger.open(signed, court.world.package, inputs_of(0))
    assert await court.tokens(3) == before


async def test_while_nothing_is_due_the_chain_is_left_alone(
    court: Court, open_workers: OpenWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = Conductor.look

    async def counted(conductor: Conductor) -> None:
        nonlocal looks
        looks += 1
        await look(conductor)

    monkeypatch.setattr(Conductor, "look", counted)
    async with open_workers() as workers:
        await court.doubt(3, await court.signed(workers))
        async with court.playing(2, workers, pace=Pace(poll_seconds=1000)):
            await court.heard("Commit, block")
            await asyncio.sleep(0.3)  # the challenger is silent
    assert looks == 2  # at the start, and after the move
