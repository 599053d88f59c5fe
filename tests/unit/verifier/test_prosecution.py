"""From a false receipt to the award: through kills, outages, empty purses and rivals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.verifier.conftest import STAKE, TOKEN

from aivm.chain import client as chain_client
from aivm.dispute.state import game_id
from aivm.errors import ChainUnreachable
from aivm.litigation.tables import Pace
from aivm.verifier.states import State

AWARD = 200 * TOKEN  # 500 are taken, half is burned, a fifth of the rest is the client's
BOND = 100 * TOKEN


async def found_false(scene: Any, parts: Any, number: int = 1) -> Any:
    """A receipt that two engines have found false."""
    pair = await scene.receipt(number, false=True)
    entry, _ = await parts.intake.take(scene.submission(pair))
    parts.book.move(entry, State.FALSE)
    return parts.book.find(entry.receipt)


@asynccontextmanager
async def playing(parts: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    parts.conductor._pace = Pace(poll_seconds=0.05, slowest_retry_seconds=0.5)
    task = asyncio.create_task(parts.conductor.conduct(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def settled(parts: Any) -> None:
    """Until nothing is left to collect."""
    for _ in range(400):
        await parts.prosecutor.step()
        if await parts.chain.dispute.credit(parts.account.address) == 0:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the credit was not withdrawn")


async def until(parts: Any, entry: Any, state: State) -> Any:
    """The entry once it is in that state, with the prosecutor at work."""
    for _ in range(400):
        await parts.prosecutor.step()
        found = parts.book.find(entry.receipt)
        if found.state is state:
            return found
        await asyncio.sleep(0.05)
    pytest.fail(f"it is {found.state}, not {state}: {found.reason}")


async def over(scene: Any) -> None:
    """The provider's time passes in silence."""
    clock = (await scene.chain.dispute.terms()).clock
    await scene.devchain.advance(clock + 1)


async def worth(scene: Any, address: str) -> int:
    """What an account holds, and has in the dispute game."""
    chain = scene.chain
    return int(await chain.token.balance_of(address) + await chain.dispute.credit(address))


async def test_a_false_receipt_is_disputed_convicted_and_paid_for(scene: Any) -> None:
    address = scene.verifier.address
    before = await worth(scene, address)
    async with scene.parts() as parts, playing(parts):
        entry = await found_false(scene, parts)
        disputed = await until(parts, entry, State.DISPUTED)
        assert disputed.game == game_id(entry.receipt, address)
        assert await worth(scene, address) == before - BOND
        await over(scene)
        convicted = await until(parts, entry, State.CONVICTED)
        assert convicted.award == AWARD
        assert await worth(scene, address) == before + AWARD
        status = await parts.accounts.status()
        assert (status["won"], status["awarded"]) == (1, str(AWARD))
        await settled(parts)
        token = scene.chain.token
        assert await token.balance_of(address) == before + AWARD
        assert await token.balance_of(scene.world.client.address) == 50 * TOKEN
        assert parts.book.find(entry.receipt).reason == ""


async def test_a_game_whose_opening_was_taken_back_is_opened_again(scene: Any) -> None:
    async with scene.parts() as parts, playing(parts):
        entry = await found_false(scene, parts)
        parts.book.move(entry, State.DISPUTED, game=game_id(entry.receipt, scene.verifier.address))
        await parts.prosecutor.step()
        missed = parts.book.find(entry.receipt)
        assert (missed.state, missed.reason) == (State.DISPUTED, "the chain shows no such game")
        parts.book.postpone(entry.receipt, 0, missed.reason)
        found = await until(parts, entry, State.DISPUTED)
        assert found.reason == ""
        await over(scene)
        await until(parts, entry, State.CONVICTED)


async def test_an_outcome_while_nobody_was_there_is_read_afterwards(scene: Any) -> None:
    async with scene.parts() as parts, playing(parts):
        entry = await found_false(scene, parts)
        await until(parts, entry, State.DISPUTED)
        for _ in range(400):
            if parts.docket.open_cases:  # the conductor has read it
                break
            await asyncio.sleep(0.05)
        (case,) = parts.docket.open_cases
    await over(scene)
    await scene.chain.dispute.timeout(scene.devchain.accounts[5], case.state, case.receipt)
    async with scene.parts() as parts, playing(parts):
        found = await until(parts, entry, State.CONVICTED)
        assert found.award == AWARD


async def test_without_money_for_the_bond_it_waits_and_says_so(scene: Any) -> None:
    token, bank = scene.chain.token, scene.devchain.accounts[0]
    held = await token.balance_of(scene.verifier.address)
    await token.transfer(scene.verifier, bank.address, held - BOND + 1)
    async with scene.parts() as parts, playing(parts):
        entry = await found_false(scene, parts)
        await parts.prosecutor.step()
        found = parts.book.find(entry.receipt)
        assert found.state is State.FALSE
        assert "bond of 100 AIVM" in found.reason
        await token.transfer(bank, scene.verifier.address, 1)
        parts.book.postpone(entry.receipt, 0, found.reason)
        await until(parts, entry, State.DISPUTED)


async def test_what_brings_too_little_is_not_disputed_and_lapses(scene: Any) -> None:
    async with scene.parts(least_award=AWARD + 1) as parts:
        entry = await found_false(scene, parts)
        await parts.prosecutor.step()
        found = parts.book.find(entry.receipt)
        assert found.state is State.FALSE
        assert "would bring 200 AIVM" in found.reason
        await scene.devchain.advance(24 * 3600 + 1)
        parts.prosecutor._clock._read_at = None
        await parts.prosecutor.step()
        lapsed = parts.book.find(entry.receipt)
        assert (lapsed.state, lapsed.reason) == (State.LAPSED, found.reason)


async def test_open_disputes_of_ours_are_counted_against_the_stake(scene: Any) -> None:
    async with scene.parts() as parts:
        entries = [await found_false(scene, parts, number) for number in range(12)]
        assert await parts.prosecutor.expected_award(entries[0]) == AWARD
        for entry in entries[:10]:  # ten penalties are the whole stake
            parts.book.move(entry, State.DISPUTED)
        assert STAKE == 10 * 500 * TOKEN
        assert await parts.prosecutor.expected_award(entries[10]) == 0


async def test_a_rival_who_was_first_leaves_nothing_to_win(scene: Any) -> None:
    rival, token = scene.devchain.accounts[6], scene.chain.token
    await token.transfer(scene.devchain.accounts[0], rival.address, 1_000 * TOKEN)
    held = await worth(scene, scene.verifier.address)
    async with scene.parts() as parts:
        entry = await found_false(scene, parts)
        other = replace(scene, devchain=replace_verifier(scene, rival))
        other.config = replace(scene.config, state_dir=scene.config.state_dir / "rival")
        async with other.parts() as theirs, playing(theirs):
            first = await found_false(other, theirs)
            await until(theirs, first, State.DISPUTED)
            await over(scene)
            await until(theirs, first, State.CONVICTED)
        await parts.prosecutor.step()
        found = parts.book.find(entry.receipt)
        assert (found.state, found.reason) == (State.VOIDED, "another verifier was first")
        assert await worth(scene, scene.verifier.address) == held


def replace_verifier(scene: Any, account: Any) -> Any:
    """The same chain as another verifier's accounts have it."""

    class Seen:
        url = scene.devchain.url
        accounts = (*scene.devchain.accounts[:2], account)
        advance = scene.devchain.advance

    return Seen()


async def test_a_chain_that_is_away_for_a_while_costs_nothing(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = replace(chain_client.SendPolicy(), outage_seconds=0.2)
    monkeypatch.setattr("aivm.verifier.node.litigation_policy", lambda: impatient)
    async with scene.parts() as parts, playing(parts):
        entry = await found_false(scene, parts)
        rpc = parts.chain.rpc
        real, rpc.url = rpc.url, "http://127.0.0.1:1"
        parts.prosecutor._clock._read_at = None
        with pytest.raises(ChainUnreachable):
            await parts.prosecutor.step()
        pair = await scene.receipt(2)
        with pytest.raises(ChainUnreachable):
            await parts.intake.take(scene.submission(pair))
        status = await parts.accounts.status()
        assert status["balance"] is None
        assert status["receipts"]["false"] == 1
        rpc.url = real
        await until(parts, entry, State.DISPUTED)
        assert (await parts.intake.take(scene.submission(pair)))[1] is True


async def test_two_answers_to_one_job_are_reported_and_paid_for(scene: Any) -> None:
    token, address = scene.chain.token, scene.verifier.address
    before = await token.balance_of(address)
    async with scene.parts() as parts:
        for false in (False, True):
            pair = await scene.receipt(1, false=false)
            await parts.intake.take(scene.submission(pair))
        await parts.prosecutor.step()
        assert await token.balance_of(address) == before  # announced
    await scene.devchain.advance(5 * 60 + 1)
    async with scene.parts() as parts:  # after a restart
        await parts.prosecutor.step()
        (charge,) = parts.charges.all()
        assert (charge.state, charge.award) == ("reported", AWARD)
        assert await token.balance_of(address) == before + AWARD
        await parts.prosecutor.step()
        assert await token.balance_of(address) == before + AWARD


async def test_an_honest_receipt_brings_nobody_to_court(scene: Any) -> None:
    async with scene.parts() as parts:
        pair = await scene.receipt(1)
        entry, _ = await parts.intake.take(scene.submission(pair))
        await parts.examiner.step()
        await parts.prosecutor.step()
        assert parts.book.find(entry.receipt).state is State.HOLDS
        await parts.docket.poll()
        assert parts.docket.cases == ()
