"""Pinning services: somebody else keeps a tree online, for money or kindness.

The standard API, so any provider of it will do. The service fetches the blocks itself, from the
`origins` it is told or from the network; what it says of its state is a claim, which fetching the
root from it (a gateway, a peer) can check.

Source: IPFS Pinning Service API 1.0.0 (ipfs.github.io/pinning-services-api-spec).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import aiohttp

from aivm import host
from aivm.commitments.cid import Cid
from aivm.errors import (
    AivmError,
    DeadlineExceeded,
    InsufficientFunds,
    MalformedBlock,
    NotAllowed,
    NotFound,
    StorageUnreachable,
)
from aivm.storage.answers import json_object, read_limited

MAX_ORIGINS = 20
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_ANSWER_BYTES = 1 << 20
_MAX_NAME = 255  # characters
_REFUSALS: Mapping[int, type[AivmError]] = {
    400: MalformedBlock,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: InsufficientFunds,  # "insufficient funds" in the standard
}


class PinState(StrEnum):
    """What the service says it is doing."""

    QUEUED = "queued"
    PINNING = "pinning"
    PINNED = "pinned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pin:
    """A request to a service; the same tree may have several."""

    request: str
    state: PinState
    root: Cid
    name: str
    created: str
    delegates: tuple[str, ...]


class PinningService:
    """One service, with its access token.

    Raises StorageUnreachable, NotAllowed (token), NotFound (request), InsufficientFunds,
    MalformedBlock (refused as bad).
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    async def add(
        self,
        root: Cid,
        name: str,
        *,
        origins: Sequence[str] = (),
        meta: Mapping[str, str] | None = None,
    ) -> Pin:
        """Ask for a tree to be kept; `origins` are multiaddresses of nodes that have it.

        A request for the same tree that has not failed is taken up again instead of a second one.
        """
        for pin in await self.pins(root):
            if pin.state is not PinState.FAILED:
                return pin
        body = {
            "cid": str(root),
            "name": name[:_MAX_NAME],
            "origins": list(origins[:MAX_ORIGINS]),
            "meta": dict(meta or {}),
        }
        return _pin(await self._ask("POST", "pins", json=body))

    async def pins(self, root: Cid | None = None, limit: int = 1000) -> list[Pin]:
        """The service's requests, in every state, newest first."""
        params = {"status": ",".join(PinState), "limit": str(limit)}
        if root is not None:
            params["cid"] = str(root)
        results = (await self._ask("GET", "pins", params=params)).get("results")
        if not isinstance(results, list):
            raise StorageUnreachable("the pinning service lists nothing: is this its address?")
        return [_pin(entry) for entry in results]

    async def get(self, request: str) -> Pin:
        """How a request stands."""
        return _pin(await self._ask("GET", f"pins/{_path(request)}"))

    async def remove(self, request: str) -> None:
        """Let the service forget a request."""
        await self._ask("DELETE", f"pins/{_path(request)}")

    async def wait(self, pin: Pin, seconds: float, poll_seconds: float = 2.0) -> Pin:
        """Until the tree is kept. Raises StorageUnreachable (it failed), DeadlineExceeded."""
        deadline = host.monotonic() + seconds
        while pin.state is not PinState.PINNED:
            if pin.state is PinState.FAILED:
                raise StorageUnreachable(f"the pinning service could not get {pin.root}")
            if host.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"{pin.root} is still {pin.state} after {seconds:g} s",
                    hint="Ask again later; keep a node with the package online meanwhile.",
                )
            await asyncio.sleep(poll_seconds)
            pin = await self.get(pin.request)
        return pin

    async def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            async with self._session.request(
                method,
                f"{self._url}/{path}",
                headers=self._headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                **content,
            ) as response:
                answer = await read_limited(response, _ANSWER_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise StorageUnreachable(
                f"the pinning service at {self._url} does not answer: {type(problem).__name__}"
            ) from None
        if response.status in (200, 202):
            return {} if method == "DELETE" else json_object(answer, "the pinning service")
        kind = _REFUSALS.get(response.status, StorageUnreachable)
        raise kind(f"the pinning service answers {response.status}: {_reason(answer)}")


def _pin(fields: Any) -> Pin:
    try:
        inner = fields["pin"]
        return Pin(
            request=str(fields["requestid"]),
            state=PinState(fields["status"]),
            root=Cid.parse(inner["cid"]),
            name=str(inner.get("name") or ""),
            created=str(fields.get("created", "")),
            delegates=tuple(map(str, fields.get("delegates") or ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, AivmError) as problem:
        raise StorageUnreachable(
            f"the pinning service describes a pin that cannot be read: {problem}"
        ) from None


def _path(request: str) -> str:
    """A request id as a segment of a path. Raises MalformedBlock."""
    if not request or any(character in request for character in "/?#%\\") or request[0] == ".":
        raise MalformedBlock(f"{request[:80]!a} is no request id")
    return request


def _reason(answer: bytes) -> str:
    """`{"error": {"reason": ..., "details": ...}}`, or as much of what it is instead."""
    try:
        error = json.loads(answer)["error"]
        return " ".join(str(error[key])[:200] for key in ("reason", "details") if error.get(key))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return answer[:100].decode(errors="replace")
