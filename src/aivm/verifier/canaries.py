"""Canaries: jobs that the verifier buys as an ordinary client, to look at providers unasked.

They are bought through the same `Buyer` as everybody's, from accounts of their own, at moments and
of models and providers that nobody can foresee. Every receipt is re-executed. The accounts must
come by their tokens from elsewhere than the verifier's own account: the chain shows who paid whom.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aivm import host
from aivm.chain.staking import ProviderInfo
from aivm.errors import AivmError, NotFound
from aivm.market.buyer import Buyer
from aivm.market.directory import fetch_terms
from aivm.packages import Package, Programs
from aivm.verifier.book import Book
from aivm.verifier.drawing import draw_inputs
from aivm.verifier.intake import Intake
from aivm.verifier.submission import Submission, named_tensors

log = logging.getLogger(__name__)
DAY = 24 * 3600
SOURCE = "canary"
MAX_LISTED_MODELS = 256


@dataclass(frozen=True)
class CanaryPlan:
    """How many, for how much. Prices are token base units."""

    per_day: float = 24.0
    price_per_day: int = 10**18
    samples: Path | None = None  # of the operator's: `samples/owner/name/*.npz` and `*.txt`


class Canaries:
    """Buys now and then; `buyers` are the accounts, each with a ledger of its own."""

    def __init__(
        self, *, buyers: Sequence[Buyer], book: Book, intake: Intake, plan: CanaryPlan
    ) -> None:
        self._buyers = buyers
        self._book = book
        self._intake = intake
        self._plan = plan
        self._random = Random(host.random_bytes(32))

    async def watch(self) -> None:
        """Buy for ever, at moments without a pattern (the gaps of a Poisson process)."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._plan.per_day / DAY))
            try:
                await self.buy()
            except AivmError as error:
                log.warning("no canary this time: %s", error.message)
            except Exception:  # one that fails must not end all
                log.exception("a canary failed")

    async def buy(self) -> bytes | None:
        """Buy one job and have its receipt checked; its job id, None if the day's money is spent.

        Raises NotFound where nobody serves anything, and what buying raises.
        """
        left = self._plan.price_per_day - self._book.bought(host.now() - DAY)
        if left <= 0:
            return None
        buyer = self._random.choice(list(self._buyers))
        provider, package = await self._choose(buyer)
        inputs = await asyncio.to_thread(
            draw_inputs, package, Programs(package).listed(), self._random, self._plan.samples
        )
        found = await buyer.infer(
            package.model_id.hex(), inputs, provider=provider.provider, max_price=left
        )
        self._book.buy(host.now(), found.price)
        submission = Submission(found.receipt, named_tensors(found.inputs), SOURCE, flagged=True)
        entry, _ = await self._intake.take(submission)
        return entry.job

    async def _choose(self, buyer: Buyer) -> tuple[ProviderInfo, Package]:
        """An active provider, and a model that it serves; the dear and the new ones as well."""
        providers = [each for each in await buyer.chain.staking.providers() if each.active]
        self._random.shuffle(providers)
        for provider in providers:
            try:
                terms = await fetch_terms(buyer.session, provider.endpoint)
            except AivmError as error:
                log.info("provider %s: %s", provider.provider, error.message)
                continue
            models = sorted({model for model, _ in terms.prices})[:MAX_LISTED_MODELS]
            if models:
                model = self._random.choice(models)
                return provider, await buyer.models.package(model.hex())
        raise NotFound("no active provider serves a model")
