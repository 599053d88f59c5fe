"""Nonces, fees and receipts against a real chain, and against a network that loses answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aivm.chain.account import Account, Transaction
from aivm.chain.address_book import AddressBook
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.transactions import SendPolicy
from aivm.errors import (
    ChainRejected,
    ChainUnreachable,
    DeadlineExceeded,
    FeesTooHigh,
    WrongChain,
)

QUICK = SendPolicy(stuck_seconds=0.15, deadline_seconds=5, slowest_poll_seconds=0.02)


@asynccontextmanager
async def connected(chain: Chain, policy: SendPolicy, url: str = "") -> AsyncIterator[Chain]:
    """The same network through another connection."""
    other = await Chain.connect(url or chain.rpc.url, chain.address_book, policy=policy)
    async with other:
        yield other


@asynccontextmanager
async def lossy_proxy(
    target: str, loses: Callable[[str], bool]
) -> AsyncIterator[tuple[str, list[str]]]:
    """A JSON-RPC proxy that passes requests on and drops the connection instead of some answers."""
    seen: list[str] = []

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        document = json.loads(body)
        method = document["method"] if isinstance(document, dict) else "batch"
        async with (
            aiohttp.ClientSession() as session,
            session.post(target, data=body, headers={"Content-Type": "application/json"}) as answer,
        ):
            data = await answer.read()
        seen.append(method)
        if loses(method):
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=data, content_type="application/json")

    application = web.Application()
    application.router.add_post("/", forward)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        await runner.cleanup()


async def test_many_sends_at_once_use_each_nonce_once(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    before = await deployed.token.balance_of(receiver.address)
    amounts = range(1, 41)
    receipts = await asyncio.gather(
        *(deployed.token.transfer(sender, receiver.address, amount) for amount in amounts)
    )
    assert len({receipt.hash for receipt in receipts}) == len(amounts)
    assert await deployed.token.balance_of(receiver.address) - before == sum(amounts)


async def test_a_refused_send_among_others_leaves_no_gap(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    results = await asyncio.gather(
        deployed.token.transfer(sender, receiver.address, 1),
        deployed.staking.stake(sender, 1),  # refused: no provider
        deployed.token.transfer(sender, receiver.address, 2),
        deployed.transfer(sender, receiver.address, 10**30),  # refused: more than there is
        deployed.token.transfer(sender, receiver.address, 3),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert await deployed.token.balance_of(receiver.address) == 6


async def test_two_processes_with_the_same_key_lose_and_double_nothing(
    deployed: Chain, devchain: DevChain
) -> None:
    """They may displace each other's transactions, but then they say so."""
    sender, receiver = devchain.accounts[:2]
    policy = SendPolicy(slowest_poll_seconds=0.01)
    async with connected(deployed, policy) as one, connected(deployed, policy) as other:
        results = await asyncio.gather(
            *(chain.token.transfer(sender, receiver.address, 1) for chain in [one, other] * 10),
            return_exceptions=True,
        )
    displaced = [result for result in results if isinstance(result, BaseException)]
    # Displaced after it was sent, or never sent because its nonces were taken: both name the cause.
    unexplained = [
        repr(error)
        for error in displaced
        if not (isinstance(error, ChainRejected) and "Another process" in error.hint)
    ]
    assert unexplained == []
    assert await deployed.token.balance_of(receiver.address) == len(results) - len(displaced)


async def test_a_lost_answer_does_not_send_twice(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    lost = []

    def loses_the_first_sending(method: str) -> bool:
        if method == "eth_sendRawTransaction" and not lost:
            lost.append(method)
            return True
        return False

    async with (
        lossy_proxy(devchain.url, loses_the_first_sending) as (url, seen),
        connected(deployed, QUICK, url) as chain,
    ):
        await chain.token.transfer(sender, receiver.address, 5)
    assert lost
    assert seen.count("eth_sendRawTransaction") == 2
    assert await deployed.token.balance_of(receiver.address) == 5


async def test_an_outage_while_waiting_is_survived(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    sent, lost = [], []

    def loses_some_polls(method: str) -> bool:
        if method == "eth_sendRawTransaction":
            sent.append(method)
        if sent and method == "batch" and len(lost) < 6:  # longer than one call's own attempts
            lost.append(method)
            return True
        return False

    async with (
        lossy_proxy(devchain.url, loses_some_polls) as (url, _),
        connected(deployed, QUICK, url) as chain,
    ):
        await chain.token.transfer(sender, receiver.address, 5)
    assert len(lost) == 6


async def test_a_node_that_goes_away_after_the_sending_leaves_the_hash(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    sent: list[str] = []

    def goes_away(method: str) -> bool:
        if method == "eth_sendRawTransaction":
            sent.append(method)
        return bool(sent) and method != "eth_sendRawTransaction"

    policy = SendPolicy(outage_seconds=0.1)
    async with (
        lossy_proxy(devchain.url, goes_away) as (url, _),
        connected(deployed, policy, url) as chain,
    ):
        with pytest.raises(ChainUnreachable, match=r"transaction 0x\w{64} may have been sent"):
            await chain.token.transfer(sender, receiver.address, 5)
    assert await deployed.token.balance_of(receiver.address) == 5


async def test_a_stuck_transaction_pays_more_and_is_mined_once(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    await devchain.set_automine(False)
    try:
        async with connected(deployed, QUICK) as chain:
            sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
            prices = await _prices_in_pool(devchain, sender, wanted=2)
            await devchain.mine()
            receipt = await sending
    finally:
        await devchain.set_automine(True)
    assert prices[1] > prices[0]
    assert await deployed.token.balance_of(receiver.address) == 5
    assert receipt.gas_used > 0


async def _prices_in_pool(
    devchain: DevChain, sender: Account, *, wanted: int, above: int = 0
) -> list[int]:
    """The maximum fees that the pool's transaction of `sender` has had, once there are enough."""
    prices: list[int] = []
    for _ in range(1000):
        pool = await devchain.rpc.call("txpool_content")
        for address, transactions in pool["pending"].items():
            for transaction in transactions.values():
                price = int(transaction["maxFeePerGas"], 16)
                is_his = address.lower() == sender.address.lower()
                if is_his and price > above and price not in prices:
                    prices.append(price)
        if len(prices) >= wanted:
            return prices
        await asyncio.sleep(0.005)
    raise AssertionError("the transaction never came into the pool")


async def test_a_transaction_that_is_never_mined_meets_its_deadline(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    await devchain.set_automine(False)
    try:
        policy = SendPolicy(deadline_seconds=0.2)
        async with connected(deployed, policy) as chain:
            with pytest.raises(DeadlineExceeded, match="may still be mined"):
                await chain.token.transfer(sender, receiver.address, 5)
    finally:
        await devchain.set_automine(True)
        await devchain.mine()


@asynccontextmanager
async def mining_on_demand(devchain: DevChain) -> AsyncIterator[None]:
    """Transactions wait in the pool until the test mines a block."""
    await devchain.set_automine(False)
    try:
        yield
    finally:
        await _set_base_fee(devchain, 10**9)
        await devchain.set_automine(True)


async def _set_base_fee(devchain: DevChain, wei: int) -> None:
    """The base fee that everybody sees from now on."""
    await devchain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(wei))
    await devchain.mine()
    await devchain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(wei))


async def test_after_a_jump_of_fees_one_replacement_is_enough(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    policy = SendPolicy(stuck_seconds=0.15, deadline_seconds=20, slowest_poll_seconds=0.02)
    async with mining_on_demand(devchain), connected(deployed, policy) as chain:
        sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
        (before, *_) = await _prices_in_pool(devchain, sender, wanted=1)
        await _set_base_fee(devchain, 10 * before)
        prices = await _prices_in_pool(devchain, sender, wanted=1, above=10 * before)
        assert min(prices) >= 20 * before
        await devchain.mine()
        receipt = await sending
    assert receipt.gas_price >= 10 * before
    assert await deployed.token.balance_of(receiver.address) == 5


async def test_fees_over_the_cap_are_refused_before_anything_is_sent(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    async with connected(deployed, SendPolicy(max_gas_price=10)) as chain:
        with pytest.raises(FeesTooHigh, match="the cap is 1e-08 gwei"):
            await chain.token.transfer(sender, receiver.address, 5)
    assert await deployed.token.balance_of(receiver.address) == 0


async def test_a_transaction_at_the_cap_waits_says_so_and_is_mined_when_fees_fall(
    deployed: Chain, devchain: DevChain, caplog: pytest.LogCaptureFixture
) -> None:
    sender, receiver = devchain.accounts[:2]
    cap = 50 * 10**9
    policy = SendPolicy(
        stuck_seconds=0.1, deadline_seconds=20, slowest_poll_seconds=0.02, max_gas_price=cap
    )
    async with mining_on_demand(devchain), connected(deployed, policy) as chain:
        sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
        await _prices_in_pool(devchain, sender, wanted=1)
        await _set_base_fee(devchain, 4 * cap)
        await _logged(caplog, "the cap is 50 gwei")
        await devchain.mine()
        assert not sending.done()
        await _set_base_fee(devchain, cap * 4 // 5)  # more than was offered at first
        await _prices_in_pool(devchain, sender, wanted=1, above=cap - 1)
        await devchain.mine()
        receipt = await sending
    assert caplog.text.count("the cap is 50 gwei") == 1
    assert cap * 4 // 5 <= receipt.gas_price <= cap


async def _logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    for _ in range(1000):
        if text in caplog.text:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nobody said: {text}")


async def test_a_sole_sender_displaces_what_a_dead_process_has_left(
    deployed: Chain, devchain: DevChain
) -> None:
    """The old transaction offers too little, and would hold up the new one for ever."""
    sender, receiver = devchain.accounts[:2]
    policy = SendPolicy(slowest_poll_seconds=0.02, sole_sender=True)
    async with mining_on_demand(devchain):
        async with connected(deployed, SendPolicy()) as dead:
            left = asyncio.create_task(dead.token.transfer(sender, receiver.address, 1))
            await _prices_in_pool(devchain, sender, wanted=1)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
        async with connected(deployed, policy) as chain:
            sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 20))
            await _prices_in_pool(devchain, sender, wanted=2)
            await devchain.mine()
            await sending
    assert await deployed.token.balance_of(receiver.address) == 20


async def test_a_sole_sender_fills_the_gap_that_a_lost_transaction_leaves(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    policy = SendPolicy(slowest_poll_seconds=0.02, sole_sender=True)
    async with mining_on_demand(devchain), connected(deployed, policy) as chain:
        first = asyncio.create_task(chain.token.transfer(sender, receiver.address, 1))
        await _prices_in_pool(devchain, sender, wanted=1)
        second = asyncio.create_task(chain.token.transfer(sender, receiver.address, 20))
        await _pool_holds(devchain, sender, 2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        third = asyncio.create_task(chain.token.transfer(sender, receiver.address, 300))
        await _prices_in_pool(devchain, sender, wanted=2)
        await devchain.mine()
        await asyncio.gather(second, third)
    assert await deployed.token.balance_of(receiver.address) == 320


async def test_a_sole_sender_does_not_wait_behind_what_a_reorganisation_took(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    policy = SendPolicy(
        slowest_poll_seconds=0.02, stuck_seconds=0.2, deadline_seconds=30, sole_sender=True
    )
    async with connected(deployed, policy) as chain:
        before = await devchain.snapshot()
        await chain.token.transfer(sender, receiver.address, 1)
        async with mining_on_demand(devchain):
            sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 20))
            await _prices_in_pool(devchain, sender, wanted=1)
            await devchain.revert(before)
            with pytest.raises(DeadlineExceeded, match="free again after a reorganisation"):
                await sending
        await chain.token.transfer(sender, receiver.address, 300)


async def _pool_holds(devchain: DevChain, sender: Account, count: int) -> None:
    for _ in range(1000):
        tag = await devchain.rpc.call("eth_getTransactionCount", sender.address, "pending")
        mined = await devchain.rpc.call("eth_getTransactionCount", sender.address, "latest")
        if int(tag, 16) - int(mined, 16) == count:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"the pool never held {count} transactions")


async def test_a_dropped_transaction_is_sent_again(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    await devchain.set_automine(False)
    try:
        async with connected(deployed, QUICK) as chain:
            sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
            await _prices_in_pool(devchain, sender, wanted=1)
            await devchain.rpc.call("anvil_dropAllTransactions")
            await _prices_in_pool(devchain, sender, wanted=1)  # it came back
            await devchain.mine()
            await sending
    finally:
        await devchain.set_automine(True)
    assert await deployed.token.balance_of(receiver.address) == 5


async def test_a_nonce_stolen_by_another_transaction_is_reported(
    deployed: Chain, devchain: DevChain
) -> None:
    sender, receiver = devchain.accounts[:2]
    await devchain.set_automine(False)
    try:
        patient = SendPolicy(slowest_poll_seconds=0.01)
        async with connected(deployed, patient) as chain:
            sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
            await _prices_in_pool(devchain, sender, wanted=1)
            await _replace(devchain, sender, deployed.chain_id)
            await devchain.mine()
            with pytest.raises(ChainRejected, match="another transaction was mined"):
                await sending
    finally:
        await devchain.set_automine(True)
    assert await deployed.token.balance_of(receiver.address) == 0


async def _replace(devchain: DevChain, sender: Account, chain_id: int) -> None:
    """Put a payment to oneself with a higher fee in the place of the pool's transaction."""
    nonce = int(await devchain.rpc.call("eth_getTransactionCount", sender.address, "latest"), 16)
    payment = Transaction(chain_id, nonce, sender.address, b"", 21_000, 10**12, 10**12)
    raw = sender.sign_transaction(payment).raw
    await devchain.rpc.call("eth_sendRawTransaction", "0x" + raw.hex())


async def test_confirmations_are_waited_for(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    async with connected(deployed, SendPolicy(confirmations=3)) as chain:
        sending = asyncio.create_task(chain.token.transfer(sender, receiver.address, 5))
        await _balance_reaches(deployed, receiver, 5)
        await asyncio.sleep(0.1)
        assert not sending.done()
        await devchain.mine(2)
        receipt = await sending
    assert (await deployed.block()).number - receipt.block_number >= 2


async def _balance_reaches(chain: Chain, account: Account, amount: int) -> None:
    for _ in range(1000):
        if await chain.token.balance_of(account.address) == amount:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the tokens never arrived")


async def test_a_transaction_that_fails_only_when_mined_is_explained(
    deployed: Chain, devchain: DevChain
) -> None:
    """Two transactions are possible when they are sent; the one mined first spoils the other."""
    first, second = devchain.accounts[:2]
    await devchain.set_automine(False)
    try:
        async with connected(deployed, SendPolicy()) as chain:
            sendings = [
                asyncio.create_task(
                    chain.registry.register(
                        account, name, "1.0.0", b"m" * 32, b"p" * 32, uri="ipfs://x"
                    )
                )
                for account, name in ((first, "a/m"), (second, "b/m"))
            ]
            for account in (first, second):
                await _prices_in_pool(devchain, account, wanted=1)
            await devchain.mine()
            results = await asyncio.gather(*sendings, return_exceptions=True)
    finally:
        await devchain.set_automine(True)
    (refused,) = [result for result in results if isinstance(result, ChainRejected)]
    assert refused.error == "AlreadyRegistered"


async def test_a_chain_without_eip_1559_is_refused(
    deployed: Chain, devchain: DevChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_batch = deployed.rpc.batch

    async def old_chain(calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        answers = await plain_batch(calls)
        for answer in answers:
            if isinstance(answer, dict):
                answer.pop("baseFeePerGas", None)
        return answers

    monkeypatch.setattr(deployed.rpc, "batch", old_chain)
    with pytest.raises(WrongChain, match="no EIP-1559 fees"):
        await deployed.token.burn(devchain.accounts[0], 1)


async def test_the_address_book_is_what_connects(deployed: Chain) -> None:
    empty = AddressBook(deployed.chain_id, {})
    async with await Chain.connect(deployed.rpc.url, empty) as chain:
        assert (await chain.block()).number == (await deployed.block()).number
