"""Reading what a stranger sends: never more than was agreed on."""

from __future__ import annotations

import aiohttp

from aivm.errors import ProviderUnreachable


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises ProviderUnreachable once it passes `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise ProviderUnreachable(
                f"{response.url.origin()} sends more than the {limit} bytes that fit the question"
            )
        chunks.append(chunk)
    return b"".join(chunks)
