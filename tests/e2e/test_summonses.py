"""A node that is summoned shows what its client agreed to; a hot key that invents orders cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.chain.misconduct import Standing
from aivm.dispute.misconduct import order_id
from aivm.litigation.reporting import pursue_summons
from aivm.litigation.tables import Pace
from aivm.provider.defence import DefencePolicy
from aivm.receipts import Receipt, sign_receipt

MODEL = "demo/tiny"
QUICK = DefencePolicy(pace=Pace(poll_seconds=0.05, slowest_retry_seconds=0.5))
INPUTS = {"x": np.float32([[1, 2, 3, 4]]), "index": np.array([0], np.int64)}


async def summoner(network: Any) -> Account:
    """An account with a bond, on a chain whose clock is not behind this machine's."""
    await network.devchain.advance(600)
    bank, account = network.devchain.accounts[0], network.devchain.accounts[5]
    bond = (await network.chain.misconduct.terms()).bond
    await network.chain.token.transfer(bank, account.address, bond)
    return account


async def standing(network: Any, receipt: Receipt) -> Standing:
    return (await network.chain.misconduct.summons(order_id(receipt))).standing


async def until_shown(network: Any, receipt: Receipt) -> None:
    for _ in range(1000):
        if await standing(network, receipt) is Standing.SHOWN:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the node has shown nothing")


async def test_a_node_shows_the_voucher_of_a_job_also_after_the_channel_and_a_restart(
    network: Any,
) -> None:
    doubter, chain = await summoner(network), network.chain
    async with network.node(defence=QUICK), network.buyer() as client:
        bought = await client.infer(MODEL, INPUTS)
    receipt = bought.receipt.receipt
    await chain.escrow.close(network.owner, receipt.channel)
    assert (await pursue_summons(chain, doubter, bought.receipt)).standing is Standing.SUMMONED
    before = await chain.token.balance_of(network.owner.address)
    async with network.node(defence=QUICK):
        await until_shown(network, receipt)
    earned = await chain.token.balance_of(network.owner.address) - before
    assert earned == (await chain.misconduct.terms()).bond // 2


async def test_an_invented_order_convicts_the_hot_key_that_signed_it(
    network: Any, caplog: pytest.LogCaptureFixture
) -> None:
    doubter, chain = await summoner(network), network.chain
    terms = await chain.misconduct.terms()
    async with network.node(defence=QUICK), network.buyer() as client:
        bought = await client.infer(MODEL, INPUTS)
        real = bought.receipt.receipt
        invented = replace(real, sequence=real.sequence + 1)
        invented = replace(invented, job=invented.expected_job)
        signed = sign_receipt(invented, chain.staking.domain, network.hot_key)
        await pursue_summons(chain, doubter, signed)
        for _ in range(1000):
            if "cannot be answered, and convicts" in caplog.text:
                break
            await asyncio.sleep(0.02)
    assert f"no voucher for job {invented.job.hex()}" in caplog.text
    await network.devchain.advance(terms.answer_time + 1)
    assert (await pursue_summons(chain, doubter, signed)).standing is Standing.CONVICTED
    staked = (await chain.staking.get_provider(network.owner.address)).staked
    assert staked == 2_000 * 10**18 - terms.penalty
