"""Which provider is asked: registered, alive, honest about itself, cheapest; else every reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from aivm.chain.staking import ProviderInfo
from aivm.errors import NotFound, ProviderUnreachable
from aivm.market.directory import Directory, Wanted, fetch_terms

MODEL, PROGRAM = b"m" * 32, b"p" * 32


def terms_of(name: str, price: str = "1000", **changes: Any) -> dict[str, Any]:
    return {
        "provider": name,
        "hot_key": f"{name}-hot",
        "chain_id": 31337,
        "price_per_gas": "1",
        "minimum_price": "1",
        "max_request_bytes": 1 << 20,
        "expiry_margin_seconds": 600,
        "models": [
            {
                "model": MODEL.hex(),
                "programs": [{"program": PROGRAM.hex(), "gas": 1, "price": price}],
            }
        ],
        **changes,
    }


@dataclass
class Providers:
    """Any number of providers behind one server, each under a path of its own."""

    url: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    infos: list[ProviderInfo] = field(default_factory=list)

    def add(self, name: str, terms: Any = None, *, active: bool = True, url: str = "") -> None:
        self.terms[name] = terms_of(name) if terms is None else terms
        info = ProviderInfo(
            provider=name,
            hot_key=f"{name}-hot",
            endpoint=url or f"{self.url}/{name}",
            staked=1,
            unbonding=0,
            held_until=0,
            registered_at=1,
            paused=False,
            active=active,
        )
        self.infos.append(info)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        answer = self.terms[request.match_info["name"]]
        if callable(answer):
            response: web.StreamResponse = await answer(request)
            return response
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(text=text, content_type="application/json")

    async def providers(self) -> list[ProviderInfo]:
        return self.infos

    async def get_provider(self, name: str) -> ProviderInfo:
        for info in self.infos:
            if info.provider == name:
                return info
        raise NotFound(f"{name} is not registered as a provider")


@pytest_asyncio.fixture
async def providers() -> AsyncIterator[Providers]:
    found = Providers()
    app = web.Application()
    app.router.add_get("/{name}/aivm/v1/provider", found.serve)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/")).rstrip("/")
        yield found


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def directory(providers: Providers, session: aiohttp.ClientSession) -> Directory:
    chain: Any = SimpleNamespace(staking=providers, chain_id=31337)
    return Directory(chain, session)


async def test_the_cheapest_is_chosen_and_max_price_is_kept(
    providers: Providers, directory: Directory
) -> None:
    for name, price in (("dear", "3000"), ("cheap", "1000"), ("middle", "2000")):
        providers.add(name, terms_of(name, price))
    chosen = await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    assert (chosen.provider, chosen.price) == ("cheap", 1000)
    assert (await directory.choose(Wanted(MODEL, PROGRAM), max_price=1000)).provider == "cheap"
    with pytest.raises(NotFound) as caught:
        await directory.choose(Wanted(MODEL, PROGRAM), max_price=999)
    assert caught.value.hint.count("over 999") == 3


async def test_a_derived_program_has_its_price_by_gas(
    providers: Providers, directory: Directory
) -> None:
    derived = {"models": [MODEL.hex()], "max_gas": "50", "price_per_gas": "3"}
    providers.add("lister", terms_of("lister"))
    providers.add("small", terms_of("small", derived_programs=derived | {"minimum_price": "1"}))
    large = derived | {"max_gas": "100", "minimum_price": "500"}
    providers.add("large", terms_of("large", derived_programs=large))
    other = b"o" * 32
    chosen = await directory.choose(Wanted(MODEL, other, 40), max_price=None)
    assert (chosen.provider, chosen.price) == ("small", 120)
    chosen = await directory.choose(Wanted(MODEL, other, 60), max_price=None)
    assert (chosen.provider, chosen.price) == ("large", 500)
    for wanted in (Wanted(MODEL, other, 101), Wanted(MODEL, other), Wanted(b"x" * 32, other, 1)):
        with pytest.raises(NotFound):
            await directory.choose(wanted, max_price=None)


async def test_nobody_registered(directory: Directory) -> None:
    with pytest.raises(NotFound) as caught:
        await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    assert "No provider is registered" in caught.value.hint


async def test_every_candidate_says_why_it_cannot(
    providers: Providers, directory: Directory, unused_tcp_port: int
) -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    providers.add("idle", active=False)
    providers.add("down", url=f"http://127.0.0.1:{unused_tcp_port}")
    providers.add("broken", broken)
    providers.add("mask", terms_of("somebody"))
    providers.add("key", terms_of("key", hot_key="another"))
    providers.add("elsewhere", terms_of("elsewhere", chain_id=1))
    providers.add("other", terms_of("other", models=[]))
    with pytest.raises(NotFound) as caught:
        await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    hint = caught.value.hint
    assert len(hint.split("; ")) == 7
    for reason in (
        "not active",
        "does not answer",
        "answered 500",
        "not those registered",
        "another chain",
        "does not serve this program",
    ):
        assert reason in hint


async def test_a_named_provider_is_used_or_nobody(
    providers: Providers, directory: Directory
) -> None:
    providers.add("dear", terms_of("dear", "3000"))
    providers.add("cheap")
    chosen = await directory.named("dear", Wanted(MODEL, PROGRAM), max_price=None)
    assert chosen.price == 3000
    with pytest.raises(NotFound, match="dear cannot") as caught:
        await directory.named("dear", Wanted(MODEL, PROGRAM), max_price=2999)
    assert "over 2999" in caught.value.hint
    with pytest.raises(NotFound, match="not registered"):
        await directory.named("nobody", Wanted(MODEL, PROGRAM), max_price=None)


NONSENSE: dict[str, Any] = {
    "not json": "{",
    "deep": "[" * 100_000,
    "a list": [],
    "null": "null",
    "no models": {key: value for key, value in terms_of("x").items() if key != "models"},
    "models is a text": terms_of("x", models="abc"),
    "models holds texts": terms_of("x", models=["abc"]),
    "negative price": terms_of("x", "-1"),
    "price in another script": terms_of("x", "٣"),
    "price is a number": terms_of("x", 5),  # type: ignore[arg-type]
    "endless price": terms_of("x", "9" * 5000),
    "margin that no channel has": terms_of("x", expiry_margin_seconds=10**12),
    "negative margin": terms_of("x", expiry_margin_seconds=-1),
    "margin is true": terms_of("x", expiry_margin_seconds=True),
    "chain id is infinite": json.dumps(terms_of("x")).replace("31337", "1e999"),
    "model id is no hexadecimal": terms_of("x", models=[{"model": "zz", "programs": [{}]}]),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_malformed_terms_are_unreachable(
    providers: Providers, session: aiohttp.ClientSession, kind: str
) -> None:
    providers.add("x", NONSENSE[kind])
    with pytest.raises(ProviderUnreachable, match="malformed terms"):
        await fetch_terms(session, f"{providers.url}/x")


async def test_terms_may_arrive_in_many_pieces(
    providers: Providers, session: aiohttp.ClientSession
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        text = json.dumps(terms_of("x")).encode()
        for start in range(0, len(text), 64):
            await response.write(text[start : start + 64])
            await asyncio.sleep(0)
        return response

    providers.add("x", trickle)
    found = await fetch_terms(session, f"{providers.url}/x")
    assert found.prices == {(MODEL, PROGRAM): 1000}


async def test_terms_without_end_are_cut_off(
    providers: Providers, session: aiohttp.ClientSession
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 16))
        except ConnectionError:
            return response

    providers.add("x", endless)
    with pytest.raises(ProviderUnreachable, match="more than"):
        await fetch_terms(session, f"{providers.url}/x")


async def test_redirects_are_not_followed(
    providers: Providers, session: aiohttp.ClientSession
) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{providers.url}/good/aivm/v1/provider")

    providers.add("good")
    providers.add("x", elsewhere)
    with pytest.raises(ProviderUnreachable, match="302"):
        await fetch_terms(session, f"{providers.url}/x")


async def test_a_silent_provider_is_given_up(
    providers: Providers, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("aivm.market.directory.TERMS_TIMEOUT_SECONDS", 0.1)
    providers.add("x", silent)
    with pytest.raises(ProviderUnreachable, match="does not answer"):
        await fetch_terms(session, f"{providers.url}/x")


async def test_a_provider_is_asked_once_until_it_is_forgotten(
    providers: Providers, directory: Directory
) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response(terms_of("one"))

    providers.add("one", answer)
    for _ in range(3):
        chosen = await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    assert asked == 1
    directory.forget(chosen.endpoint)
    await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    assert asked == 2


async def test_silence_is_remembered_too(providers: Providers, directory: Directory) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=503)

    providers.add("down", answer)
    for _ in range(2):
        with pytest.raises(NotFound):
            await directory.choose(Wanted(MODEL, PROGRAM), max_price=None)
    assert asked == 1
