"""A verifier node: intake, examiner, prosecutor, canaries around one book, from start to drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from aivm.chain.account import Account
from aivm.chain.cases import Side
from aivm.chain.client import Chain
from aivm.chain.docket import Docket, first_block_since
from aivm.config import Config
from aivm.errors import InsufficientFunds
from aivm.litigation.conductor import Conductor, litigation_policy, playing
from aivm.litigation.opening import demand_gas_money
from aivm.market.buyer import Buyer
from aivm.market.models import Models
from aivm.market.network import connect_chain
from aivm.verifier.book import Book
from aivm.verifier.canaries import Canaries, CanaryPlan
from aivm.verifier.charges import Charges
from aivm.verifier.examiner import Engines, Examiner
from aivm.verifier.folder import Folder
from aivm.verifier.gate import Gate
from aivm.verifier.intake import Budget, Intake
from aivm.verifier.metrics import Accounts
from aivm.verifier.policy import Policy
from aivm.verifier.prosecution import Briefs, Prosecutor
from aivm.verifier.published import Published
from aivm.verifier.room import Limits
from aivm.verifier.server import Face, make_operator_app, make_public_app
from aivm.verifier.shelf import Shelf
from aivm.verifier.standing import ChainClock, Providers
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)
_DAY = 24 * 3600
_TOKEN = 10**18
_STOP_SECONDS = 30.0
COMPILE_DEADLINE_SECONDS = 60.0
TRACE_DEADLINE_SECONDS = 1800.0  # every value of a run, not only its outputs


@dataclass(frozen=True)
class NodeOptions:
    """What an operator decides; amounts in token base units."""

    host: str = "127.0.0.1"
    port: int = 0
    operator_port: int = 0
    behind_proxy: bool = False
    inbox: Path | None = None
    engines: tuple[str, str] = ("native", "wasm")
    threads: int = 1
    deadline_seconds: float = 300.0
    least_award: int = 10**18
    max_package_bytes: int = 8 * 2**30
    policy: Policy = field(default_factory=Policy)
    budget: Budget = field(default_factory=Budget)
    limits: Limits = field(default_factory=Limits)
    canary_accounts: tuple[Account, ...] = ()
    canaries: CanaryPlan = field(default_factory=CanaryPlan)


@dataclass(frozen=True)
class Parts:
    """What a verifier consists of."""

    chain: Chain
    account: Account
    book: Book
    charges: Charges
    intake: Intake
    examiner: Examiner
    prosecutor: Prosecutor
    docket: Docket
    conductor: Conductor
    accounts: Accounts


@dataclass(frozen=True)
class Node:
    """A running verifier; `url` and `operator_url` are where its faces listen."""

    parts: Parts
    canaries: Canaries | None
    url: str
    operator_url: str


@asynccontextmanager
async def run_verifier(
    config: Config, account: Account, options: NodeOptions
) -> AsyncIterator[Node]:
    """Start a verifier, watch until the block ends, then stop: what is begun stands in the book.

    Disputes that are open are played on by the next start. Raises InsufficientFunds where the
    account could not pay for a single dispute, NotFound, ChainUnreachable, WrongChain.
    """
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(config, account, options))
        await _demand_means(parts)
        canaries = await _canaries(stack, config, options, parts)
        watching = [parts.examiner.watch(), parts.prosecutor.watch()]
        if options.inbox is not None:
            options.inbox.mkdir(parents=True, exist_ok=True)
            watching.append(Folder(options.inbox, parts.intake).watch())
        if canaries is not None:
            watching.append(canaries.watch())
        await stack.enter_async_context(playing(parts.conductor))
        await stack.enter_async_context(_background(watching))
        face = Face(parts.intake, parts.book, Gate(), options.behind_proxy)
        url = await _listen(stack, make_public_app(face), options.host, options.port)
        operator = make_operator_app(parts.accounts)
        operator_url = await _listen(stack, operator, "127.0.0.1", options.operator_port)
        yield Node(parts, canaries, url, operator_url)


@asynccontextmanager
async def open_parts(
    config: Config, account: Account, options: NodeOptions
) -> AsyncIterator[Parts]:
    """The parts of a verifier, put together; nothing goes on by itself."""
    folder, storage = config.state_dir / "verifier", [config.storage_url]
    async with (
        AsyncExitStack() as stack,
        connect_chain(config, litigation_policy()) as chain,
        aiohttp.ClientSession() as session,
    ):
        book = Book(folder / "book.db", options.limits)
        stack.callback(book.close)
        charges = Charges(folder / "charges.db", chain, account)
        stack.callback(charges.close)
        engines, compilers, players = _pools(options)
        for pool in (engines, compilers, players):
            stack.push_async_callback(pool.stop)
        most = options.max_package_bytes
        models = Models(chain, session, storage, config.cache_dir / "models", max_bytes=most)
        shelf = Shelf(models, compilers)
        stack.push_async_callback(shelf.close)
        clock, budget = ChainClock(chain), options.budget
        intake = Intake(
            chain=chain,
            book=book,
            charges=charges,
            shelf=shelf,
            providers=Providers(chain, session),
            clock=clock,
            fetch=Published(session, storage).fetch,
            policy=options.policy,
            budget=budget,
        )
        examiner = Examiner(
            book=book, shelf=shelf, intake=intake, engines=engines, clock=clock, budget=budget
        )
        docket, briefs = await _docket(chain), Briefs(book, shelf)
        conductor = Conductor(chain, account, Side.CHALLENGER, briefs.find, players, docket)
        prosecutor = Prosecutor(
            chain=chain,
            account=account,
            book=book,
            briefs=briefs,
            clock=clock,
            charges=charges,
            conductor=conductor,
            docket=docket,
            least_award=options.least_award,
        )
        stack.push_async_callback(prosecutor.close)
        accounts = Accounts(
            chain=chain, account=account, book=book, charges=charges, clock=clock, budget=budget
        )
        yield Parts(
            chain,
            account,
            book,
            charges,
            intake,
            examiner,
            prosecutor,
            docket,
            conductor,
            accounts,
        )


async def _demand_means(parts: Parts) -> None:
    """An account that cannot pay for one dispute would only look on; but one whose money is in
    disputes that are open has to go on with them."""
    chain, account = parts.chain, parts.account
    await parts.docket.poll()
    if any(case.challenger == account.address for case in parts.docket.open_cases):
        return
    bond = (await chain.dispute.terms()).bond
    held = await chain.token.balance_of(account.address)
    held += await chain.dispute.credit(account.address)
    if held < bond:
        raise InsufficientFunds(
            f"a dispute takes a bond of {bond / _TOKEN:g} AIVM, {account.address} has"
            f" {held / _TOKEN:g}",
            hint="Send it tokens for as many disputes as may be open at once.",
        )
    await demand_gas_money(chain, account)


async def _docket(chain: Chain) -> Docket:
    """All games that can still be open: about receipts of the window, and two clocks longer."""
    terms = await chain.dispute.terms()
    oldest = (await chain.block()).time - terms.window - 2 * terms.clock - _DAY
    return Docket(chain, first_block=await first_block_since(chain, oldest))


def _pools(options: NodeOptions) -> tuple[Engines, WorkerPool, WorkerPool]:
    """Workers that re-execute, that compile and that play games: whoever submits does not wait for
    what is being re-executed, nor does a game, whose clock runs."""
    first, second = (_workers(name, options, options.deadline_seconds) for name in options.engines)
    compilers = _workers(options.engines[0], options, COMPILE_DEADLINE_SECONDS)
    players = _workers(options.engines[0], options, TRACE_DEADLINE_SECONDS)
    return Engines(first, second), compilers, players


def _workers(engine: str, options: NodeOptions, deadline_seconds: float) -> WorkerPool:
    return WorkerPool(engine=engine, threads=options.threads, deadline_seconds=deadline_seconds)


async def _canaries(
    stack: AsyncExitStack, config: Config, options: NodeOptions, parts: Parts
) -> Canaries | None:
    """A buyer for each account, with a ledger as any client's."""
    private = replace(config, state_dir=config.state_dir / "verifier")
    buyers = [
        await stack.enter_async_context(Buyer.connect(private, account))
        for account in options.canary_accounts
    ]
    if not buyers:
        return None
    return Canaries(buyers=buyers, book=parts.book, intake=parts.intake, plan=options.canaries)


async def _listen(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> str:
    """Serve until the stack unwinds; what is being answered then is finished."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    address, bound = runner.addresses[0][:2]
    return f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"


@asynccontextmanager
async def _background(jobs: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
