"""What can go wrong, at random and all at once: the false receipt is convicted all the same."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from tests.unit.chain.test_transactions import lossy_proxy
from tests.unit.litigation.conftest import Court, OpenWorkers
from tests.unit.litigation.test_faults import both

from aivm.chain.cases import Status
from aivm.chain.docket import Docket
from aivm.chain.fees import GWEI
from aivm.workers.pool import WorkerPool

MOST_EVENTS = 40
QUIET_SECONDS = 40  # after the last event; a game takes two


class Stage:
    """Both players, each behind a connection that can be cut, and what happens to them."""

    def __init__(self, court: Court, workers: dict[int, WorkerPool], seed: int) -> None:
        self.court = court
        self.workers = workers
        self.random = random.Random(seed)
        self.players: dict[int, AsyncExitStack] = {}
        self.dark: set[int] = set()
        self.fork: str | None = None

    async def enter(self, number: int) -> None:
        """Start a player that remembers nothing."""
        stack = self.players[number] = AsyncExitStack()
        proxy = lossy_proxy(self.court.devchain.url, lambda _: number in self.dark)
        url, _ = await stack.enter_async_context(proxy)
        await stack.enter_async_context(self.court.playing(number, self.workers[number], url))

    async def restart(self) -> None:
        number = self.random.choice((2, 3))
        await self.players.pop(number).aclose()
        self.dark.discard(number)  # nothing starts without a chain
        await self.enter(number)

    async def cut(self) -> None:
        self.dark ^= {self.random.choice((2, 3))}

    async def remember(self) -> None:
        self.fork = self.fork or await self.court.devchain.snapshot()

    async def reorganise(self) -> None:
        if self.fork is not None:
            await self.court.devchain.revert(self.fork)
            self.fork = None

    async def stall(self) -> None:
        """Blocks come late: what is sent waits in the pool meanwhile."""
        await self.court.devchain.set_automine(False)
        await asyncio.sleep(self.random.random())
        await self.court.devchain.set_automine(True)
        await self.court.devchain.mine()

    async def reprice(self) -> None:
        fee = int(GWEI * 10 ** self.random.uniform(0, 2))
        await self.court.devchain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(fee))
        await self.court.devchain.mine()

    async def mine(self) -> None:
        await self.court.devchain.mine()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_the_cheat_is_convicted(
    court: Court, open_workers: OpenWorkers, seed: int
) -> None:
    async with both(open_workers) as (theirs, ours):
        game = await court.doubt(3, await court.signed(theirs))
        stage = Stage(court, {2: theirs, 3: ours}, seed)
        docket = Docket(court.chain)
        events = (stage.restart, stage.cut, stage.remember, stage.reorganise)
        events += (stage.stall, stage.reprice, stage.mine)
        try:
            for number in (2, 3):
                await stage.enter(number)
            for _ in range(MOST_EVENTS):
                await stage.random.choice(events)()
                await asyncio.sleep(stage.random.random() / 4)
                await docket.poll()
                if not docket.case(game).is_open and stage.fork is None:
                    break
            stage.dark.clear()
            await court.devchain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
            for _ in range(10 * QUIET_SECONDS):
                await docket.poll()
                if not docket.case(game).is_open:
                    break
                await asyncio.sleep(0.1)
        finally:
            await court.devchain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
            await court.devchain.set_automine(True)
            for player in stage.players.values():
                await player.aclose()
    case = docket.case(game)
    assert case.status is Status.CONVICTED, court.said
    assert case.entries[-1].move == "prove"
