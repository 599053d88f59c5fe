"""What is known of providers: keys and stake from the chain, prices from their own terms.

Remembered for a while, so that a flood of receipts is not a flood of questions to the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from aivm import host
from aivm.chain.client import Chain
from aivm.chain.dispute import Terms
from aivm.chain.staking import ProviderInfo
from aivm.errors import AivmError
from aivm.market.directory import ProviderTerms, Wanted, fetch_terms

CHAIN_SECONDS = 30.0
PRICES_SECONDS = 600.0
MAX_REMEMBERED = 10_000
# Where a provider does not tell its prices, its receipts count as if it asked for this.
ASSUMED_PRICE_PER_GAS = 10**6


class ChainClock:
    """The chain's time. Deadlines are the chain's, which need not agree with this machine's clock;
    while the chain is away its time goes on as this machine's does."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._offset = 0
        self._read_at: float | None = None

    async def refresh(self) -> int:
        """The chain's time, asked for again if that was long ago. Raises ChainUnreachable."""
        if self._read_at is None or host.monotonic() - self._read_at > CHAIN_SECONDS:
            block = await self._chain.block()
            # Blocks may be rare: the last one's time is at most the present.
            self._offset = max(self._offset, block.time - host.now())
            self._read_at = host.monotonic()
        return self.now()

    def now(self) -> int:
        """Unix seconds by the last answer."""
        return host.now() + self._offset


@dataclass(frozen=True)
class Standing:
    """A provider as the chain describes it."""

    info: ProviderInfo

    @property
    def slashable(self) -> int:
        return self.info.staked + self.info.unbonding


class Providers:
    """Standings and prices by provider; the terms of disputes, which never change."""

    def __init__(self, chain: Chain, session: aiohttp.ClientSession) -> None:
        self._chain = chain
        self._session = session
        self._standings: dict[str, tuple[float, Standing | AivmError]] = {}
        self._terms: dict[str, tuple[float, ProviderTerms | None]] = {}
        self._disputes: Terms | None = None

    async def disputes(self) -> Terms:
        """Window, clocks, bond and penalty of disputes."""
        if self._disputes is None:
            self._disputes = await self._chain.dispute.terms()
        return self._disputes

    async def standing(self, provider: str) -> Standing:
        """Raises NotFound for an address that never registered, ChainUnreachable."""
        since, known = self._standings.get(provider, (0.0, None))
        if known is None or host.monotonic() - since > CHAIN_SECONDS:
            try:
                known = Standing(await self._chain.staking.get_provider(provider))
            except AivmError as error:
                if error.http_status >= 500:  # the chain is away: nothing was learned
                    raise
                known = error
            if len(self._standings) >= MAX_REMEMBERED:
                self._standings.clear()
            self._standings[provider] = (host.monotonic(), known)
        if isinstance(known, AivmError):
            raise known
        return known

    async def price(self, info: ProviderInfo, wanted: Wanted, gas: int) -> int:
        """What the provider asks for a run, as any client is told."""
        since, terms = self._terms.get(info.provider, (0.0, None))
        if info.provider not in self._terms or host.monotonic() - since > PRICES_SECONDS:
            try:
                terms = await fetch_terms(self._session, info.endpoint)
            except AivmError:
                terms = None
            if len(self._terms) >= MAX_REMEMBERED:
                self._terms.clear()
            self._terms[info.provider] = (host.monotonic(), terms)
        told = None if terms is None else terms.price(wanted)
        return gas * ASSUMED_PRICE_PER_GAS if told is None else told
