"""Every reason against a dispute is found before any money moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.litigation.conftest import CHEAT, Court, OpenWorkers, inputs_of

from aivm.errors import (
    BadSignature,
    InsufficientFunds,
    MalformedReceipt,
    NotAllowed,
    WrongTensor,
)
from aivm.litigation.opening import demand_gas_money, demand_open_to_dispute
from aivm.receipts import Domain, SignedReceipt, Tier, sign_receipt


async def transactions(court: Court, number: int) -> int:
    address = court.devchain.accounts[number].address
    return int(await court.chain.rpc.call("eth_getTransactionCount", address, "latest"), 16)


def resigned(court: Court, signed: SignedReceipt, **changes: Any) -> SignedReceipt:
    return sign_receipt(
        replace(signed.receipt, **changes), court.chain.staking.domain, court.world.hot_key
    )


async def test_what_the_chain_would_not_take_is_refused(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with open_workers(CHEAT) as theirs:
        signed = await court.signed(theirs)
    now, window = signed.receipt.time, court.terms.window
    foreign = Domain(31337, "0x" + "11" * 20)
    stranger = court.devchain.accounts[7]
    refused: list[tuple[SignedReceipt, type[Exception], str]] = [
        (resigned(court, signed, tier=Tier.ATTESTED), NotAllowed, "tier ATTESTED"),
        (resigned(court, signed, time=now - window - 100), NotAllowed, "could be disputed for"),
        (resigned(court, signed, time=now + 10_000), NotAllowed, "ahead of the chain"),
        (sign_receipt(signed.receipt, foreign, court.world.hot_key), MalformedReceipt, "counts on"),
        (
            sign_receipt(signed.receipt, court.chain.staking.domain, stranger),
            BadSignature,
            "is not signed by a hot key",
        ),
    ]
    for each, error, says in refused:
        with pytest.raises(error, match=says):
            await demand_open_to_dispute(court.chain, each)
    await demand_open_to_dispute(court.chain, signed)


async def test_a_convicted_receipt_is_not_disputed_again(
    court: Court, open_workers: OpenWorkers
) -> None:
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        signed = await court.signed(theirs)
        async with court.playing(2, theirs), court.playing(3, ours) as challenger:
            game = await challenger.open(signed, court.world.package, inputs_of(0))
            await challenger.ended(game)
    with pytest.raises(NotAllowed, match="convicted already"):
        await demand_open_to_dispute(court.chain, signed)


async def test_wrong_inputs_and_empty_purses_cost_nothing(
    court: Court, open_workers: OpenWorkers
) -> None:
    poor = 6  # has coins for gas, and no tokens
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        signed = await court.signed(theirs)
        async with court.playing(3, ours) as rich:
            with pytest.raises(WrongTensor, match="have the root"):
                await rich.open(signed, court.world.package, inputs_of(1))
            await court.devchain.fund(court.devchain.accounts[3].address, 10**9)
            with pytest.raises(InsufficientFunds, match="a whole dispute takes about"):
                await rich.open(signed, court.world.package, inputs_of(0))
        async with court.playing(poor, ours) as conductor:
            with pytest.raises(InsufficientFunds, match="takes a bond of 100 AIVM"):
                await conductor.open(signed, court.world.package, inputs_of(0))
    assert [await transactions(court, number) for number in (3, poor)] == [0, 0]


async def test_a_game_that_is_open_already_is_gone_on_with(
    court: Court, open_workers: OpenWorkers
) -> None:
    before = await court.tokens(3)
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        signed = await court.signed(theirs)
        opened = await court.doubt(3, signed)
        async with court.playing(3, ours) as conductor:
            twice = await asyncio.gather(
                *(conductor.open(signed, court.world.package, inputs_of(0)) for _ in range(2))
            )
    assert twice == [opened, opened]
    assert await court.tokens(3) == before - court.terms.bond


async def test_gas_money_is_for_a_whole_game(court: Court) -> None:
    account = court.devchain.accounts[3]
    await demand_gas_money(court.chain, account)
    await court.devchain.fund(account.address, 10**12)
    with pytest.raises(InsufficientFunds, match="1e-06 of the chain's coin"):
        await demand_gas_money(court.chain, account)
