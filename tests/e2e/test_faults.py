"""Parts of the network fail while it is in use: the error is clear, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest
from tests.unit.provider.conftest import NO_INPUTS

from aivm.chain import client as chain_client
from aivm.chain.transactions import SendPolicy
from aivm.errors import (
    ChainUnreachable,
    NotAllowed,
    NotFound,
    ProviderUnreachable,
    StorageUnreachable,
    TamperedContent,
)
from aivm.market.models import Models

PRICE = 10**12
MODEL = "demo/tiny"


def inputs(first: float = 1.0) -> dict[str, Any]:
    return {"x": np.array([[first, 2, 3, 4]], np.float32), "index": np.array([0], np.int64)}


async def test_a_worker_killed_under_the_node_is_replaced(network: Any) -> None:
    async with network.node() as node, network.buyer() as client:
        first = await client.infer(MODEL, inputs(1.0))
        (pid,) = node.agent._workers.pids
        os.kill(pid, signal.SIGKILL)
        second = await client.infer(MODEL, inputs(1.0))
        assert second.outputs["y"].tobytes() == first.outputs["y"].tobytes()
        assert node.agent.journal.counts() == {"done": 2}


async def test_a_chain_that_goes_away_costs_nothing_and_comes_back(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node refuses while it cannot look at channels; its vouchers wait for the chain."""
    impatient = SendPolicy(outage_seconds=0.2)
    monkeypatch.setattr(chain_client, "SendPolicy", lambda: impatient)
    async with network.node() as node, network.buyer() as client:
        await client.infer(MODEL, inputs(1.0))
        rpc = node.settlement._chain.rpc
        buyer_rpc = client.buyer.chain.rpc
        real = rpc.url, buyer_rpc.url
        rpc.url = buyer_rpc.url = "http://127.0.0.1:1"
        with pytest.raises(ChainUnreachable):
            await client.infer(MODEL, inputs(2.0))
        with pytest.raises(ChainUnreachable):
            await node.settlement.settle(everything=True)
        buyer_rpc.url = real[1]
        with pytest.raises(ChainUnreachable):  # as the node reports it
            await client.infer(MODEL, inputs(2.0))
        rpc.url = real[0]
        await client.infer(MODEL, inputs(2.0))
        assert await node.settlement.settle(everything=True) == 2 * PRICE


async def test_settlement_goes_on_after_a_defect_and_past_an_unknown_channel(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with network.node() as node, network.buyer() as client:
        found = await client.infer(MODEL, inputs())
        job = node.agent.journal.find(found.receipt.receipt.job)
        ghost = replace(job, job=b"g" * 32, channel=b"n" * 32)
        node.agent.journal.accept(ghost)
        node.agent.journal.finish(ghost, "r", b"", NO_INPUTS)
        rounds = 0
        real = node.settlement.settle

        async def sometimes(**options: Any) -> int:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise RuntimeError("a defect")
            return int(await real(everything=True, **options))

        monkeypatch.setattr(node.settlement, "settle", sometimes)
        monkeypatch.setattr(
            node.settlement, "_policy", replace(node.settlement._policy, poll_seconds=0.01)
        )
        watching = asyncio.create_task(node.settlement.watch())
        channel = found.receipt.receipt.channel
        for _ in range(1000):
            if (await network.chain.escrow.get_channel(channel)).redeemed == PRICE:
                break
            await asyncio.sleep(0.02)
        assert (await network.chain.escrow.get_channel(channel)).redeemed == PRICE
        watching.cancel()
        monkeypatch.undo()


async def test_storage_that_is_down_tampered_or_without_the_model(
    network: Any, unused_tcp_port: int
) -> None:
    away = f"http://127.0.0.1:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session:
        folder = network.folder / "models"
        models = Models(network.chain, session, [away], folder)
        with pytest.raises(StorageUnreachable):
            await models.package(MODEL)
        models = Models(network.chain, session, [away, network.config.storage_url], folder)
        package = await models.package(MODEL)
        assert package.model_id == network.model
        weights = folder / network.model.hex() / "weights.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.chmod(0o600)
        weights.write_bytes(data)
        fresh = Models(network.chain, session, [network.config.storage_url], folder)
        with pytest.raises(TamperedContent):
            await fresh.package(MODEL)
        shutil.rmtree(folder)
        assert (await fresh.package(MODEL)).model_id == network.model


@pytest.mark.parametrize("reference", ["demo/none", "demo/tiny:9.9.9", "nonsense", "a:b:c", ""])
async def test_references_that_mean_nothing(network: Any, reference: str) -> None:
    async with network.buyer() as client:
        with pytest.raises(NotFound):
            await client.infer(reference, inputs())
        with pytest.raises(NotFound):
            await client.infer("00" * 32, inputs())


async def test_a_revoked_model_is_not_used(network: Any) -> None:
    governance = network.devchain.accounts[0]
    await network.chain.registry.revoke(governance, network.model)
    async with network.buyer() as client:
        with pytest.raises(NotAllowed, match="revoked"):
            await client.infer(MODEL, inputs())


async def test_a_node_that_stops_in_the_middle_of_a_call_is_unreachable_and_paid_once(
    network: Any,
) -> None:
    async with network.buyer() as client:
        async with network.node() as node:
            await client.infer(MODEL, inputs(0.0))

            async def never(*_: object) -> list[bytes]:
                await asyncio.Event().wait()
                raise AssertionError

            node.agent._workers.run = never
            client.buyer._caller._timeout = aiohttp.ClientTimeout(total=0.2)
            with pytest.raises(ProviderUnreachable):
                await client.infer(MODEL, inputs(1.0))
            for running in node.agent._running.values():
                running.cancel()
            assert node.agent.journal.counts() == {"accepted": 1, "done": 1}
        async with network.node() as node:
            client.buyer._caller._timeout = aiohttp.ClientTimeout(total=60)
            found = await client.infer(MODEL, inputs(1.0))
            assert found.receipt.receipt.sequence == 2
            assert node.agent.journal.counts() == {"done": 2}
            (channel,) = await client.buyer.request_close()
            assert channel.owed == 2 * PRICE
