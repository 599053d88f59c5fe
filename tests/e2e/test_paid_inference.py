"""A client pays a provider over a real chain: from the first channel to the last refund.

Everything is real: contracts on anvil, storage, a provider node, vouchers, receipts. Only the model
is small.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.chain.escrow import ChannelStatus, Redemption
from aivm.client import AsyncClient
from aivm.errors import (
    ChainUnreachable,
    Denied,
    InvalidIndex,
    Mismatch,
    NotAllowed,
    NotFound,
    PaymentRefused,
    ProviderUnreachable,
    WrongChain,
    WrongTensor,
)
from aivm.receipts import Domain, Voucher, sign_voucher

PRICE = 10**12
MODEL = "demo/tiny"


def inputs(first: float = 1.0, *, index: int = 0) -> dict[str, Any]:
    return {"x": np.array([[first, 2, 3, 4]], np.float32), "index": np.array([index], np.int64)}


async def test_from_the_first_channel_to_the_last_refund(network: Any) -> None:
    chain = network.chain
    before = await chain.token.balance_of(network.client.address)
    async with network.node() as node, network.buyer() as client:
        for number in range(5):
            found = await client.infer(MODEL, inputs(float(number)))
            assert (await client.audit(found)).ok
            assert found.price == PRICE
        (channel,) = await client.buyer.request_close()
        assert channel.owed == 5 * PRICE
        assert (await chain.escrow.get_channel(channel.channel)).status is ChannelStatus.CLOSING
        assert await node.settlement.settle() == 5 * PRICE
        assert await node.settlement.settle() == 0
        await network.devchain.advance(await chain.escrow.challenge_period() + 1)
        assert await client.buyer.finalize(channel.channel) == channel.deposit - 5 * PRICE
        assert await client.buyer.finalize(channel.channel) == 0
    assert before - await chain.token.balance_of(network.client.address) == 5 * PRICE
    assert await chain.token.balance_of(chain.escrow.address) == 0
    assert node.agent.journal is not None


async def test_draining_redeems_what_is_owed(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        await client.infer(MODEL, inputs())
        (channel,) = client.buyer.ledger.all(
            escrow=(network.chain.chain_id, network.chain.escrow.address),
            client=network.client.address,
        )
    state = await network.chain.escrow.get_channel(channel.channel)
    assert state.redeemed == PRICE
    till = await network.chain.escrow.get_till(state.till)
    assert till.redeemed == till.paid_out == PRICE


async def test_one_channel_serves_many_calls_at_once(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        found = await asyncio.gather(
            *(client.infer(MODEL, inputs(float(number))) for number in range(12))
        )
        receipts = [inference.receipt.receipt for inference in found]
        assert len({receipt.channel for receipt in receipts}) == 1
        assert {receipt.sequence for receipt in receipts} == set(range(1, 13))


async def test_wrong_tensors_and_failed_runs_cost_nothing(network: Any) -> None:
    async with network.node() as node, network.buyer() as client:
        for wrong in (
            {"x": np.zeros((2, 4), np.float32), "index": np.array([0])},
            {"x": np.zeros((1, 4), np.float64), "index": np.array([0])},
            {"x": np.zeros((1, 4), np.float32)},
        ):
            with pytest.raises(WrongTensor):
                await client.infer(MODEL, wrong)
        assert node.agent.journal.counts() == {}
        with pytest.raises(InvalidIndex):
            await client.infer(MODEL, inputs(index=99))
        await client.infer(MODEL, inputs())
        (channel,) = await client.buyer.request_close()
        assert channel.owed == PRICE
        assert await node.settlement.settle() == PRICE


async def test_the_audit_of_nan_inputs_holds(network: Any) -> None:
    """Any NaN goes in as the canonical one; the receipt is about what was sent."""
    odd = np.array([0xFFC12345, 0, 0, 0], np.uint32).view(np.float32)
    async with network.node(), network.buyer() as client:
        found = await client.infer(MODEL, {**inputs(), "x": odd.reshape(1, 4)})
        assert found.outputs["y"].view(np.uint32).tolist() == [[0x7FC00000] * 3]
        assert (await client.audit(found)).ok


async def test_an_audit_finds_one_changed_bit(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        found = await client.infer(MODEL, inputs())
        changed = found.outputs["y"].copy()
        changed.view(np.uint32)[0, 0] ^= 1
        with pytest.raises(Mismatch, match="outputs"):
            await client.audit(replace(found, outputs={**found.outputs, "y": changed}))
        with pytest.raises(Mismatch, match="inputs"):
            await client.audit(replace(found, inputs=inputs(9.0)))
        with pytest.raises(Mismatch, match="signature"):
            await client.audit(replace(found, hot_key=network.owner.address))


async def test_a_provider_that_is_down_is_named_and_costs_nothing(network: Any) -> None:
    async with network.buyer() as client:
        with pytest.raises(NotFound) as caught:
            await client.infer(MODEL, inputs())
        assert "does not answer" in caught.value.hint
        with pytest.raises(NotFound, match="cannot run"):
            await client.infer(MODEL, inputs(), provider=network.owner.address)
        assert await client.buyer.request_close() == []


async def test_a_lost_answer_is_asked_for_again_and_paid_once(network: Any) -> None:
    """The node does the job and dies before it answers; client and node come back."""
    async with network.buyer() as client:
        async with network.node() as node:
            await client.infer(MODEL, inputs(0.0))
            real = client.buyer._caller._send

            async def lost(order: Any, request: Any) -> Any:
                await real(order, request)
                raise ProviderUnreachable("the line broke")

            client.buyer._caller._send = lost  # type: ignore[method-assign]
            with pytest.raises(ProviderUnreachable):
                await client.infer(MODEL, inputs(1.0))
            assert node.agent.journal.counts() == {"done": 2}
    async with network.node() as node, network.buyer() as client:
        found = await client.infer(MODEL, inputs(1.0))
        assert found.receipt.receipt.sequence == 2
        assert node.agent.journal.counts() == {"done": 2}
        (channel,) = await client.buyer.request_close()
        assert channel.owed == 2 * PRICE


async def test_a_channel_that_the_provider_closed_is_replaced(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        first = await client.infer(MODEL, inputs(1.0))
        closed = first.receipt.receipt.channel
        await network.chain.escrow.close(network.owner, closed)
        second = await client.infer(MODEL, inputs(2.0))
        assert second.receipt.receipt.channel != closed


async def test_a_channel_of_a_network_that_started_anew_is_replaced(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        snapshot = await network.devchain.snapshot()
        first = await client.infer(MODEL, inputs(1.0))
        await network.devchain.revert(snapshot)
        second = await client.infer(MODEL, inputs(2.0))
        assert second.receipt.receipt.channel != first.receipt.receipt.channel


async def test_an_emptied_channel_is_replaced_also_under_concurrency(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        client.buyer._policy = replace(client.buyer._policy, deposit_prices=3)
        found = await asyncio.gather(
            *(client.infer(MODEL, inputs(float(number))) for number in range(7))
        )
        assert len({inference.receipt.receipt.channel for inference in found}) == 3


async def test_max_price_and_no_money(network: Any) -> None:
    async with network.node(), network.buyer() as client:
        with pytest.raises(NotFound) as caught:
            await client.infer(MODEL, inputs(), max_price=PRICE - 1)
        assert f"price {PRICE} over" in caught.value.hint
        await client.infer(MODEL, inputs(), max_price=PRICE)
    poor = network.devchain.accounts[7]
    async with (
        network.node(),
        AsyncClient.connect(
            replace(network.config, state_dir=network.folder / "p"), account=poor
        ) as client,
    ):
        with pytest.raises(Denied):
            await client.infer(MODEL, inputs())


async def test_a_node_without_the_registered_key_does_not_start(network: Any) -> None:
    network.hot_key = Account.generate()
    with pytest.raises(NotAllowed, match="not the registered hot key"):
        async with network.node():
            pass


async def test_the_chain_is_another_or_away(network: Any, unused_tcp_port: int) -> None:
    book = replace(network.chain.address_book, chain_id=1)
    book.write(network.folder / "wrong.json")
    wrong = replace(network.config, address_book=network.folder / "wrong.json")
    away = replace(network.config, rpc_url=f"http://127.0.0.1:{unused_tcp_port}")
    for config, error in ((wrong, WrongChain), (away, ChainUnreachable)):
        with pytest.raises(error):
            async with AsyncClient.connect(config, account=network.client):
                pass


async def test_a_voucher_of_another_client_is_refused_by_the_node(network: Any) -> None:
    async with network.node() as node, network.buyer() as client:
        found = await client.infer(MODEL, inputs())
        channel, thief = found.receipt.receipt.channel, network.devchain.accounts[5]
        domain = Domain(network.chain.chain_id, network.chain.escrow.address)
        job = b"j" * 32
        forged = sign_voucher(Voucher(channel, 2, 2 * PRICE, job), domain, thief)
        with pytest.raises(PaymentRefused, match="forged"):
            await node.agent._admission.admit(forged, job=job, model=network.model, price=PRICE)


async def test_a_client_that_redeems_its_own_late_voucher_gains_nothing(network: Any) -> None:
    """The provider's vouchers have lower sequences, and pay all that it has earned."""
    async with network.node() as node, network.buyer() as client:
        found = await client.infer(MODEL, inputs(1.0))
        channel = found.receipt.receipt.channel
        domain = Domain(network.chain.chain_id, network.chain.escrow.address)
        trick = sign_voucher(Voucher(channel, 1_000_000, 1, b"j" * 32), domain, network.client)
        fields = trick.voucher
        await network.chain.escrow.redeem(
            network.client,
            Redemption(channel, fields.sequence, fields.amount, fields.job, trick.signature),
        )
        assert await node.settlement.settle(everything=True) == PRICE - 1
        await client.infer(MODEL, inputs(2.0))
        assert await node.settlement.settle(everything=True) == PRICE
        state = await network.chain.escrow.get_channel(channel)
        assert state.redeemed == 2 * PRICE
