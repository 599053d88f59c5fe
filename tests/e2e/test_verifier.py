"""A verifier beside real providers: cheats are convicted by the game, the honest unharmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest

from aivm import host
from aivm.errors import NotFound
from aivm.verifier.canaries import CanaryPlan
from aivm.verifier.complaint import complain
from aivm.verifier.node import Node, NodeOptions, run_verifier
from aivm.verifier.policy import Policy
from aivm.verifier.remote import RemoteVerifier
from aivm.verifier.submission import encode_submission

TOKEN = 10**18
AWARD = 200 * TOKEN
MODEL = "demo/tiny"
CHEAT = "aivm.devnet.cheat"
pytestmark = pytest.mark.timeout(300)


def inputs() -> dict[str, Any]:
    return {"x": np.array([[1, 2, 3, 4]], np.float32), "index": np.array([0], np.int64)}


@asynccontextmanager
async def verifier(network: Any, **options: Any) -> AsyncIterator[Node]:
    """A verifier with tokens for bonds, which checks everything."""
    account = network.devchain.accounts[5]
    # After an earlier test was undone, the chain's clock is behind.
    await network.devchain.advance(max(0, host.now() - (await network.chain.block()).time))
    await network.chain.token.transfer(network.devchain.accounts[0], account.address, 500 * TOKEN)
    config = replace(network.config, state_dir=network.folder / "verifier")
    chosen = NodeOptions(policy=Policy(floor=1.0), engines=("native", "reference"))
    async with run_verifier(config, account, replace(chosen, **options)) as node:
        yield node


async def state_of(remote: RemoteVerifier, job: bytes, wanted: str) -> dict[str, Any]:
    for _ in range(600):
        (found,) = (await remote.receipts(job))["receipts"]
        if found["state"] == wanted:
            return dict(found)
        await asyncio.sleep(0.1)
    pytest.fail(f"job {job.hex()} is {found['state']}, not {wanted}")


async def test_a_cheats_receipt_ends_in_its_conviction_and_an_honest_one_in_nothing(
    network: Any,
) -> None:
    token, client = network.chain.token, network.client
    async with verifier(network) as node, aiohttp.ClientSession() as session:
        remote = RemoteVerifier(session, node.url)
        own = node.parts.account.address
        before = await token.balance_of(own)
        async with network.node() as _, network.buyer() as buyer:
            honest = await buyer.infer(MODEL, inputs())
        await remote.submit(*encode_submission(honest.receipt, honest.inputs))
        await state_of(remote, honest.receipt.receipt.job, "holds")
        async with network.node(worker_module=CHEAT) as _, network.buyer() as buyer:
            given = {**inputs(), "x": np.array([[9, 8, 7, 6]], np.float32)}
            false = await buyer.infer(MODEL, given)
            spent = await token.balance_of(client.address)
            complaint = complain(false.receipt, client)
            await remote.submit(
                *encode_submission(false.receipt, false.inputs, complaint=complaint)
            )
            found = await state_of(remote, false.receipt.receipt.job, "convicted")
        (case,) = node.parts.docket.cases
        assert (case.game.hex(), case.status) == (found["game"], "convicted")
        assert case.rounds > 0  # the cheat answered to the last step
        for _ in range(200):
            if await token.balance_of(own) == before + AWARD:
                break
            await asyncio.sleep(0.1)
        assert await token.balance_of(own) == before + AWARD
        assert await token.balance_of(client.address) == spent + 50 * TOKEN
        status = await RemoteVerifier(session, node.operator_url).status()
        assert (status["checked"], status["disputed"], status["won"]) == (2, 1, 1)


async def test_a_canary_finds_a_cheat_that_nobody_has_noticed(network: Any) -> None:
    buyer = network.devchain.accounts[6]
    await network.chain.token.transfer(network.devchain.accounts[0], buyer.address, TOKEN)
    plan = CanaryPlan(price_per_day=10**15)
    async with verifier(network, canary_accounts=(buyer,), canaries=plan) as node:
        assert node.canaries is not None
        with pytest.raises(NotFound, match="no active provider"):
            await node.canaries.buy()
        async with network.node(worker_module=CHEAT), aiohttp.ClientSession() as session:
            job = await node.canaries.buy()
            assert job is not None
            (entry,) = node.parts.book.of_job(job)
            assert (entry.source, entry.flagged) == ("canary", True)
            assert entry.signed.receipt.client == buyer.address
            await state_of(RemoteVerifier(session, node.url), job, "convicted")
            status = await node.parts.accounts.status()
            assert int(status["canaries_today"]) == entry.price > 0
            node.parts.book.buy(entry.seen, plan.price_per_day)
            assert await node.canaries.buy() is None  # the day's money is spent
