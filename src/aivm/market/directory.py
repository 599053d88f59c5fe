"""Who serves a model: providers from the chain's directory, asked for their terms, with reasons.

The chain says who is staked and under which hot key; the provider says what it serves and at which
price. A provider that lies about the former is left out; one that lies about the latter is caught
by the first receipt.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from aivm import host
from aivm.chain.client import Chain
from aivm.chain.staking import ProviderInfo
from aivm.errors import AivmError, NotFound, ProviderUnreachable
from aivm.market.body import read_body

MAX_TERMS_BYTES = 1 << 20
TERMS_TIMEOUT_SECONDS = 10.0
REMEMBER_SECONDS = 15.0
# With a longer one, no channel would ever do, and each call would lock up another deposit.
MAX_MARGIN_SECONDS = 24 * 3600
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,37}")


@dataclass(frozen=True)
class Wanted:
    """A program of a model. `derived_gas` is the gas of one that the package does not list."""

    model: bytes
    program: bytes
    derived_gas: int | None = None


@dataclass(frozen=True)
class Deriving:
    """On which terms a provider runs programs that packages do not list: its price for any gas up
    to `max_gas`, for the models that it derives programs of."""

    models: frozenset[bytes] = frozenset()
    max_gas: int = 0
    price_per_gas: int = 0
    minimum_price: int = 0


@dataclass(frozen=True)
class ProviderTerms:
    """A provider's own word about itself; prices are token base units per run."""

    provider: str
    endpoint: str
    hot_key: str
    chain_id: int
    expiry_margin_seconds: int
    # (model id, program root) -> price
    prices: Mapping[tuple[bytes, bytes], int]
    latency_seconds: float
    deriving: Deriving = Deriving()

    def price(self, wanted: Wanted) -> int | None:
        """The price of a program, known before it runs; None for one that it does not run."""
        listed = self.prices.get((wanted.model, wanted.program))
        gas, deriving = wanted.derived_gas, self.deriving
        if listed is not None or gas is None:
            return listed
        if wanted.model not in deriving.models or gas > deriving.max_gas:
            return None
        return run_price(gas, deriving.price_per_gas, deriving.minimum_price)


def run_price(gas: int, price_per_gas: int, minimum_price: int) -> int:
    """What a run of so much gas costs: the same formula for provider and buyer."""
    return max(minimum_price, gas * price_per_gas)


@dataclass(frozen=True)
class Candidate:
    """A registered provider, its terms if it gave any, and why it cannot be used (or "")."""

    provider: str
    endpoint: str
    terms: ProviderTerms | None
    price: int
    reason: str


class Directory:
    """Finds providers.

    What one said of itself, silence included, is remembered for a while, so that a silent provider
    costs its time-out once and not on every call.
    """

    def __init__(self, chain: Chain, session: aiohttp.ClientSession) -> None:
        self._chain = chain
        self._session = session
        self._heard: dict[str, tuple[float, ProviderTerms | AivmError]] = {}

    async def candidates(self, wanted: Wanted) -> list[Candidate]:
        """Every registered provider, cheapest usable first; the others say why not."""
        registered = await self._chain.staking.providers()
        found = await asyncio.gather(*(self._candidate(info, wanted) for info in registered))
        return sorted(found, key=_rank)

    async def choose(self, wanted: Wanted, *, max_price: int | None) -> Candidate:
        """The best candidate. Raises NotFound listing every candidate's reason."""
        candidates = await self.candidates(wanted)
        for candidate in candidates:
            if not candidate.reason and (max_price is None or candidate.price <= max_price):
                return candidate
        raise NotFound("no provider can run this program", hint=_reasons(candidates, max_price))

    async def named(self, provider: str, wanted: Wanted, *, max_price: int | None) -> Candidate:
        """This provider and no other. Raises NotFound with the reason why it cannot be used."""
        info = await self._chain.staking.get_provider(provider)
        candidate = await self._candidate(info, wanted)
        if candidate.reason or (max_price is not None and candidate.price > max_price):
            raise NotFound(
                f"provider {provider} cannot run this program",
                hint=_reasons([candidate], max_price),
            )
        return candidate

    async def _candidate(self, info: ProviderInfo, wanted: Wanted) -> Candidate:
        def because(reason: str, terms: ProviderTerms | None = None) -> Candidate:
            return Candidate(info.provider, info.endpoint, terms, 0, reason)

        if not info.active:
            return because("not active: paused or staked too little")
        try:
            terms = await self._terms(info.endpoint)
        except AivmError as error:
            return because(error.message)
        if terms.provider != info.provider or terms.hot_key != info.hot_key:
            return because("its keys are not those registered on chain", terms)
        if terms.chain_id != self._chain.chain_id:
            return because("it serves another chain", terms)
        price = terms.price(wanted)
        if price is None:
            return because("it does not serve this program", terms)
        return Candidate(info.provider, info.endpoint, terms, price, "")

    def forget(self, endpoint: str) -> None:
        """Ask this provider again next time: it did not do as it had said."""
        self._heard.pop(endpoint, None)

    async def _terms(self, endpoint: str) -> ProviderTerms:
        since, heard = self._heard.get(endpoint, (0.0, None))
        if heard is None or host.monotonic() - since > REMEMBER_SECONDS:
            try:
                heard = await fetch_terms(self._session, endpoint)
            except AivmError as error:
                heard = error
            self._heard[endpoint] = (host.monotonic(), heard)
        if isinstance(heard, AivmError):
            raise heard
        return heard


async def fetch_terms(session: aiohttp.ClientSession, endpoint: str) -> ProviderTerms:
    """A provider's terms. Raises ProviderUnreachable for silence, nonsense or excess."""
    started = host.monotonic()
    timeout = aiohttp.ClientTimeout(total=TERMS_TIMEOUT_SECONDS)
    try:
        async with session.get(
            f"{endpoint}/aivm/v1/provider", timeout=timeout, allow_redirects=False
        ) as response:
            body = await read_body(response, MAX_TERMS_BYTES)
            if response.status != 200:
                raise ProviderUnreachable(f"{endpoint} answered {response.status} to a terms query")
        return _parse(endpoint, json.loads(body), host.monotonic() - started)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ProviderUnreachable(f"{endpoint} does not answer ({type(error).__name__})") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProviderUnreachable(f"{endpoint} gave malformed terms ({error})") from None


def _parse(endpoint: str, document: Any, latency_seconds: float) -> ProviderTerms:
    prices = {
        (bytes.fromhex(model["model"]), bytes.fromhex(program["program"])): _price(program["price"])
        for model in document["models"]
        for program in model["programs"]
    }
    derived = document.get("derived_programs")
    margin, chain_id = document["expiry_margin_seconds"], document["chain_id"]
    if type(margin) is not int or not 0 <= margin <= MAX_MARGIN_SECONDS:
        raise ValueError(f"an expiry margin of {margin!r} seconds")
    if type(chain_id) is not int:
        raise ValueError("a chain id that is no number")
    return ProviderTerms(
        provider=str(document["provider"]),
        endpoint=endpoint,
        hot_key=str(document["hot_key"]),
        chain_id=chain_id,
        expiry_margin_seconds=margin,
        prices=prices,
        latency_seconds=latency_seconds,
        deriving=Deriving() if derived is None else _deriving(derived),
    )


def _deriving(document: Any) -> Deriving:
    return Deriving(
        models=frozenset(bytes.fromhex(model) for model in document["models"]),
        max_gas=_price(document["max_gas"]),
        price_per_gas=_price(document["price_per_gas"]),
        minimum_price=_price(document["minimum_price"]),
    )


def _price(text: object) -> int:
    """Base units as a decimal string: below zero it would look cheapest of all."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!a} is no price")
    return int(text)


def _rank(candidate: Candidate) -> tuple[bool, int, float]:
    latency = candidate.terms.latency_seconds if candidate.terms else 0.0
    return bool(candidate.reason), candidate.price, latency


def _reasons(candidates: Sequence[Candidate], max_price: int | None) -> str:
    if not candidates:
        return "No provider is registered on this network."
    return "; ".join(
        f"{candidate.endpoint}: {candidate.reason or f'price {candidate.price} over {max_price}'}"
        for candidate in candidates
    )
