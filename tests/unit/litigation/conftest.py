"""The provider's tiny package, workers that are honest or not, and receipts about its runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from tests.unit.provider.conftest import World, package, world

from aivm import host
from aivm.chain.cases import Side
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.dispute import Terms
from aivm.chain.docket import Docket
from aivm.commitments import bundle_root, tensor_root
from aivm.dispute.trace import ProgramTree
from aivm.errors import NotFound
from aivm.litigation.conductor import Conductor, litigation_policy, playing
from aivm.litigation.seats import Brief
from aivm.litigation.tables import Pace
from aivm.packages import Package, Programs
from aivm.receipts import Receipt, SignedReceipt, Tier, job_id, sign_receipt
from aivm.workers.pool import WorkerPool

__all__ = ["package", "world"]

Array = np.ndarray[Any, Any]
HONEST, CHEAT = "aivm.workers.worker", "aivm.devnet.cheat"
OpenWorkers = Callable[..., AbstractAsyncContextManager[WorkerPool]]


@asynccontextmanager
async def workers_of(module: str = HONEST) -> AsyncIterator[WorkerPool]:
    """A worker process of that module."""
    pool = WorkerPool(engine="native", module=module)
    try:
        yield pool
    finally:
        await pool.stop()


def inputs_of(number: int) -> dict[str, Array]:
    """Inputs of the tiny model for which a cheat's wrong weight shows in the output."""
    return {"x": np.float32([[1, 2, 3, 4 + number]]), "index": np.array([2], np.int64)}


@pytest.fixture
def open_workers() -> OpenWorkers:
    return workers_of


async def receipt_about(
    world: World,
    given: Mapping[str, Array],
    workers: WorkerPool,
    *,
    channel: bytes = bytes(32),
    sequence: int = 1,
    time: int | None = None,
) -> Receipt:
    """What a provider with these workers says of a run, whatever it is worth."""
    shapes = {name: array.shape for name, array in given.items()}
    found = Programs(world.package).find(shapes)
    blobs = [np.ascontiguousarray(given[name]).tobytes() for name in found.input_names]
    model = world.package.model_id
    inputs = bundle_root(tensor_root(given[name]) for name in found.input_names)
    answers = await workers.run(model.hex(), world.package.directory, shapes, blobs)
    outputs = (
        np.frombuffer(blob, np.float32).reshape(kind.shape)
        for blob, kind in zip(answers, found.output_types, strict=True)
    )
    return Receipt(
        job=job_id(channel, sequence, model, found.root, inputs),
        model=model,
        program=found.root,
        inputs=inputs,
        outputs=bundle_root(map(tensor_root, outputs)),
        client=world.client.address,
        provider=world.owner.address,
        channel=channel,
        sequence=sequence,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=host.now() if time is None else time,
    )


STAKE = 5_000 * 10**18
PACE = Pace(poll_seconds=0.05, slowest_retry_seconds=0.5, lag_seconds=0.3)


@dataclass
class Court:
    """A network with a staked provider, and conductors for whoever is asked for.

    Accounts by number: 0 governs, 1 is the provider, 2 its hot key, 3 and 4 are challengers, 5 is
    the client.
    """

    chain: Chain
    devchain: DevChain
    world: World
    terms: Terms
    briefs: dict[bytes, Mapping[str, Array]] = field(default_factory=dict)  # inputs by job
    said: list[str] = field(default_factory=list)

    @classmethod
    async def prepared(cls, chain: Chain, devchain: DevChain, package: Package) -> Court:
        bank, provider, hot, *challengers = devchain.accounts[:5]
        terms = await chain.dispute.terms()
        await chain.token.transfer(bank, provider.address, STAKE)
        await chain.staking.register_provider(provider, hot.address, "https://p")
        await chain.token.approve(provider, chain.staking.address, STAKE)
        await chain.staking.stake(provider, STAKE)
        for account in challengers:
            await chain.token.transfer(bank, account.address, 5 * terms.bond)
        world = World(package, owner=provider, hot_key=hot, client=devchain.accounts[5])
        return cls(chain, devchain, world, terms)

    async def signed(self, workers: WorkerPool, number: int = 0) -> SignedReceipt:
        """What a provider with these workers signs about a run of the tiny model."""
        given = inputs_of(number)
        time = (await self.chain.block()).time
        receipt = await receipt_about(self.world, given, workers, sequence=number + 1, time=time)
        self.briefs[receipt.job] = given
        return sign_receipt(receipt, self.chain.staking.domain, self.world.hot_key)

    async def find(self, receipt: Receipt) -> Brief:
        if receipt.job not in self.briefs:
            raise NotFound("the inputs of this job are not kept")
        return Brief(self.world.package, self.briefs[receipt.job])

    @asynccontextmanager
    async def connected(self, url: str = "", **policy: Any) -> AsyncIterator[Chain]:
        """An own connection, as every process has one."""
        quick = {"slowest_poll_seconds": 0.02, "stuck_seconds": 0.2, "outage_seconds": 0.3}
        chosen = replace(litigation_policy(), **{**quick, **policy})
        book, address = self.chain.address_book, url or self.devchain.url
        async with await Chain.connect(address, book, policy=chosen) as chain:
            yield chain

    def conductor(
        self, chain: Chain, number: int, workers: WorkerPool, **options: Any
    ) -> Conductor:
        """Of account `number`: 2 plays for the provider, the others doubt."""
        chosen: dict[str, Any] = {"pace": PACE, "report": self.said.append, **options}
        side = Side.PROVIDER if number == 2 else Side.CHALLENGER
        account, docket = self.devchain.accounts[number], Docket(chain)
        owner = self.world.owner.address
        return Conductor(chain, account, side, self.find, workers, docket, owner=owner, **chosen)

    @asynccontextmanager
    async def playing(
        self, number: int, workers: WorkerPool, url: str = "", **options: Any
    ) -> AsyncIterator[Conductor]:
        """A conductor at work in the background, with a connection of its own."""
        async with self.connected(url) as chain:
            conductor = self.conductor(chain, number, workers, **options)
            async with playing(conductor):
                yield conductor

    async def doubt(self, number: int, signed: SignedReceipt) -> bytes:
        """Open a game by hand, whatever the receipt is worth."""
        account, given = self.devchain.accounts[number], self.briefs[signed.receipt.job]
        shapes = {name: array.shape for name, array in given.items()}
        tree = ProgramTree(Programs(self.world.package).find(shapes).program)
        await self.chain.token.approve(account, self.chain.dispute.address, self.terms.bond)
        return await self.chain.dispute.open(account, signed, tree.record(0), tree.path(0))

    async def staked(self) -> int:
        return (await self.chain.staking.get_provider(self.world.owner.address)).staked

    async def tokens(self, number: int) -> int:
        """What an account holds, and has in the dispute game."""
        address = self.devchain.accounts[number].address
        return await self.chain.token.balance_of(address) + await self.chain.dispute.credit(address)

    async def heard(self, text: str) -> None:
        """Wait until a conductor has said that."""
        for _ in range(1500):
            if any(text in sentence for sentence in self.said):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"nobody said {text!r}, but: {self.said}")


@pytest.fixture
async def court(deployed: Chain, devchain: DevChain, package: Package) -> Court:
    return await Court.prepared(deployed, devchain, package)
