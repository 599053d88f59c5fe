"""`Summonses`: who is asked to show what stands behind an order, followed through the blocks.

What it holds is always what the chain has at the last poll, also after a reorganisation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aivm.chain.client import Chain
from aivm.chain.events import Event
from aivm.errors import MalformedReceipt
from aivm.receipts.receipt import Receipt

log = logging.getLogger(__name__)

_ENDS = frozenset({"Shown", "Lapsed", "Voided"})


@dataclass(frozen=True, slots=True)
class Summoned:
    """A summons that is pending: `summoner` asks what stands behind the receipt."""

    order: bytes
    receipt: Receipt
    summoner: str
    deadline: int  # unix seconds; the last second in which it may be answered


class Summonses:
    """The summonses of one provider, or of all, that were made from `first_block` on."""

    def __init__(
        self,
        chain: Chain,
        *,
        provider: str | None = None,
        first_block: int = 0,
        confirmations: int = 1,
    ) -> None:
        """Blocks count once they have `confirmations`; 1 takes the head too."""
        self._provider = provider
        self._follower = chain.follow(
            chain.misconduct, first_block=first_block, confirmations=confirmations
        )
        self._told: dict[bytes, list[tuple[int, Summoned | None]]] = {}  # by order; None: ended

    @property
    def pending(self) -> tuple[Summoned, ...]:
        """Those that nobody has answered or ended, the most urgent first."""
        lasts = (told[-1][1] for told in self._told.values())
        return tuple(sorted(filter(None, lasts), key=lambda summons: summons.deadline))

    async def poll(self) -> None:
        """Read what is new. Raises ChainUnreachable."""
        batch = await self._follower.read()
        if batch.forget_from is not None:
            self._forget(batch.forget_from)
        for event in batch.events:
            if event.name == "Summoned":
                if self._provider in (None, event.arguments["provider"]):
                    self._add(event)
            elif event.name in _ENDS and event.arguments["order"] in self._told:
                self._told[event.arguments["order"]].append((event.block_number, None))

    def _add(self, event: Event) -> None:
        said = event.arguments
        try:
            receipt = Receipt(**said["receipt"])
        except MalformedReceipt as problem:  # of a tier that nobody has defined
            log.warning("a summons is about no receipt of ours: %s", problem.message)
            return
        summoned = Summoned(said["order"], receipt, said["summoner"], said["deadline"])
        self._told.setdefault(summoned.order, []).append((event.block_number, summoned))

    def _forget(self, first: int) -> None:
        """Drop what was said from that block on."""
        for order, told in list(self._told.items()):
            kept = [(block, what) for block, what in told if block < first]
            if kept:
                self._told[order] = kept
            else:
                del self._told[order]
