"""A provider node: the agent with chain, storage, workers and HTTP face, from start to drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.config import Config
from aivm.errors import NotAllowed
from aivm.litigation.conductor import litigation_policy
from aivm.market.models import Models
from aivm.market.network import connect_chain
from aivm.provider.admission import Admission, Channels, Terms
from aivm.provider.agent import Agent, Identity
from aivm.provider.catalog import Catalog
from aivm.provider.defence import Archive, Defence, DefencePolicy
from aivm.provider.journal import Journal
from aivm.provider.server import make_app
from aivm.provider.settlement import Settlement, SettlementPolicy
from aivm.receipts import Domain
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)

TRACE_DEADLINE_SECONDS = 600.0  # of one run with every value, which no client waits for


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
    defence: DefencePolicy = field(default_factory=DefencePolicy)
    worker_module: str = "aivm.workers.worker"


@dataclass(frozen=True)
class Node:
    """A running node; `url` is where its HTTP face listens."""

    agent: Agent
    settlement: Settlement
    defence: Defence
    url: str


@asynccontextmanager
async def run_node(config: Config, hot_key: Account, options: NodeOptions) -> AsyncIterator[Node]:
    """Start a node, serve until the block ends, then drain: finish jobs, redeem, stop workers.

    Raises NotAllowed if `hot_key` is not the owner's registered key: receipts would be worthless.
    """
    journal = Journal(journal_path(config))
    workers = _workers(options, options.workers, options.deadline_seconds)
    policy = litigation_policy(options.defence.max_gas_price)
    try:
        async with (
            connect_chain(config, policy=policy) as chain,
            aiohttp.ClientSession() as session,
        ):
            registered = await chain.staking.get_provider(options.owner)
            if registered.hot_key != hot_key.address:
                raise NotAllowed(
                    f"{hot_key.address} is not the registered hot key of {options.owner}",
                    hint="Register it first: aivm provider register.",
                )
            models = Models(chain, session, [config.storage_url], config.cache_dir / "models")
            catalog = await _installed(models, options.models)
            agent = _agent(chain, hot_key, options, catalog, journal, workers)
            settlement = Settlement(
                chain=chain, operator=hot_key, journal=journal, policy=options.settlement
            )
            archive = Archive(journal, catalog, models)
            again = _workers(options, 1, TRACE_DEADLINE_SECONDS)
            defence = await Defence.prepare(
                chain, options.owner, hot_key, archive, again, options.defence
            )
            async with (
                _listening(agent, options) as url,
                _background(settlement.watch()),
                _background(defence.watch()),
            ):
                yield Node(agent, settlement, defence, url)
            await settlement.settle(everything=True)
    finally:
        await workers.stop()
        journal.close()


def journal_path(config: Config) -> Path:
    """Where a provider with these settings keeps its journal."""
    return config.state_dir / "provider" / "journal.db"


def _workers(options: NodeOptions, count: int, deadline_seconds: float) -> WorkerPool:
    return WorkerPool(
        engine=options.engine,
        workers=count,
        threads=options.threads,
        deadline_seconds=deadline_seconds,
        module=options.worker_module,
    )


async def _installed(models: Models, references: Sequence[str]) -> Catalog:
    catalog = Catalog()
    for reference in references:
        catalog.install(await models.package(reference))
        log.info("serving %s", reference)
    return catalog


def _agent(
    chain: Chain,
    hot_key: Account,
    options: NodeOptions,
    catalog: Catalog,
    journal: Journal,
    workers: WorkerPool,
) -> Agent:
    terms = options.terms
    return Agent(
        identity=Identity(options.owner, hot_key, chain.staking.domain),
        terms=terms,
        catalog=catalog,
        admission=Admission(
            provider=options.owner,
            domain=Domain(chain.chain_id, chain.escrow.address),
            terms=terms,
            channels=Channels(chain.escrow.get_channel, terms.channel_refresh_seconds),
            journal=journal,
        ),
        journal=journal,
        workers=workers,
    )


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
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
