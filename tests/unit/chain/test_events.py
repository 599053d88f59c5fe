"""Logs by ABI, and following a chain that reorganises."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain import events
from aivm.chain.abi import Abi, Parameter, encode
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.events import Event, decode_log
from aivm.errors import AnswerTooLarge, ChainUnreachable, WrongChain
from aivm.receipts.addresses import checked_address

EVENT = {
    "type": "event",
    "name": "Mixed",
    "inputs": [
        {"name": "plain", "type": "uint64", "indexed": False},
        {"name": "channel", "type": "bytes32", "indexed": True},
        {"name": "owner", "type": "address", "indexed": True},
        {"name": "note", "type": "string", "indexed": False},
        {"name": "name", "type": "string", "indexed": True},
    ],
}
ABI = Abi([EVENT])
TOPIC = keccak(b"Mixed(uint64,bytes32,address,string,string)")


def log(topics: list[bytes], data: bytes) -> dict[str, Any]:
    return {
        "address": "0x" + "12" * 20,
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockNumber": "0x10",
        "blockHash": "0x" + "ab" * 32,
        "transactionHash": "0x" + "cd" * 32,
        "logIndex": "0x3",
    }


@given(
    plain=st.integers(0, 2**64 - 1),
    channel=st.binary(min_size=32, max_size=32),
    owner=st.binary(min_size=20, max_size=20),
    note=st.text(max_size=60),
    name=st.text(max_size=60),
)
def test_logs_decode_in_the_order_of_the_declaration(
    plain: int, channel: bytes, owner: bytes, note: str, name: str
) -> None:
    body = encode([Parameter("", "uint64"), Parameter("", "string")], [plain, note], what="test")
    hashed = keccak(name.encode())
    event = decode_log(ABI, log([TOPIC, channel, bytes(12) + owner, hashed], body))
    assert event is not None
    assert list(event.arguments.items()) == [
        ("plain", plain),
        ("channel", channel),
        ("owner", checked_address("0x" + owner.hex())),
        ("note", note),
        ("name", hashed),
    ]
    assert (event.block_number, event.log_index) == (16, 3)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=3), st.binary(max_size=200))
def test_any_log_decodes_or_is_refused(topics: list[bytes], data: bytes) -> None:
    try:
        event = decode_log(ABI, log([TOPIC, *topics], data))
    except WrongChain:
        return
    assert event is not None
    assert len(topics) == 3


def test_logs_of_others_are_none() -> None:
    assert decode_log(ABI, log([bytes(32)], b"")) is None
    assert decode_log(ABI, log([], b"")) is None


def transfers(found: tuple[Event, ...]) -> list[int]:
    return [event.arguments["value"] for event in found if event.name == "Transfer"]


async def test_each_event_is_delivered_once(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    follower = deployed.follow(first_block=(await deployed.block()).number + 1)
    assert (await follower.read()).events == ()
    for amount in (1, 2):
        await deployed.token.transfer(sender, receiver.address, amount)
    assert transfers((await follower.read()).events) == [1, 2]
    await deployed.token.transfer(sender, receiver.address, 3)
    batch = await follower.read()
    assert transfers(batch.events) == [3]
    assert batch.forget_from is None
    assert batch.next_block == (await deployed.block()).number + 1
    assert (await follower.read()).events == ()


async def test_unconfirmed_blocks_wait(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    follower = deployed.follow(first_block=(await deployed.block()).number + 1, confirmations=3)
    await deployed.token.transfer(sender, receiver.address, 1)
    assert (await follower.read()).events == ()
    await devchain.mine(2)
    assert transfers((await follower.read()).events) == [1]


async def test_long_histories_are_read_in_ranges(
    deployed: Chain, devchain: DevChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RANGE_BLOCKS", 2)
    sender, receiver = devchain.accounts[:2]
    first = (await deployed.block()).number + 1
    for amount in range(1, 8):
        await deployed.token.transfer(sender, receiver.address, amount)
    batch = await deployed.follow(first_block=first).read()
    assert transfers(batch.events) == list(range(1, 8))


async def test_a_reorganisation_is_told_and_read_again(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    follower = deployed.follow(first_block=(await deployed.block()).number + 1)
    await deployed.token.transfer(sender, receiver.address, 1)
    kept = await follower.read()
    fork = await devchain.snapshot()
    await deployed.token.transfer(sender, receiver.address, 2)
    await deployed.token.transfer(sender, receiver.address, 3)
    assert transfers((await follower.read()).events) == [2, 3]

    await devchain.revert(fork)
    await devchain.advance(60)  # so that the new blocks differ from the old ones
    await deployed.token.transfer(sender, receiver.address, 4)
    batch = await follower.read()
    assert batch.forget_from == kept.next_block
    assert transfers(batch.events) == [4]
    assert (await follower.read()).forget_from is None


async def test_a_chain_that_became_shorter_is_told(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    follower = deployed.follow(first_block=(await deployed.block()).number + 1)
    fork = await devchain.snapshot()
    await deployed.token.transfer(sender, receiver.address, 1)
    batch = await follower.read()
    await devchain.revert(fork)
    shorter = await follower.read()
    assert shorter.events == ()
    assert shorter.forget_from == batch.next_block - 1


REFUSALS = [
    events.RpcError("eth_getLogs", -32005, "query returned more than 10000 results"),
    AnswerTooLarge("the answer exceeds what is read"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_node_that_limits_ranges_is_asked_for_less(
    deployed: Chain, devchain: DevChain, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    sender, receiver = devchain.accounts[:2]
    first = (await deployed.block()).number + 1
    for amount in range(1, 5):
        await deployed.token.transfer(sender, receiver.address, amount)
    plain_call = deployed.rpc.call

    async def limited(method: str, *params: Any) -> Any:
        if method == "eth_getLogs":
            query = params[0]
            if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 2:
                raise refusal
        return await plain_call(method, *params)

    monkeypatch.setattr(deployed.rpc, "call", limited)
    batch = await deployed.follow(first_block=first).read()
    assert transfers(batch.events) == [1, 2, 3, 4]


async def test_a_node_that_gives_no_logs_at_all_is_out_of_reach(
    deployed: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_call = deployed.rpc.call

    async def without_logs(method: str, *params: Any) -> Any:
        if method == "eth_getLogs":
            raise events.RpcError(method, -32603, "internal error")
        return await plain_call(method, *params)

    monkeypatch.setattr(deployed.rpc, "call", without_logs)
    with pytest.raises(ChainUnreachable, match="gives no logs: internal error"):
        await deployed.follow().read()
