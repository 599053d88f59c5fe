"""Disputes that go on whatever happens to the players, the node and the chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.unit.chain.test_transactions import lossy_proxy
from tests.unit.litigation.conftest import CHEAT, Court, OpenWorkers, inputs_of

from aivm.chain.cases import Case, Status
from aivm.chain.docket import Docket
from aivm.chain.fees import GWEI
from aivm.errors import NotFound
from aivm.litigation.conductor import Conductor
from aivm.workers.pool import WorkerPool

pytestmark = pytest.mark.usefixtures("anvil_path")


@asynccontextmanager
async def both(open_workers: OpenWorkers) -> AsyncIterator[tuple[WorkerPool, WorkerPool]]:
    """The cheat's worker and the challenger's."""
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        yield theirs, ours


async def until_moved(court: Court, game: bytes, moves: int) -> Case:
    """Wait until a game has had so many moves or has ended."""
    docket = Docket(court.chain)
    for _ in range(1500):
        await docket.poll()
        try:
            case = docket.case(game)
        except NotFound:
            continue
        if not case.is_open or len(case.turns) >= moves:
            return case
        await asyncio.sleep(0.02)
    raise AssertionError(f"the game never had {moves} moves; {court.said}")


async def opened(court: Court, challenger: Conductor, theirs: WorkerPool) -> bytes:
    """A game about a false receipt."""
    signed = await court.signed(theirs)
    return await challenger.open(signed, court.world.package, inputs_of(0))


async def test_players_that_forget_everything_after_every_step_still_decide_it(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with both(open_workers) as (theirs, ours):
        game = await court.doubt(3, await court.signed(theirs))
        for _ in range(40):
            for number, workers in ((2, theirs), (3, ours)):
                async with court.connected() as chain:
                    conductor = court.conductor(chain, number, workers)
                    await conductor.look()
                    steps = [table.step for table in conductor._tables.values() if table.step]
                    await asyncio.gather(*steps)
            case = await until_moved(court, game, 0)
            if not case.is_open:
                break
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


async def test_a_reorganisation_takes_moves_back_and_they_are_made_again(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with (
        both(open_workers) as (theirs, ours),
        court.playing(2, theirs),
        court.playing(3, ours) as challenger,
    ):
        signed = await court.signed(theirs)
        game = await court.doubt(3, signed)
        after_opening = await court.devchain.snapshot()
        await until_moved(court, game, 4)
        await court.devchain.revert(after_opening)
        case = await challenger.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


async def test_a_reorganisation_takes_the_opening_back_and_it_is_opened_again(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with (
        both(open_workers) as (theirs, ours),
        court.playing(2, theirs),
        court.playing(3, ours) as challenger,
    ):
        before_opening = await court.devchain.snapshot()
        game = await opened(court, challenger, theirs)
        ending = asyncio.create_task(challenger.ended(game))
        await until_moved(court, game, 3)
        await court.devchain.revert(before_opening)
        with pytest.raises(NotFound, match="taken back the opening"):
            await ending
        await court.heard("is gone")
        game = await opened(court, challenger, theirs)
        case = await challenger.ended(game)
    assert case.status is Status.CONVICTED


@asynccontextmanager
async def dear_blocks(court: Court, base_fee: int) -> AsyncIterator[None]:
    """A block every moment, from now on at that base fee."""
    rpc = court.devchain.rpc

    async def mine() -> None:
        while True:
            await rpc.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            await court.devchain.mine()
            await asyncio.sleep(0.05)

    await court.devchain.set_automine(False)
    mining = asyncio.create_task(mine())
    try:
        yield
    finally:
        mining.cancel()
        await asyncio.gather(mining, return_exceptions=True)
        await rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await court.devchain.set_automine(True)
        await court.devchain.mine()


async def test_moves_get_in_when_fees_jump_tenfold_while_they_wait(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with (
        both(open_workers) as (theirs, ours),
        court.playing(2, theirs),
        court.playing(3, ours) as challenger,
    ):
        game = await opened(court, challenger, theirs)
        await until_moved(court, game, 1)
        await court.devchain.set_automine(False)
        await asyncio.sleep(0.3)  # whoever is to move waits in the pool, with an offer of before
        now = int(await court.devchain.rpc.call("eth_gasPrice"), 16)
        async with dear_blocks(court, 10 * now):
            case = await challenger.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


async def test_a_move_over_the_cap_is_spoken_about_and_made_when_fees_fall(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with (
        both(open_workers) as (theirs, ours),
        court.connected(max_gas_price=20 * GWEI) as capped,
        court.playing(3, ours) as challenger,
    ):
        game = await opened(court, challenger, theirs)
        async with dear_blocks(court, 50 * GWEI):
            conductor = court.conductor(capped, 2, theirs)
            stop = asyncio.Event()
            playing = asyncio.create_task(conductor.conduct(stop))
            await court.heard("the cap is 20 gwei")
        case = await challenger.ended(game)
        stop.set()
        await playing
    assert case.entries[-1].move == "prove"


async def test_a_node_that_is_out_of_reach_for_a_while_delays_and_no_more(
    court: Court, open_workers: OpenWorkers
) -> None:
    dark = asyncio.Event()
    async with (
        both(open_workers) as (theirs, ours),
        lossy_proxy(court.devchain.url, lambda _: dark.is_set()) as (url, _),
        court.playing(2, theirs),
        court.playing(3, ours, url) as challenger,
    ):
        game = await opened(court, challenger, theirs)
        await until_moved(court, game, 2)
        dark.set()
        await court.heard("the chain is out of reach")
        dark.clear()
        case = await challenger.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


async def test_two_processes_of_one_player_harm_nothing(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with (
        both(open_workers) as (theirs, ours),
        court.playing(2, theirs),
        court.playing(2, theirs),
        court.playing(3, ours) as one,
        court.playing(3, ours),
    ):
        game = await court.doubt(3, await court.signed(theirs))
        case = await one.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


async def test_several_games_at_once_and_the_second_about_a_receipt_gets_its_bond_back(
    court: Court, open_workers: OpenWorkers
) -> None:
    before = await court.tokens(4)
    async with (
        both(open_workers) as (theirs, ours),
        court.playing(2, theirs),
        court.playing(3, ours) as first,
        court.playing(4, ours) as second,
    ):
        signed = [await court.signed(theirs, number) for number in range(3)]
        late = await court.doubt(4, signed[0])
        games = await asyncio.gather(
            *(
                first.open(each, court.world.package, inputs_of(number))
                for number, each in enumerate(signed)
            )
        )
        cases = [await first.ended(game) for game in games]
        other = await second.ended(late)
    outcomes = {case.status for case in cases[1:]}
    assert outcomes == {Status.CONVICTED}
    # Who of the two was faster with receipt 0 is convicted for, and the other has lost nothing.
    assert {cases[0].status, other.status} == {Status.CONVICTED, Status.VOIDED}
    assert await court.tokens(4) >= before
    assert await court.staked() == 5_000 * 10**18 - 3 * court.terms.penalty


async def test_silence_is_ended_by_whoever_waits(court: Court, open_workers: OpenWorkers) -> None:
    async with both(open_workers) as (theirs, ours), court.playing(3, ours) as challenger:
        game = await opened(court, challenger, theirs)
        await court.devchain.advance(court.terms.clock + 60)
        case = await challenger.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "timeout"


async def test_who_comes_too_late_sends_nothing_and_says_so(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with open_workers() as workers:
        await court.doubt(3, await court.signed(workers))
        await court.devchain.advance(court.terms.clock + 60)
        async with court.playing(2, workers):
            await court.heard("our time is over")
    hot = court.world.hot_key.address
    assert await court.chain.rpc.call("eth_getTransactionCount", hot, "latest") == "0x0"


async def test_a_key_without_gas_money_waits_for_it(
    court: Court, open_workers: OpenWorkers
) -> None:
    hot = court.world.hot_key.address
    async with open_workers() as workers:
        game = await court.doubt(3, await court.signed(workers))
        await court.devchain.fund(hot, 1)
        async with court.playing(2, workers):
            await court.heard("cannot pay the gas")
            await court.devchain.fund(hot)
            await until_moved(court, game, 1)


async def test_inputs_that_are_not_kept_are_asked_for_again(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with open_workers() as workers:
        signed = await court.signed(workers)
        game = await court.doubt(3, signed)
        kept = court.briefs.pop(signed.receipt.job)
        async with court.playing(2, workers):
            await court.heard("the inputs of this job are not kept")
            court.briefs[signed.receipt.job] = kept
            await until_moved(court, game, 1)


async def test_a_rotated_key_still_defends_what_it_signed(
    court: Court, open_workers: OpenWorkers
) -> None:
    owner, old, new = court.world.owner, court.world.hot_key, court.devchain.accounts[6]
    async with open_workers() as workers:
        signed = await court.signed(workers)
        await court.devchain.advance(700)
        await court.chain.staking.rotate_hot_key(owner, new.address)
        game = await court.doubt(3, signed)
        court.devchain.accounts = (*court.devchain.accounts[:2], new, *court.devchain.accounts[3:])
        async with court.playing(2, workers):
            await court.heard(f"needs the key {old.address}")
        async with court.playing(2, workers, former=[old]):
            case = await until_moved(court, game, 1)
    assert case.state.defender == old.address
