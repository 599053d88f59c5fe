"""What a node does about disputes and summonses for as long as it runs: it answers all of them.

A dispute is defended from the inputs that the journal keeps, by the same kind of worker as serves,
in a process of its own: serving goes on. A former hot key still stands for the receipts that it
signed, so a node that has rotated keeps it until they can no longer be disputed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aivm import host
from aivm.chain.account import Account
from aivm.chain.cases import Side
from aivm.chain.client import Chain
from aivm.chain.dispute import Terms
from aivm.chain.docket import Docket, first_block_since
from aivm.chain.summonses import Summonses
from aivm.errors import AivmError, InsufficientFunds, NotFound
from aivm.litigation.answers import Answers
from aivm.litigation.conductor import LOOK_BACK_SECONDS, MAX_GAS_PRICE, Conductor
from aivm.litigation.opening import demand_gas_money
from aivm.litigation.seats import Brief
from aivm.litigation.tables import Pace
from aivm.market.models import Models
from aivm.provider.catalog import Catalog
from aivm.provider.journal import Journal
from aivm.provider.proofs import Proofs
from aivm.receipts import Domain, Receipt, checked_address
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)

LAST_LOOK_SECONDS = 5.0
SETTLING_SECONDS = 86_400  # how long a stake is held for `timeout` after both clocks


@dataclass(frozen=True)
class DefencePolicy:
    """`max_gas_price` is in wei per unit of gas; `former_keys` were the hot key before."""

    pace: Pace = field(default_factory=Pace)
    max_gas_price: int = MAX_GAS_PRICE
    former_keys: tuple[Account, ...] = ()
    prune_seconds: float = 600.0


@dataclass(frozen=True)
class Archive:
    """Where a node finds what its receipts were about."""

    journal: Journal
    catalog: Catalog
    models: Models

    async def find(self, receipt: Receipt) -> Brief:
        """Package and inputs of a receipt. Raises NotFound where the inputs are not kept."""
        inputs = self.journal.inputs(receipt.job)
        if inputs is None:
            raise NotFound(
                f"the inputs of job {receipt.job.hex()[:16]} are not kept here",
                hint="Was the hot key used on another machine, or the journal lost?",
            )
        served = self.catalog.models.get(receipt.model)
        package = served.package if served else await self.models.package(receipt.model.hex())
        return Brief(package, inputs.arrays())


class Defence:
    """Use `prepare`, then `watch` for as long as the node runs."""

    def __init__(
        self,
        conductor: Conductor,
        journal: Journal,
        workers: WorkerPool,
        retention_seconds: int,
        prune_seconds: float,
    ) -> None:
        self.conductor = conductor
        self._journal = journal
        self._workers = workers
        self._retention_seconds = retention_seconds
        self._prune_seconds = prune_seconds
        conductor.errands.append(self._rest)

    @classmethod
    async def prepare(
        cls,
        chain: Chain,
        owner: str,
        hot_key: Account,
        archive: Archive,
        workers: WorkerPool,
        policy: DefencePolicy,
    ) -> Defence:
        """The defence of a provider's receipts; warns if its hot key cannot pay for moves."""
        owner = checked_address(owner)
        await _warn_of_poverty(chain, (hot_key, *policy.former_keys))
        terms = await chain.dispute.terms()
        first = await first_block_since(chain, (await chain.block()).time - LOOK_BACK_SECONDS)
        vouchers = Domain(chain.chain_id, chain.escrow.address)
        answers = Answers(
            chain,
            hot_key,
            Summonses(chain, provider=owner, first_block=first),
            Proofs(archive.journal, archive.catalog, vouchers).find,
            report=log.warning,
        )
        conductor = Conductor(
            chain,
            hot_key,
            Side.PROVIDER,
            archive.find,
            workers,
            Docket(chain, first_block=first),
            owner=owner,
            former=policy.former_keys,
            errands=[answers.look],
            pace=policy.pace,
            report=log.warning,  # disputes are rare, and cost a stake: every operator hears of them
        )
        retention = retention_seconds(terms)
        return cls(conductor, archive.journal, workers, retention, policy.prune_seconds)

    async def watch(self) -> None:
        """Play and answer until cancelled; then say which games go on without this node."""
        pruning = asyncio.create_task(self._prune_regularly())
        try:
            await self.conductor.conduct(asyncio.Event())
        finally:
            pruning.cancel()
            await self._workers.stop()
            with suppress(AivmError, TimeoutError):  # then what is known must do
                async with asyncio.timeout(LAST_LOOK_SECONDS):
                    await self.conductor.refresh()
            self._warn_of_open_games()

    async def _rest(self) -> None:
        """Give the workers' memory back while there is nothing to defend."""
        if not self.conductor.open_cases:
            await self._workers.stop()

    async def _prune_regularly(self) -> None:
        while True:
            pruned = self._journal.prune(host.now() - self._retention_seconds)
            if pruned:
                log.info("forgot the inputs of %d jobs that nobody can dispute any more", pruned)
            await asyncio.sleep(self._prune_seconds)

    def _warn_of_open_games(self) -> None:
        for case in self.conductor.open_cases:
            name, left = case.game.hex()[:8], (case.deadline or 0) - host.now()
            if case.mover is Side.PROVIDER:
                log.warning(
                    "dispute %s is open, and it is our move: start again within %d s,"
                    " or the stake pays for it",
                    *(name, left),
                )
            else:
                log.warning("dispute %s is open: start again to answer the next move", name)


def retention_seconds(terms: Terms) -> int:
    """How long after a receipt's time its inputs may be needed: a game that is opened in the last
    second of the window can use up both clocks."""
    return terms.window + 2 * terms.clock + SETTLING_SECONDS


async def _warn_of_poverty(chain: Chain, keys: Sequence[Account]) -> None:
    for key in keys:
        try:
            await demand_gas_money(chain, key)
        except InsufficientFunds as poor:
            log.warning("%s. %s", poor.message, poor.hint)
