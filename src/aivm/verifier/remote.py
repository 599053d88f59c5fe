"""Talking to a verifier: submit a receipt, ask what became of it, ask for its figures."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from aivm import errors, host
from aivm.errors import Unavailable, VerifierUnreachable
from aivm.market.body import read_body

MAX_ANSWER_BYTES = 1 << 20
TIMEOUT_SECONDS = 120.0
PAUSE_SECONDS = 2.0


class RemoteVerifier:
    """A verifier at a URL."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def submit(
        self, body: bytes, headers: dict[str, str], *, patience_seconds: float = 60.0
    ) -> dict[str, Any]:
        """Send a submission (`encode_submission`); what is known of the receipt then.

        A verifier that asks to come again is asked again for `patience_seconds`. Raises what it
        refuses the receipt with, Overloaded and other Unavailable, VerifierUnreachable.
        """
        deadline = host.monotonic() + patience_seconds
        while True:
            try:
                return await self._ask("POST", "/v1/receipts", data=body, headers=headers)
            except VerifierUnreachable:
                raise
            except Unavailable:
                if host.monotonic() > deadline:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)

    async def receipts(self, job: bytes) -> dict[str, Any]:
        """What is publicly known of a job's receipts. Raises NotFound, VerifierUnreachable."""
        return await self._ask("GET", f"/v1/receipts/{job.hex()}")

    async def status(self) -> dict[str, Any]:
        """The figures that its operator sees. Raises VerifierUnreachable."""
        return await self._ask("GET", "/v1/status")

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with self._session.request(
                method, self._url + path, timeout=timeout, allow_redirects=False, **options
            ) as response:
                answer = json.loads(await read_body(response, MAX_ANSWER_BYTES))
                ok = response.status < 300
        except (aiohttp.ClientError, TimeoutError, errors.ProviderUnreachable) as error:
            raise VerifierUnreachable(
                f"no verifier answers at {self._url} ({type(error).__name__})",
                hint="Start one: aivm verifier run. Where it is looked for: aivm config.",
            ) from None
        except (ValueError, RecursionError):
            raise VerifierUnreachable(f"{self._url} answers something else than JSON") from None
        if not isinstance(answer, dict):
            raise VerifierUnreachable(f"{self._url} answers no JSON object")
        if not ok:
            raise errors.from_json(answer.get("error"), VerifierUnreachable)
        return answer
