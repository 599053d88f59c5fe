"""An Arweave node or gateway over HTTP: asks, sends, and believes nothing that it cannot verify."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from aivm.errors import InsufficientFunds, MalformedBlock, NotFound, StorageUnreachable, TooLarge
from aivm.storage.answers import read_limited
from aivm.storage.arweave import base64url
from aivm.storage.arweave.chunks import Chunk
from aivm.storage.arweave.items import MAX_ITEM_BYTES, DataItem
from aivm.storage.arweave.transactions import (
    ArweaveTransaction,
    check_data,
    parse_transaction,
)

MAX_DATA_BYTES = MAX_ITEM_BYTES
ATTEMPTS = 4
_MAX_ANSWER_BYTES = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_read=30)
_LATER = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Status:
    """How far a transaction is: in no block yet (`block` None), or under so many others."""

    block: int | None
    confirmations: int


class ArweaveNode:
    """One endpoint. Whatever it says of data is checked against signatures and data roots.

    Raises StorageUnreachable where it does not answer, or not in its protocol.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def anchor(self) -> bytes:
        """What a new transaction refers to: good for 50 blocks."""
        return base64url.decode((await self._text("tx_anchor")).strip(), "anchor")

    async def price(self, size: int) -> int:
        """Winston for storing so many bytes."""
        return _number(await self._text(f"price/{size}"))

    async def balance(self, address: str) -> int:
        """Winston that a wallet holds."""
        return _number(await self._text(f"wallet/{address}/balance"))

    async def submit(self, transaction: ArweaveTransaction) -> None:
        """Send a transaction without its data; harmless to repeat.

        Raises InsufficientFunds, MalformedBlock (refused).
        """
        status, answer = await self._ask("POST", "tx", json=transaction.as_json())
        if status in (200, 202, 208):  # 208: known already
            return
        reason = answer[:200].decode(errors="replace")
        if status == 410 or b"funds" in answer.lower():
            raise InsufficientFunds(f"the Arweave wallet cannot pay: {reason}")
        raise MalformedBlock(f"{self._url} refuses the transaction ({status}): {reason}")

    async def send_chunk(self, transaction: ArweaveTransaction, chunk: Chunk, data: bytes) -> None:
        """Send one chunk with its proof; harmless to repeat."""
        body = {
            "data_root": base64url.encode(transaction.data_root),
            "data_size": str(transaction.data_size),
            "data_path": base64url.encode(chunk.proof),
            "offset": str(chunk.offset),
            "chunk": base64url.encode(data[chunk.start : chunk.end]),
        }
        status, answer = await self._ask("POST", "chunk", json=body)
        if status not in (200, 208):
            reason = answer[:200].decode(errors="replace")
            raise MalformedBlock(f"{self._url} refuses a chunk ({status}): {reason}")

    async def status(self, transaction: bytes) -> Status:
        """Raises NotFound if the node does not know the transaction."""
        path = f"tx/{base64url.encode(transaction)}/status"
        status, answer = await self._ask("GET", path)
        if status == 202 or answer.strip().lower() == b"pending":
            return Status(None, 0)
        fields = _document(answer) if status == 200 else None
        if not isinstance(fields, dict):
            raise NotFound(f"{self._url} knows no transaction {base64url.encode(transaction)}")
        return Status(
            _number(str(fields.get("block_height"))),
            _number(str(fields.get("number_of_confirmations"))),
        )

    async def read(self, transaction: bytes) -> tuple[ArweaveTransaction, bytes]:
        """A transaction and its data, both verified.

        Raises NotFound, TooLarge, MalformedBlock, BadSignature, TamperedContent.
        """
        name = base64url.encode(transaction)
        status, answer = await self._ask("GET", f"tx/{name}")
        if status != 200:
            raise NotFound(f"{self._url} has no transaction {name} ({status})")
        found = parse_transaction(_document(answer), transaction)
        if found.data_size > MAX_DATA_BYTES:
            raise TooLarge(f"{name} holds {found.data_size} bytes, over {MAX_DATA_BYTES}")
        status, data = await self._ask("GET", f"raw/{name}", limit=found.data_size)
        if status == 404:  # nodes that are no gateways know the data under another path
            status, data = await self._ask("GET", name, limit=found.data_size)
        if status != 200:
            raise NotFound(f"{self._url} does not have the data of {name} ({status})")
        check_data(found, data)
        return found, data

    async def send_item(self, item: DataItem) -> None:
        """Hand an item to a bundler, which puts it into a transaction of its own.

        Raises InsufficientFunds, MalformedBlock (refused, or another item acknowledged).
        """
        status, answer = await self._ask("POST", "v1/tx", data=item.encode())
        if status == 402:
            raise InsufficientFunds("the bundler wants to be paid for items of this size")
        fields = _document(answer) if status in (200, 201) else None
        if not isinstance(fields, dict) or fields.get("id") != base64url.encode(item.id):
            reason = answer[:200].decode(errors="replace")
            raise MalformedBlock(f"{self._url} does not take the item ({status}): {reason}")

    async def _text(self, path: str) -> str:
        status, answer = await self._ask("GET", path)
        if status != 200:
            raise StorageUnreachable(f"{self._url}/{path} answers {status}")
        return answer.decode(errors="replace")

    async def _ask(
        self, method: str, path: str, *, limit: int = _MAX_ANSWER_BYTES, **content: Any
    ) -> tuple[int, bytes]:
        """Status and body; again where waiting may help, as long as that is reasonable."""
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.5 * 2**attempt)
            try:
                status, answer = await self._once(method, path, limit, content)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = type(error).__name__
                continue
            if status not in _LATER:
                return status, answer
            problem = f"HTTP {status}"
        raise StorageUnreachable(f"{self._url}/{path} does not answer: {problem}")

    async def _once(
        self, method: str, path: str, limit: int, content: Mapping[str, Any]
    ) -> tuple[int, bytes]:
        async with self._session.request(
            method,
            f"{self._url}/{path}",
            timeout=_TIMEOUT,
            allow_redirects=False,
            **content,
        ) as response:
            return response.status, await read_limited(response, limit)


def _document(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> int:
    try:
        number = int(text.strip()[:40])
    except ValueError:
        raise StorageUnreachable(f"{text[:40]!a} is no number, says an Arweave node") from None
    if number < 0:
        raise StorageUnreachable(f"{number} is negative, says an Arweave node")
    return number
