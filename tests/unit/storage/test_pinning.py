"""A pinning service by the standard, with its refusals."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aivm.commitments.cid import Cid
from aivm.errors import (
    DeadlineExceeded,
    InsufficientFunds,
    MalformedBlock,
    NotAllowed,
    NotFound,
    StorageUnreachable,
)
from aivm.storage.pinning import PinningService, PinState

ROOT = Cid.parse("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")


class FakeService:
    """Moves a pin one state further at every look."""

    def __init__(self) -> None:
        self.pins: dict[str, dict[str, Any]] = {}
        self.course = [PinState.QUEUED, PinState.PINNING, PinState.PINNED]
        self.refusal: web.Response | None = None

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/pins", self._list),
                web.post("/pins", self._add),
                web.get("/pins/{id}", self._get),
                web.delete("/pins/{id}", self._delete),
            ]
        )
        return app

    async def _list(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != "Bearer token":
            error = {"error": {"reason": "UNAUTHORIZED", "details": "who are you?"}}
            return web.json_response(error, status=401)
        found = [p for p in self.pins.values() if p["pin"]["cid"] == request.query.get("cid")]
        return web.json_response({"count": len(found), "results": found})

    async def _add(self, request: web.Request) -> web.Response:
        if self.refusal is not None:
            return self.refusal
        name = f"r{len(self.pins)}"
        self.pins[name] = {
            "requestid": name,
            "status": self.course[0],
            "created": "2026-01-01T00:00:00Z",
            "pin": await request.json(),
            "delegates": ["/dnsaddr/pin.example"],
        }
        return web.json_response(self.pins[name], status=202)

    async def _get(self, request: web.Request) -> web.Response:
        pin = self.pins.get(request.match_info["id"])
        if pin is None:
            return web.json_response({"error": {"reason": "NOT_FOUND"}}, status=404)
        place = self.course.index(pin["status"])
        pin["status"] = self.course[min(place + 1, len(self.course) - 1)]
        return web.json_response(pin)

    async def _delete(self, request: web.Request) -> web.Response:
        del self.pins[request.match_info["id"]]
        return web.Response(status=202)


async def test_a_tree_is_asked_for_once_waited_for_and_removed(serve: Any) -> None:
    fake = FakeService()
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        service = PinningService(session, url, "token")
        pin = await service.add(ROOT, "me/model:1.0.0", origins=["/ip4/127.0.0.1/tcp/4001"])
        assert (pin.state, pin.name, pin.root) == (PinState.QUEUED, "me/model:1.0.0", ROOT)
        assert (await service.add(ROOT, "again")).request == pin.request
        done = await service.wait(pin, 10, poll_seconds=0)
        assert done.state is PinState.PINNED and len(fake.pins) == 1
        await service.remove(pin.request)
        with pytest.raises(NotFound):
            await service.get(pin.request)


async def test_failure_is_said_and_asked_for_anew(serve: Any) -> None:
    fake = FakeService()
    fake.course = [PinState.QUEUED, PinState.FAILED]
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        service = PinningService(session, url, "token")
        pin = await service.add(ROOT, "model")
        with pytest.raises(StorageUnreachable, match="could not get"):
            await service.wait(pin, 10, poll_seconds=0)
        assert (await service.add(ROOT, "model")).request != pin.request
        fake.course = [PinState.QUEUED]
        with pytest.raises(DeadlineExceeded, match="still queued"):
            await service.wait(await service.add(ROOT, "model"), 0, poll_seconds=0)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, MalformedBlock), (409, InsufficientFunds), (500, StorageUnreachable)]
)
async def test_refusals_arrive_with_their_reason(serve: Any, status: int, kind: Any) -> None:
    fake = FakeService()
    fake.refusal = web.json_response({"error": {"reason": "R", "details": "why"}}, status=status)
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(kind, match="R why"):
            await PinningService(session, url, "token").add(ROOT, "model")
        with pytest.raises(NotAllowed, match="who are you"):
            await PinningService(session, url, "other").pins(ROOT)
        with pytest.raises(MalformedBlock):
            await PinningService(session, url, "token").get("../pins")


@pytest.mark.parametrize("fields", [{}, {"status": "lost"}, {"pin": {"cid": "Qm"}}, {"pin": None}])
async def test_nonsense_is_the_services_fault(serve: Any, fields: dict[str, Any]) -> None:
    fake = FakeService()
    good = {"requestid": "r", "status": "pinned", "pin": {"cid": str(ROOT)}}
    fake.refusal = web.json_response((good | fields) if fields else [], status=202)
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(StorageUnreachable):
            await PinningService(session, url, "token").add(ROOT, "model")
