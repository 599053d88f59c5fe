"""Reading what a stranger answers: never more than was agreed on."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from aivm.errors import StorageUnreachable, TooLarge


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises TooLarge once it passes `limit` bytes."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > limit:
            raise TooLarge(f"{response.url.origin()} sends more than {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def json_object(answer: bytes, who: str) -> dict[str, Any]:
    """The object in an answer. Raises StorageUnreachable for anything else."""
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise StorageUnreachable(
            f"{who} does not answer with a JSON object", hint="Is this its address, and its API?"
        )
    return document
