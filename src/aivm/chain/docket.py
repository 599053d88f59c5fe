"""`Docket`: all disputes of a network, followed through its blocks and their reorganisations.

    docket = Docket(chain, first_block=await first_block_since(chain, day_ago))
    await docket.poll()
    for case in docket.cases: ...

What it holds is always what the chain has at the last poll: a game that a reorganisation took away
is gone, one that it brought back to an earlier state is there again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from aivm.chain.cases import ENDS, Case, Sent, case_of
from aivm.chain.client import Chain
from aivm.chain.events import Event
from aivm.errors import NotFound

_Key = tuple[str, str]  # hashes of a transaction and of the block that it is in
_PARTS = frozenset({"Opened", "Moved", "Committed", "Revealed", "Typed", "Posted", *ENDS})


class Docket:
    """The cases of `chain.dispute` that were opened from `first_block` on."""

    def __init__(self, chain: Chain, *, first_block: int = 0, confirmations: int = 1) -> None:
        """Blocks count once they have `confirmations`; 1 takes the head too."""
        self._chain = chain
        self._follower = chain.follow(
            chain.dispute, first_block=first_block, confirmations=confirmations
        )
        self._events: dict[bytes, list[Event]] = {}  # by game
        self._sent: dict[_Key, Sent] = {}
        self._missing: dict[_Key, set[bytes]] = {}  # what the node has not told, and its games
        self._cases: dict[bytes, list[Case]] = {}
        self._bond = 0  # asked for at the first poll
        self._polling = asyncio.Lock()
        self._stale: set[bytes] = set()  # games whose cases are to be built again

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases in the order of their opening."""
        found = [case for cases in self._cases.values() for case in cases]
        return tuple(sorted(found, key=lambda case: case.position))

    @property
    def open_cases(self) -> tuple[Case, ...]:
        """Those that have not ended."""
        return tuple(case for case in self.cases if case.is_open)

    def case(self, reference: bytes) -> Case:
        """The newest case with that game id, or about the receipt with that hash.

        Raises NotFound.
        """
        for case in reversed(self.cases):
            if reference in (case.game, case.state.receipt):
                return case
        raise NotFound(
            f"there is no dispute 0x{reference.hex()}, as game or as receipt",
            hint="`aivm dispute watch --once` lists what the chain has.",
        )

    async def poll(self) -> bool:
        """Read what is new; returns whether any case has changed. Raises ChainUnreachable.

        Two at once take turns.
        """
        async with self._polling:
            return await self._poll()

    async def _poll(self) -> bool:
        self._bond = self._bond or (await self._chain.dispute.terms()).bond
        batch = await self._follower.read()
        if batch.forget_from is not None:
            self._forget(batch.forget_from)
        for event in batch.events:
            if event.name in _PARTS:
                game = event.arguments["game"]
                self._events.setdefault(game, []).append(event)
                self._missing.setdefault(_key(event), set()).add(game)
                self._stale.add(game)
        await self._ask_for_transactions()
        changed = bool(self._stale)
        for game in list(self._stale):
            self._cases[game] = self._built(self._events.get(game, []))
            self._stale.discard(game)
        return changed

    def _forget(self, first: int) -> None:
        """Drop what was said from that block on."""
        for game, events in self._events.items():
            kept = [event for event in events if event.block_number < first]
            for event in events[len(kept) :]:
                self._missing.pop(_key(event), None)
                self._sent.pop(_key(event), None)
                self._stale.add(game)
            self._events[game] = kept

    def _built(self, events: Sequence[Event]) -> list[Case]:
        """The cases of one game id: whoever has lost may open the same again."""
        starts = [at for at, event in enumerate(events) if event.name == "Opened"]
        cases = []
        for start, end in pairwise([*starts, len(events)]):
            part = events[start:end]
            sent = [self._sent.get(_key(event)) for event in part]
            cases.append(case_of(part, sent, self._bond))
        return cases

    async def _ask_for_transactions(self) -> None:
        """Gas and times, once for each transaction.

        What a node does not know (yet, or because its block was replaced) is asked again later.
        """
        missing = list(self._missing)
        calls: list[tuple[str, list[Any]]] = []
        for transaction, block in missing:
            calls.append(("eth_getTransactionByHash", [transaction]))
            calls.append(("eth_getTransactionReceipt", [transaction]))
            calls.append(("eth_getBlockByHash", [block, False]))
        answers = await self._chain.rpc.batch(calls)
        for key, *told in zip(missing, answers[::3], answers[1::3], answers[2::3], strict=True):
            known = all(isinstance(answer, dict) for answer in told)
            if known and all(answer["blockHash"] == key[1] for answer in told[:2]):
                self._sent[key] = self._read(*told)
                self._stale |= self._missing.pop(key)

    def _read(
        self, transaction: Mapping[str, Any], receipt: Mapping[str, Any], block: Mapping[str, Any]
    ) -> Sent:
        to, game = transaction["to"] or "", self._chain.dispute.address
        return Sent(
            gas=int(receipt["gasUsed"], 16),
            time=int(block["timestamp"], 16),
            calldata=bytes.fromhex(transaction["input"][2:]) if to.lower() == game.lower() else b"",
        )


async def first_block_since(chain: Chain, time: int) -> int:
    """The number of the first block with that time (Unix seconds) or a later one; the head's
    number plus one if there is none yet."""
    low, high = 0, (await chain.block()).number + 1
    while low < high:
        middle = (low + high) // 2
        if (await chain.block(hex(middle))).time < time:
            low = middle + 1
        else:
            high = middle
    return low


def _key(event: Event) -> _Key:
    return event.transaction, event.block_hash
