"""Peers that serve blocks over HTTP, none of which is trusted.

A block is asked from one peer after another until one delivers bytes that hash to its CID. A peer
whose bytes do not is proven wrong and never asked again; one that fails to answer is asked last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from aivm.commitments.cid import Cid
from aivm.commitments.unixfs import MAX_BLOCK_BYTES
from aivm.errors import BadInput, StorageUnreachable, TamperedContent, TooLarge
from aivm.storage.answers import read_limited
from aivm.storage.gateway import RAW_MEDIA_TYPE

_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=30)
_GIVE_UP_AFTER_FAILURES = 16
# Larger than aiohttp's own: the socket is paused less often within a block.
_READ_BUFFER_BYTES = 1 << 18


@dataclass
class Peer:
    """One gateway and what is known of it. `lied` names the block that proved it wrong."""

    url: str
    running: int = 0
    failures: int = 0  # connections that broke, in a row
    misses: int = 0  # blocks it did not have
    lied: str = ""
    last_problem: str = "not asked"

    @property
    def usable(self) -> bool:
        return not self.lied and self.failures < _GIVE_UP_AFTER_FAILURES


class _Failed(Exception):
    """This peer answered, but not with this block; the reason is text."""


class PeerPool:
    """Fetches verified blocks from whichever peer delivers them."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str]) -> None:
        for url in urls:
            if urlsplit(url).scheme not in ("http", "https"):
                raise BadInput(f"peer {url!a} is not an http or https address")
        self._session = session
        self.peers = [Peer(url.rstrip("/")) for url in urls]

    async def block(self, cid: Cid) -> bytes:
        """The block that `cid` names. Raises StorageUnreachable with every peer's reason."""
        for peer in self._in_order():
            if not peer.usable:  # another request found out meanwhile
                continue
            try:
                return await self._ask(peer, cid)
            except _Failed as failure:
                peer.last_problem = str(failure)
        reasons = "; ".join(f"{peer.url}: {peer.last_problem}" for peer in self.peers)
        raise StorageUnreachable(
            f"no peer delivers block {cid} ({reasons or 'no peers are known'})",
            hint="Add a peer that has the content, or try again later.",
        )

    def _in_order(self) -> list[Peer]:
        usable = [peer for peer in self.peers if peer.usable]
        return sorted(usable, key=lambda peer: (peer.failures, peer.misses, peer.running))

    async def _ask(self, peer: Peer, cid: Cid) -> bytes:
        peer.running += 1
        try:
            block = await self._get(f"{peer.url}/ipfs/{cid}")
            await asyncio.to_thread(cid.verify, block)
        except TamperedContent as problem:
            peer.lied = str(cid)
            raise _Failed(f"banned: {problem.message}") from None
        except _Failed:
            peer.misses += 1
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            peer.failures += 1
            raise _Failed(f"{type(problem).__name__} {problem}".strip()) from None
        finally:
            peer.running -= 1
        peer.failures = 0
        return block

    async def _get(self, url: str) -> bytes:
        async with self._session.get(
            url,
            params={"format": "raw"},
            headers={"Accept": RAW_MEDIA_TYPE},
            timeout=_TIMEOUT,
            allow_redirects=False,
            read_bufsize=_READ_BUFFER_BYTES,
        ) as response:
            if response.status != 200:
                raise _Failed(f"HTTP {response.status}")
            if (response.content_length or 0) > MAX_BLOCK_BYTES:
                raise _Failed(f"a block over {MAX_BLOCK_BYTES} bytes")
            try:
                return await read_limited(response, MAX_BLOCK_BYTES)
            except TooLarge as problem:
                raise _Failed(problem.message) from None
