"""Too little gas: a call reverts as a whole, or has its whole effect; it ends no game wrongly."""

from __future__ import annotations

import asyncio

import pytest
from tests.adversity import tables
from tests.adversity.arena import STRANGER, Arena, Duel, Side, changes, conviction

from aivm.chain.dispute_calls import packed_state, receipt_fields
from aivm.dispute.game import Outcome, played
from aivm.dispute.moves import Move

SHARES = (0.4, 0.6, 0.7, 0.8, 0.85, 0.9, *(0.9 + step / 200 for step in range(1, 24)))


async def enough(arena: Arena, sender: str, data: bytes) -> list[int]:
    """Gas limits around the estimate with which the call succeeds."""
    call = {"from": sender, "to": arena.game.address, "data": "0x" + data.hex()}
    estimate = int(await arena.chain.rpc.call("eth_estimateGas", call), 16)
    limits = [int(estimate * share) for share in SHARES]
    answers = await arena.chain.rpc.batch(
        [("eth_call", [{**call, "gas": hex(limit)}]) for limit in limits]
    )
    arena.tally.lies += len(limits)
    floor = 21_000 + 10 * (4 * len(data) - 3 * data.count(0))  # EIP-7623; calls do not ask for it
    good = (limit for limit, answer in zip(limits, answers, strict=True) if answer == "0x")
    return [max(limit, floor) for limit in good]


async def with_gas(arena: Arena, sender: str, data: bytes, gas: int) -> None:
    """A transaction with that limit, from an account whose key nobody asks for."""
    rpc = arena.devchain.rpc
    await rpc.call("anvil_impersonateAccount", sender)
    call = {"from": sender, "to": arena.game.address, "data": "0x" + data.hex(), "gas": hex(gas)}
    sent = await rpc.call("eth_sendTransaction", call)
    await rpc.call("anvil_stopImpersonatingAccount", sender)
    for _ in range(1000):  # it may not be mined yet
        if (receipt := await rpc.call("eth_getTransactionReceipt", sent)) is not None:
            break
        await asyncio.sleep(0.01)
    assert receipt["status"] == "0x1"


async def least(duel: Duel, move: Move) -> None:
    """The least gas with which the move succeeds does what the rules say; the chain is put back."""
    arena, data = duel.arena, duel.calldata(move)
    limits = await enough(arena, duel.mover, data)
    before = await arena.devchain.snapshot()
    await with_gas(arena, duel.mover, data, limits[0])
    result = played(duel.state, move, duel.mover, await arena.now())
    wanted = bytes(32) if isinstance(result, Outcome) else result.hash
    assert await arena.game.stored(duel.id) == wanted
    await arena.devchain.revert(before)


@pytest.mark.parametrize("name", ["lanes", "matmul", "map"])
async def test_a_move_with_too_little_gas(name: str, arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(tables.cheat(name))
    for move in await duel.rehearsal():
        await least(duel, move)
        outcome = await duel.make(move)
    arena.verdict(outcome, Outcome.CONVICTED)
    assert changes(before, await arena.money()) == conviction(arena.terms)


async def test_a_conviction_with_too_little_gas_is_none(arena: Arena) -> None:
    """A provider cannot spare his stake by calling the end himself with hardly enough gas."""
    before = await arena.money()
    duel = await arena.open(tables.cheat("map"))
    await arena.devchain.advance(duel.state.provider_left + 2)
    arguments = [packed_state(duel.state), receipt_fields(duel.receipt)]
    data = arena.game.abi.encode_call("timeout", arguments)
    limits = await enough(arena, arena.address(STRANGER), data)
    await with_gas(arena, arena.address(STRANGER), data, limits[0])
    assert duel.side is Side.PROVIDER
    assert changes(before, await arena.money()) == conviction(arena.terms)
