"""A provider node: the agent with chain, storage, workers and HTTP face, from start to drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from aivm.chain.account import Account
from aivm.config import Config
from aivm.errors import NotAllowed
from aivm.market.models import Models
from aivm.market.network import connect_chain
from aivm.provider.admission import Admission, Channels, Terms
from aivm.provider.agent import Agent, Identity
from aivm.provider.catalog import Catalog
from aivm.provider.journal import Journal
from aivm.provider.server import make_app
from aivm.provider.settlement import Settlement, SettlementPolicy
from aivm.receipts import Domain
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeOptions:
    """What an operator decides. `owner` is an address: its cold key stays elsewhere."""

    owner: str
    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 0
    engine: str = "native"
    workers: int = 1
    threads: int = 1
    deadline_seconds: float = 60.0
    terms: Terms = field(default_factory=Terms)
    settlement: SettlementPolicy = field(default_factory=SettlementPolicy)
    worker_module: str = "aivm.workers.worker"


@dataclass(frozen=True)
class Node:
    """A running node; `url` is where its HTTP face listens."""

    agent: Agent
    settlement: Settlement
    url: str


@asynccontextmanager
async def run_node(config: Config, hot_key: Account, options: NodeOptions) -> AsyncIterator[Node]:
    """Start a node, serve until the block ends, then drain: finish jobs, redeem, stop workers.

    Raises NotAllowed if `hot_key` is not the owner's registered key: receipts would be worthless.
    """
    journal = Journal(config.state_dir / "provider" / "journal.db")
    workers = WorkerPool(
        engine=options.engine,
        workers=options.workers,
        threads=options.threads,
        deadline_seconds=options.deadline_seconds,
        module=options.worker_module,
    )
    try:
        async with connect_chain(config) as chain, aiohttp.ClientSession() as session:
            registered = await chain.staking.get_provider(options.owner)
            if registered.hot_key != hot_key.address:
                raise NotAllowed(
                    f"{hot_key.address} is not the registered hot key of {options.owner}",
                    hint="Register it first: aivm provider register.",
                )
            models = Models(chain, session, [config.storage_url], config.cache_dir / "models")
            catalog = Catalog()
            for reference in options.models:
                package = await models.package(reference)
                catalog.install(package)
                log.info("serving %s", reference)
            agent = Agent(
                identity=Identity(
                    options.owner, hot_key, Domain(chain.chain_id, chain.staking.address)
                ),
                terms=options.terms,
                catalog=catalog,
                admission=Admission(
                    provider=options.owner,
                    domain=Domain(chain.chain_id, chain.escrow.address),
                    terms=options.terms,
                    channels=Channels(
                        chain.escrow.get_channel, options.terms.channel_refresh_seconds
                    ),
                    journal=journal,
                ),
                journal=journal,
                workers=workers,
            )
            settlement = Settlement(
                chain=chain, operator=hot_key, journal=journal, policy=options.settlement
            )
            async with _listening(agent, options) as url, _background(settlement):
                yield Node(agent, settlement, url)
            await settlement.settle(everything=True)
    finally:
        await workers.stop()
        journal.close()


@asynccontextmanager
async def _listening(agent: Agent, options: NodeOptions) -> AsyncIterator[str]:
    """The HTTP face; on the way out it stops taking requests and finishes those it has."""
    runner = web.AppRunner(make_app(agent), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(
            runner, options.host, options.port, shutdown_timeout=options.deadline_seconds
        )
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _background(settlement: Settlement) -> AsyncIterator[None]:
    task = asyncio.create_task(settlement.watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
