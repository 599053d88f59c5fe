"""JSON-RPC over one keep-alive HTTP session: calls, batches, time-outs, retries.

Reads and the sending of a signed transaction can be repeated without harm (the same bytes are the
same transaction), so they are tried again with growing pauses when the connection fails or the node
is overloaded; anything else is tried once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aivm import host
from aivm.errors import AnswerTooLarge, BadInput, ChainUnreachable

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)

RESPONSE_LIMIT = 64 << 20  # bytes
BATCH_LIMIT = 100  # calls in one HTTP request
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.1
_OVERLOADED = frozenset({429, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REPEATABLE = ("eth_", "net_", "web3_", "debug_")
_NOT_REPEATABLE = frozenset({"eth_sendTransaction"})
# A block was mined (anvil), or another node of a group answered, while the call looked at the head.
_MOVED_HEAD = ("blockoutofrange", "header not found")


class RpcError(Exception):
    """The node answered with a JSON-RPC error. It stays in this room: `reverts` translates it."""

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"the chain refuses {method}: {message}")
        self.method = method
        self.code = code
        self.message = message
        self.data = data

    @property
    def head_moved(self) -> bool:
        """Whether the call only came between two heads of the chain, and may be asked again."""
        return any(text in self.message.lower() for text in _MOVED_HEAD)


class _TryAgain(Exception):
    """The request failed in a way that another attempt may cure."""


class Rpc:
    """A JSON-RPC endpoint. Use it as an asynchronous context manager, or close it."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 15.0,
        attempts: int = ATTEMPTS,
        response_limit: int = RESPONSE_LIMIT,
    ) -> None:
        """`url` is http or https; it may hold an API key, so messages name only its host."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput("the RPC endpoint must be an http or https URL")
        self.url = url
        self.place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._loopback = parts.hostname in _LOOPBACK
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._response_limit = response_limit
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._next_id = 0

    async def __aenter__(self) -> Rpc:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session, for good: a call that comes later is ChainUnreachable."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises RpcError if the node refuses it, or ChainUnreachable."""
        request = self._request(method, params)
        for attempt in range(1, self._attempts + 1):
            answer = await self._exchange(request, repeatable=_repeatable(method))
            try:
                return _result(answer, request, self.place)
            except RpcError as refusal:
                if attempt == self._attempts or not refusal.head_moved:
                    raise
            await asyncio.sleep(_pause(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def ask(self, method: str, *params: Any) -> Any:
        """The result of a question that no chain has a reason to refuse.

        A node that refuses it all the same (rate limits, a lagging replica, a fault of its own) is
        ChainUnreachable, as one that does not answer.
        """
        try:
            return await self.call(method, *params)
        except RpcError as error:
            raise ChainUnreachable(f"{self.place} refuses a plain question: {error}") from None

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many calls, in their order; a refused call stands as its RpcError."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_LIMIT):
            part = calls[start : start + BATCH_LIMIT]
            requests = [self._request(method, params) for method, params in part]
            repeatable = all(_repeatable(method) for method, _ in part)
            answers = await self._exchange(requests, repeatable=repeatable)
            if not isinstance(answers, list):  # one error object for the whole batch
                raise ChainUnreachable(f"the node at {self.place} does not accept batches")
            # answers may come in any order
            by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
            results += [await self._one_result(by_id.get(one["id"]), one) for one in requests]
        return results

    async def _one_result(self, answer: object, request: dict[str, Any]) -> Any:
        """A result of a batch, or its RpcError; asked again alone if the head moved under it."""
        try:
            return _result(answer, request, self.place)
        except RpcError as refusal:
            if not refusal.head_moved:
                return refusal
        try:
            return await self.call(request["method"], *request["params"])
        except RpcError as refusal:
            return refusal

    def _request(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        self._next_id += 1
        return {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(params)}

    async def _exchange(self, payload: object, *, repeatable: bool) -> Any:
        """Post one JSON document and return the answer, after as many attempts as are allowed."""
        body = json.dumps(payload).encode()
        attempts = self._attempts if repeatable else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._post(body)
            except _TryAgain as failure:
                if attempt == attempts:
                    raise ChainUnreachable(
                        f"the chain's endpoint {self.place} does not answer: {failure}"
                    ) from None
                _log.debug("attempt %d at %s failed: %s", attempt, self.place, failure)
                await asyncio.sleep(_pause(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _post(self, body: bytes) -> Any:
        import aiohttp

        try:
            async with self._open_session().post(
                self.url,
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                if response.status in _OVERLOADED:
                    raise _TryAgain(f"HTTP status {response.status}")
                data = await self._read_bounded(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # the error's own text could repeat the URL, and with it an API key
            raise _TryAgain(type(error).__name__) from None
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise ChainUnreachable(
                f"{self.place} answers with HTTP status {status}, but not in JSON-RPC"
            ) from None

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes:
        data = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            data += chunk
            if len(data) > self._response_limit:
                response.close()
                raise AnswerTooLarge(
                    f"the answer of {self.place} exceeds {self._response_limit} bytes"
                )
        return bytes(data)

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._closed:
            raise ChainUnreachable(f"the connection to {self.place} was closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
                connector=aiohttp.TCPConnector(limit=16),
                trust_env=not self._loopback,  # a proxy can never reach this machine's own ports
            )
        return self._session


def _repeatable(method: str) -> bool:
    return method.startswith(_REPEATABLE) and method not in _NOT_REPEATABLE


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: doubling, up to a quarter more so that clients spread."""
    jitter = 1 + host.random_bytes(1)[0] / 1024
    return FIRST_PAUSE_SECONDS * float(1 << (attempt - 1)) * jitter


def _result(answer: object, request: dict[str, Any], place: str) -> Any:
    if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
        raise ChainUnreachable(f"{place} does not answer {request['method']} in JSON-RPC")
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        error = {"message": str(error)}
    code = error.get("code")
    raise RpcError(
        request["method"],
        code if isinstance(code, int) else 0,
        str(error.get("message", ""))[:2000],
        error.get("data"),
    )
