"""Events: decodes logs, and follows a contract's events through reorganisations.

A follower reads only blocks that have enough confirmations, and remembers the hashes of what it has
read. If one of these blocks is replaced all the same, it says from which block on its reader must
forget what it was told; nothing is ever delivered twice or silently missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivm.chain.abi import Abi, decode
from aivm.chain.rpc import Rpc, RpcError
from aivm.errors import AnswerTooLarge, ChainUnreachable, WrongChain
from aivm.receipts.addresses import checked_address

RANGE_BLOCKS = 2000  # asked for at once; halved when the node finds it too much
REMEMBERED_BLOCKS = 64  # how deep a reorganisation can be followed back exactly


@dataclass(frozen=True)
class Event:
    """A decoded log: which contract said what, and where in the chain."""

    contract: str  # address
    name: str
    arguments: Mapping[str, Any]
    block_number: int
    block_hash: str
    transaction: str  # hash
    log_index: int


@dataclass(frozen=True)
class Batch:
    """What one `read` brought, in the order of the chain.

    If `forget_from` is not None, blocks from that number on were replaced since the last read:
    forget their events first, then take these.
    """

    events: tuple[Event, ...]
    next_block: int  # the first block that was not read yet
    forget_from: int | None = None


def decode_log(abi: Abi, log: Mapping[str, Any]) -> Event | None:
    """The event that a log encodes, or None if the ABI does not know it.

    Indexed arguments of dynamic type are on the chain only as their hash, and come out as these 32
    bytes. Raises WrongChain if the log's bytes do not fit the event.
    """
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    signature = abi.events.get(topics[0]) if topics else None
    if signature is None:
        return None
    indexed = [parameter for parameter in signature.inputs if parameter.indexed]
    plain = [parameter for parameter in signature.inputs if not parameter.indexed]
    if len(indexed) != len(topics) - 1:
        raise WrongChain(f"a log of event {signature.name} has {len(topics)} topics")
    arguments: dict[str, Any] = {}
    for parameter, topic in zip(indexed, topics[1:], strict=True):
        hashed = parameter.kind in ("string", "bytes") or parameter.kind.endswith(("]", ")"))
        arguments[parameter.name] = topic if hashed else decode([parameter], topic)[0]
    values = decode(plain, bytes.fromhex(log["data"][2:]))
    arguments |= {part.name: value for part, value in zip(plain, values, strict=True)}
    return Event(
        contract=checked_address(log["address"]),
        name=signature.name,
        arguments={part.name: arguments[part.name] for part in signature.inputs},
        block_number=int(log["blockNumber"], 16),
        block_hash=log["blockHash"],
        transaction=log["transactionHash"],
        log_index=int(log["logIndex"], 16),
    )


class EventFollower:
    """Reads the events of some contracts from one block on, again and again."""

    def __init__(
        self,
        rpc: Rpc,
        contracts: Mapping[str, Abi],
        *,
        first_block: int = 0,
        confirmations: int = 1,
    ) -> None:
        """`contracts` maps addresses to ABIs; with `confirmations` 1 the head is read too."""
        self._rpc = rpc
        self._contracts = dict(contracts)
        self._confirmations = max(1, confirmations)
        self._next = first_block
        self._first = first_block
        self._range = RANGE_BLOCKS
        self._read_hashes: dict[int, str] = {}  # ends of ranges read, at most REMEMBERED_BLOCKS
        # What the next batch will tell. It stays here when a read fails half-way.
        self._found: list[Event] = []
        self._forget_from: int | None = None

    async def read(self) -> Batch:
        """The events since the last read, as far as they are confirmed.

        A read that raises has lost nothing: the next one tells all of it.
        """
        await self._step_back()
        while True:
            head = int(await self._rpc.ask("eth_blockNumber"), 16)
            last = min(head - self._confirmations + 1, self._next + self._range - 1)
            if last < self._next:
                break
            if not await self._read_range(self._next, last):
                await self._step_back()
        batch = Batch(tuple(self._found), self._next, self._forget_from)
        self._found, self._forget_from = [], None
        return batch

    async def _read_range(self, first: int, last: int) -> bool:
        """Take the events of a range; False if the chain, or what the node gives, is otherwise."""
        before = await self._hash_of(last)
        query = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": list(self._contracts),
        }
        try:
            logs = await self._rpc.call("eth_getLogs", query)
        except (RpcError, AnswerTooLarge) as error:
            if first == last:
                raise ChainUnreachable(f"the node gives no logs: {error.message}") from None
            self._range = max(1, (last - first + 1) // 2)
            return False
        if before is None or await self._hash_of(last) != before:
            return False
        if first - 1 in self._read_hashes and not await self._still_holds(first - 1):
            return False  # what this range stands on was replaced since the last look
        self._found += self._decode(logs)
        self._next = last + 1
        self._range = min(RANGE_BLOCKS, 2 * self._range)  # what was too much once need not stay so
        self._remember(last, before)
        return True

    def _decode(self, logs: Sequence[Mapping[str, Any]]) -> list[Event]:
        events = (decode_log(self._contracts[checked_address(log["address"])], log) for log in logs)
        return [event for event in events if event is not None]

    def _remember(self, number: int, block_hash: str) -> None:
        self._read_hashes[number] = block_hash
        while len(self._read_hashes) > REMEMBERED_BLOCKS:
            del self._read_hashes[min(self._read_hashes)]

    async def _step_back(self) -> None:
        """Go back behind every block that was replaced."""
        while self._read_hashes:
            newest = max(self._read_hashes)
            if await self._still_holds(newest):
                return
            del self._read_hashes[newest]
            self._next = max(self._read_hashes, default=self._first - 1) + 1
            self._found = [event for event in self._found if event.block_number < self._next]
            known = self._next if self._forget_from is None else self._forget_from
            self._forget_from = min(self._next, known)

    async def _still_holds(self, number: int) -> bool:
        """Whether a block that was read is in the chain."""
        return await self._hash_of(number) == self._read_hashes[number]

    async def _hash_of(self, number: int) -> str | None:
        block = await self._rpc.ask("eth_getBlockByNumber", hex(number), False)
        return str(block["hash"]) if block else None
