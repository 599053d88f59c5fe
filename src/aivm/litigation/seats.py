"""Players by receipt: made once, used by every game about that receipt, one move at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from aivm.chain.cases import Case, Side
from aivm.dispute.game import played
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.state import receipt_hash
from aivm.dispute.trace import ProgramTree
from aivm.litigation.execution import execute
from aivm.packages import Package
from aivm.receipts import Receipt
from aivm.workers.pool import WorkerPool

Array = np.ndarray[Any, Any]


class Brief(NamedTuple):
    """What a side must know of a receipt: the package of its model, and its inputs by name."""

    package: Package
    inputs: Mapping[str, Array]


FindBrief = Callable[[Receipt], Awaitable[Brief]]
"""Raises NotFound, or whatever else explains why a receipt cannot be played for."""


class _Seat:
    """One receipt's player. Its trace keeps what was asked last, so moves are made in turn."""

    def __init__(self, player: Provider | Challenger) -> None:
        self.player = player
        self.turn = asyncio.Lock()


class Seats:
    """The players of one side."""

    def __init__(self, side: Side, find: FindBrief, workers: WorkerPool) -> None:
        self._side = side
        self._find = find
        self._workers = workers
        self._seats: dict[bytes, asyncio.Task[_Seat]] = {}

    async def move(self, case: Case, sender: str, time: int) -> Move:
        """The next move of this side, checked by the rules: the contract will take it.

        Raises IllegalMove where it would not, NotAllowed where this side is wrong, InternalError
        where there is nothing to prove, and what `FindBrief` and `execute` raise.
        """
        seat = await self._seat(case.receipt)
        async with seat.turn:
            return await asyncio.to_thread(_checked_move, seat.player, case, sender, time)

    async def take(self, receipt: Receipt, brief: Brief) -> ProgramTree:
        """Make a receipt's player now; returns the program that it is about.

        Raises NotAllowed where this side is wrong, and what `execute` raises.
        """
        self._seats[receipt_hash(receipt)] = asyncio.create_task(self._made(receipt, brief))
        return (await self._seat(receipt)).player.program

    def keep(self, receipts: Collection[bytes]) -> None:
        """Forget all players but those of these receipts (by hash)."""
        for receipt in self._seats.keys() - set(receipts):
            self._seats.pop(receipt).cancel()

    async def _seat(self, receipt: Receipt) -> _Seat:
        key = receipt_hash(receipt)
        if key not in self._seats:
            self._seats[key] = asyncio.create_task(self._found(receipt))
        making = self._seats[key]
        try:
            # Several games may wait for it, of which one may be given up.
            return await asyncio.shield(making)
        except BaseException:
            if making.done() and self._seats.get(key) is making:
                del self._seats[key]  # what is missing now may be there the next time
            raise

    async def _found(self, receipt: Receipt) -> _Seat:
        return await self._made(receipt, await self._find(receipt))

    async def _made(self, receipt: Receipt, brief: Brief) -> _Seat:
        execution = await execute(brief.package, receipt, brief.inputs, self._workers)
        make = execution.provider if self._side is Side.PROVIDER else execution.challenger
        return _Seat(await asyncio.to_thread(make, receipt))


def _checked_move(player: Provider | Challenger, case: Case, sender: str, time: int) -> Move:
    state = case.state
    if isinstance(player, Provider):
        move = player.move(state)
    else:
        move = player.move(state, case.history(player.program))
    played(state, move, sender, max(time, state.since))
    return move
