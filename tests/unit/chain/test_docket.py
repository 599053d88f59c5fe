"""Following disputes: whole games from the docket alone, ends, reorganisations, look-alikes."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest

from aivm.chain.address_book import AddressBook
from aivm.chain.cases import Payee, Payment, Side, Status
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.docket import Docket, first_block_since
from aivm.dispute.state import Phase
from aivm.errors import ChainRejected, NotFound
from aivm.receipts.addresses import ZERO_ADDRESS

from .games import MATMUL, SUM, Court, game_about


@pytest.fixture
async def court(deployed: Chain, devchain: DevChain) -> Court:
    return await Court.prepared(deployed, devchain)


@pytest.fixture
async def docket(court: Court) -> Docket:
    return Docket(court.chain, first_block=(await court.chain.block()).number)


async def test_players_who_know_only_the_docket_play_to_the_end(
    court: Court, docket: Docket
) -> None:
    game = await court.open(game_about(MATMUL, values=70))
    gas = []
    assert await docket.poll()
    while (case := docket.case(game)).is_open:
        assert case.state.hash == await court.chain.dispute.stored(game)
        assert case.mover is (Side.PROVIDER if case.state.phase.is_providers else Side.CHALLENGER)
        assert case.deadline == case.state.since + court.terms.clock - _used(case.state)
        gas.append(await court.play(case))
        assert await docket.poll()
    assert not await docket.poll()
    assert case.status is Status.CONVICTED
    assert (case.mover, case.deadline) == (None, None)
    names = [entry.move for entry in case.entries]
    assert names[:4] == ["open", "commit", "pick_value", "reveal_values"]
    assert names[-1] == "prove"
    assert [entry.by for entry in case.entries[:3]] == ["challenger", "provider", "challenger"]
    sent = [entry.sent for entry in case.entries if entry.sent]
    assert [each.gas for each in sent[1:]] == gas
    assert case.gas == sum(each.gas for each in sent)
    assert [each.time for each in sent[:-1]] == [
        case.opening.since,
        *(turn.after.since for turn in case.turns),
    ]
    assert case.rounds == sum(1 for entry in case.entries if entry.by is Side.PROVIDER)
    assert case.taken == court.terms.penalty


def _used(state: Any) -> int:
    left = state.provider_left if state.phase.is_providers else state.challenger_left
    return 3600 - left


async def test_the_end_says_who_got_what(court: Court, docket: Docket) -> None:
    game = await court.open(game_about(SUM))
    await docket.poll()
    while docket.case(game).is_open:
        await court.play(docket.case(game))
        await docket.poll()
    case, award = docket.case(game), court.terms.penalty // 2
    assert sorted(case.payments, key=lambda payment: payment.amount) == [
        Payment(Payee.CLIENT, court.devchain.accounts[5].address, award // 5),
        Payment(Payee.NOBODY, ZERO_ADDRESS, award),
        Payment(Payee.CHALLENGER, case.challenger, court.terms.bond + award * 4 // 5),
    ]


async def test_silence_ends_either_way(court: Court, docket: Docket) -> None:
    stranger = court.devchain.accounts[6]
    silent_provider = await court.open(game_about(MATMUL))
    silent_challenger = await court.open(game_about(SUM, lies=False))
    await docket.poll()
    await court.play(docket.case(silent_challenger))
    await docket.poll()
    await court.devchain.advance(court.terms.clock + 1)
    for game in (silent_provider, silent_challenger):
        case = docket.case(game)
        await court.chain.dispute.timeout(stranger, case.state, case.receipt)
    await docket.poll()
    convicted, acquitted = docket.case(silent_provider), docket.case(silent_challenger)
    assert (convicted.status, acquitted.status) == (Status.CONVICTED, Status.ACQUITTED)
    for case in (convicted, acquitted):
        assert (case.entries[-1].move, case.entries[-1].by) == ("timeout", Side.ANYONE)
    half = court.terms.bond // 2
    assert set(acquitted.payments) == {
        Payment(Payee.NOBODY, ZERO_ADDRESS, half),
        Payment(Payee.PROVIDER, acquitted.provider, half),
    }
    assert docket.open_cases == ()


async def test_several_games_at_once_and_a_void_one(court: Court, docket: Docket) -> None:
    table = game_about(MATMUL)
    signed = await court.signed(table)
    first = await court.open(table, 3, signed)
    second = await court.open(table, 4, signed)
    other = await court.open(game_about(SUM), 4)
    await docket.poll()
    assert [case.game for case in docket.cases] == [first, second, other]
    while docket.case(first).is_open:
        for game in (first, other):
            if docket.case(game).is_open:
                await court.play(docket.case(game))
        await docket.poll()
    late = docket.case(second)
    assert late.is_open and late.state.phase is Phase.COMMIT
    await court.chain.dispute.void(court.devchain.accounts[6], late.state)
    await docket.poll()
    late = docket.case(second)
    assert (late.status, late.entries[-1].move, late.taken) == (Status.VOIDED, "void", 0)
    assert late.payments == (Payment(Payee.CHALLENGER, late.challenger, court.terms.bond),)
    assert docket.case(late.state.receipt) == late, "the newest of two about one receipt"


async def test_who_lost_may_open_the_same_game_again(court: Court, docket: Docket) -> None:
    table = game_about(MATMUL, lies=False)
    signed = await court.signed(table)
    game = await court.open(table, 3, signed)
    await docket.poll()
    await court.play(docket.case(game))
    await court.devchain.advance(court.terms.clock + 1)
    await docket.poll()
    case = docket.case(game)
    await court.chain.dispute.timeout(court.devchain.accounts[6], case.state, case.receipt)
    assert await court.open(table, 3, signed) == game
    await docket.poll()
    assert [case.status for case in docket.cases] == [Status.ACQUITTED, Status.OPEN]
    assert docket.case(game).entries[-1].move == "open"


async def test_a_reorganisation_takes_moves_back(court: Court, docket: Docket) -> None:
    game = await court.open(game_about(MATMUL))
    await docket.poll()
    before = docket.case(game)
    fork = await court.devchain.snapshot()
    for _ in range(3):
        await court.play(docket.case(game))
        await docket.poll()
    assert len(docket.case(game).turns) == 3

    await court.devchain.revert(fork)
    await docket.poll()
    assert docket.case(game) == before

    await court.devchain.advance(60)  # so that the new blocks differ from the old ones
    fork = await court.devchain.snapshot()
    await court.play(docket.case(game))
    await docket.poll()
    assert docket.case(game).turns[0].after.provider_left < court.terms.clock - 59
    while docket.case(game).is_open:
        await court.play(docket.case(game))
        await docket.poll()
    assert docket.case(game).status is Status.CONVICTED

    await court.devchain.revert(fork)
    await docket.poll()
    assert docket.case(game).is_open, "a conviction can be taken back"
    assert docket.case(game).state == before.state


async def test_a_game_that_a_reorganisation_took_away_is_gone(court: Court, docket: Docket) -> None:
    fork = await court.devchain.snapshot()
    game = await court.open(game_about(MATMUL))
    await docket.poll()
    assert docket.case(game).is_open
    await court.devchain.revert(fork)
    await docket.poll()
    assert docket.cases == ()
    with pytest.raises(NotFound, match="no dispute"):
        docket.case(game)


async def test_a_transaction_that_moved_to_another_block_is_told_once(
    court: Court, docket: Docket
) -> None:
    game = await court.open(game_about(MATMUL))
    await docket.poll()
    fork = await court.devchain.snapshot()
    await court.play(docket.case(game))
    await docket.poll()
    (before,) = docket.cases
    raw = await court.chain.rpc.call("eth_getRawTransactionByHash", before.entries[-1].transaction)
    await court.devchain.revert(fork)
    await court.devchain.advance(60)
    await court.chain.rpc.call("eth_sendRawTransaction", raw)
    await court.devchain.mine()
    await docket.poll()
    (case,) = docket.cases
    assert [entry.move for entry in case.entries] == ["open", "commit"]
    assert case.entries[-1].transaction == before.entries[-1].transaction
    assert case.entries[-1].block_number == before.entries[-1].block_number + 1
    assert case.entries[-1].sent and before.entries[-1].sent
    assert case.entries[-1].sent.time > before.entries[-1].sent.time + 30


@pytest.mark.parametrize("seed", range(2))
async def test_a_docket_is_as_one_that_reads_all_anew(
    court: Court, docket: Docket, seed: int
) -> None:
    """Games, forks and silence in any order; sometimes the docket looks only later."""
    dice, forks = random.Random(seed), [await court.devchain.snapshot()]
    first = (await court.chain.block()).number
    for _ in range(50):
        match dice.randrange(10):
            case 0:
                with suppress(ChainRejected):  # two receipts of one second are one
                    await court.open(game_about(SUM), dice.choice((3, 4)))
            case 1:
                forks.append(await court.devchain.snapshot())
            case 2 if len(forks) > 1:
                await court.devchain.revert(forks.pop())
                await court.devchain.advance(dice.randrange(1, 9))
            case 3:
                await court.devchain.mine(dice.randrange(1, 4))
            case _:
                await docket.poll()
                if docket.open_cases:
                    await court.play(dice.choice(docket.open_cases))
        if dice.randrange(3):
            anew = Docket(court.chain, first_block=first)
            await anew.poll()
            await docket.poll()
            assert docket.cases == anew.cases


async def test_what_look_alikes_say_is_not_heard(court: Court, docket: Docket) -> None:
    """The same code at another address, of an attacker's own network on the same chain."""
    book: AddressBook = await court.devchain.deploy()
    async with await Chain.connect(court.devchain.url, book) as theirs:
        other = await Court.prepared(theirs, court.devchain)
        game = await other.open(game_about(MATMUL))
        await docket.poll()
        assert docket.cases == ()
        own = Docket(theirs)
        await own.poll()
        assert own.case(game).is_open


async def test_a_game_from_before_the_first_block_is_not_followed(court: Court) -> None:
    game = await court.open(game_about(MATMUL))
    whole = Docket(court.chain)
    await whole.poll()
    late = Docket(court.chain, first_block=(await court.chain.block()).number + 1)
    await court.play(whole.case(game))
    await late.poll()
    assert late.cases == ()


async def test_unknown_transactions_are_asked_for_again(
    court: Court, docket: Docket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await docket.poll()
    game = await court.open(game_about(MATMUL))
    plain = court.chain.rpc.batch

    async def lagging(calls: Any) -> list[Any]:
        return [None for _ in await plain(calls)]

    with monkeypatch.context() as patched:
        patched.setattr(court.chain.rpc, "batch", lagging)
        await docket.poll()
    case = docket.case(game)
    assert (case.entries[0].sent, case.gas, case.payments) == (None, 0, ())
    assert await docket.poll()
    assert docket.case(game).gas > 0
    assert not await docket.poll()


async def test_an_idle_poll_costs_two_questions(
    court: Court, docket: Docket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await court.open(game_about(MATMUL))
    await docket.poll()
    asked: list[str] = []
    plain = court.chain.rpc._exchange

    async def counted(payload: Any, *, repeatable: bool) -> Any:
        asked.append(payload["method"] if isinstance(payload, dict) else "batch")
        return await plain(payload, repeatable=repeatable)

    monkeypatch.setattr(court.chain.rpc, "_exchange", counted)
    assert not await docket.poll()
    assert asked == ["eth_getBlockByNumber", "eth_blockNumber"]


async def test_the_first_block_since_a_time(deployed: Chain, devchain: DevChain) -> None:
    await devchain.advance(1000)
    head = await deployed.block()
    await devchain.advance(1000)
    assert await first_block_since(deployed, 0) == 0
    assert await first_block_since(deployed, head.time) == head.number
    assert await first_block_since(deployed, head.time + 1) == head.number + 1
    latest = await deployed.block()
    assert await first_block_since(deployed, latest.time + 1) == latest.number + 1


async def test_two_polls_at_once_take_turns(court: Court, docket: Docket) -> None:
    await court.open(game_about(MATMUL))
    await asyncio.gather(*(docket.poll() for _ in range(5)))
    assert len(docket.open_cases) == 1
