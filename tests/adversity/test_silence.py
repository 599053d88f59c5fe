"""Time: who is silent loses, not a second too early; and nobody's money stays behind."""

from __future__ import annotations

import pytest
from tests.adversity import tables
from tests.adversity.arena import (
    OTHER,
    PROVIDER,
    STRANGER,
    Arena,
    Duel,
    Side,
    acquittal,
    changes,
    conviction,
)

from aivm.chain.dispute_calls import packed_state, receipt_fields
from aivm.dispute.game import Outcome
from aivm.errors import ChainRejected


async def at(arena: Arena, time: int) -> None:
    """Mine a block of that time; calls then see it."""
    await arena.devchain.rpc.call("evm_setNextBlockTimestamp", time)
    await arena.devchain.mine()
    assert await arena.now() == time


def timeout_call(duel: Duel) -> bytes:
    arguments = [packed_state(duel.state), receipt_fields(duel.receipt)]
    return duel.arena.game.abi.encode_call("timeout", arguments)


async def silence(duel: Duel) -> None:
    """The mover has until its last second, and loses in the next; a stranger says so."""
    arena, state, side = duel.arena, duel.state, duel.side
    move = duel.own_move()
    stranger, end = (arena.address(STRANGER), timeout_call(duel)), state.since
    end += state.provider_left if side is Side.PROVIDER else state.challenger_left
    await at(arena, end)
    assert await arena.refusals([stranger]) == ["NotYetOver"]
    if move is not None and duel.allows(move):
        assert await arena.refusals([(duel.mover, duel.calldata(move))]) == [""]
    await at(arena, end + 1)
    assert await arena.refusals([stranger]) == [""]
    if move is not None and duel.allows(move):
        assert await arena.refusals([(duel.mover, duel.calldata(move))]) == ["TimeOver"]
    outcome = await duel.timeout()
    assert outcome is (Outcome.CONVICTED if side is Side.PROVIDER else Outcome.ACQUITTED)


@pytest.mark.parametrize("name", tables.LAST)
async def test_silence_at_every_move_loses(name: str, arena: Arena) -> None:
    before = await arena.money()
    ends = {Side.PROVIDER: conviction(arena.terms), Side.CHALLENGER: acquittal(arena.terms)}
    duel = await arena.open(tables.cheat(name))
    for move in await duel.rehearsal():
        here = await arena.devchain.snapshot()
        await silence(duel.copy())
        arena.tally.games += 1
        assert changes(before, await arena.money()) == ends[duel.side], duel.state.phase
        await arena.devchain.revert(here)
        await duel.make(move)


async def test_two_slow_players_end_while_the_stake_is_held(arena: Arena) -> None:
    """Each uses nearly all of its clock, a part at each move; the provider wants to leave."""
    staking, provider = arena.chain.staking, arena.account(PROVIDER)
    await staking.request_unbond(provider, (await arena.money())["stake"])
    before = await arena.money()
    duel = await arena.open(tables.cheat("lanes"))
    outcome = None
    while outcome is None:
        is_providers = duel.side is Side.PROVIDER
        left = duel.state.provider_left if is_providers else duel.state.challenger_left
        await at(arena, duel.state.since + left // 2)
        outcome = await duel.make(duel.move())
        held = (await staking.get_provider(provider.address)).held_until
        assert held >= await arena.now() + 86_400
    arena.verdict(outcome, Outcome.CONVICTED)
    assert changes(before, await arena.money()) == conviction(arena.terms)


@pytest.mark.parametrize("rounds", [0, 1, 4, 9])
@pytest.mark.parametrize("how", ["void", "timeout", "victory"])
async def test_of_two_challengers_one_wins_and_the_other_goes_home(
    how: str, rounds: int, arena: Arena
) -> None:
    """Wherever the other's game stands, and however it ends, its bond comes home."""
    before = await arena.money()
    duel = await arena.open(tables.cheat("matmul"))
    other = await arena.join(tables.cheat("matmul"), duel.signed, OTHER)
    for _ in range(rounds):
        await other.make(other.move())
    with pytest.raises(ChainRejected) as early:
        await arena.game.void(arena.account(STRANGER), other.state)
    assert early.value.error == "NothingWrong"
    await duel.finish(Side.CHALLENGER)
    if how == "void":
        await arena.game.void(arena.account(STRANGER), other.state)
    elif how == "timeout":
        await other.timeout()
    else:
        await other.finish(Side.CHALLENGER)
    assert await arena.game.stored(other.id) == bytes(32)
    assert changes(before, await arena.money()) == conviction(arena.terms)
