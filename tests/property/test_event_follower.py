"""A reader of events on a chain that reorganises, and fails, between any two questions."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.chain.abi import Abi
from aivm.chain.events import Event, EventFollower
from aivm.chain.rpc import Rpc, RpcError
from aivm.errors import ChainUnreachable
from aivm.receipts.addresses import checked_address

ADDRESS = checked_address("0x" + "12" * 20)
ABI = Abi(
    [{"type": "event", "name": "Said", "inputs": [{"name": "what", "type": "uint64"}]}],
)
(TOPIC,) = ABI.events


class Chain:
    """Blocks with one log each; before any answer it may grow, reorganise, or be out of reach."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._made = 0
        self.blocks: list[int] = []  # number i is block i: its hash, and what its log says
        self.is_calm = True
        self.grow(3)
        self.is_calm = False

    def grow(self, count: int) -> None:
        for _ in range(count):
            self._made += 1
            self.blocks.append(self._made)

    async def call(self, method: str, *params: Any) -> Any:
        if not self.is_calm:
            self._happen()
        match method:
            case "eth_blockNumber":
                return hex(len(self.blocks) - 1)
            case "eth_getBlockByNumber":
                number = int(params[0], 16)
                known = number < len(self.blocks)
                return {"hash": self._hash(number)} if known else None
            case "eth_getLogs":
                first, last = (int(params[0][key], 16) for key in ("fromBlock", "toBlock"))
                if last - first > 5:
                    raise RpcError(method, -32005, "too many")
                return [
                    self._log(number) for number in range(first, min(last + 1, len(self.blocks)))
                ]
        raise AssertionError(method)

    async def ask(self, method: str, *params: Any) -> Any:
        return await self.call(method, *params)

    def _happen(self) -> None:
        match self._draw(st.integers(0, 9)):
            case 0:
                raise ChainUnreachable("nobody answers")
            case 1 | 2:
                self.grow(self._draw(st.integers(1, 8)))
            case 3 | 4:
                depth = self._draw(st.integers(1, 12))
                self.blocks = self.blocks[: max(1, len(self.blocks) - depth)]
                self.grow(self._draw(st.integers(0, 12)))

    def _hash(self, number: int) -> str:
        return f"0x{self.blocks[number]:064x}"

    def _log(self, number: int) -> dict[str, Any]:
        return {
            "address": ADDRESS,
            "topics": ["0x" + TOPIC.hex()],
            "data": f"0x{self.blocks[number]:064x}",
            "blockNumber": hex(number),
            "blockHash": self._hash(number),
            "transactionHash": self._hash(number),
            "logIndex": "0x0",
        }


async def follow(chain: Chain, reads: int) -> list[int]:
    """What a reader has in the end who keeps what it is told, and forgets what it is told to."""
    follower = EventFollower(cast(Rpc, chain), {ADDRESS: ABI})
    known: list[Event] = []
    for read in range(reads + 1):
        chain.is_calm = read == reads
        try:
            batch = await follower.read()
        except ChainUnreachable:
            continue
        if batch.forget_from is not None:
            known = [event for event in known if event.block_number < batch.forget_from]
        known += batch.events
        numbers = [event.block_number for event in known]
        assert numbers == sorted(set(numbers)), "nothing is told twice"
    return [event.arguments["what"] for event in known]


@settings(max_examples=120)
@given(st.data())
def test_in_the_end_the_reader_has_what_the_chain_has(data: st.DataObject) -> None:
    chain = Chain(data.draw)
    assert asyncio.run(follow(chain, 6)) == chain.blocks
