"""A real IPFS node (Kubo), by its RPC API.

A package is built into blocks here and imported as one CAR, so its CID does not depend on the
node's own import settings. The API gives whoever reaches it the node's whole power: it belongs on
the loopback, or behind the node's `API.Authorizations`.

Source: docs.ipfs.tech/reference/kubo/rpc; the answers' shapes as `kubo-rpc-client` 7 reads them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp

from aivm.commitments.cid import Cid
from aivm.errors import MalformedBlock, NotAllowed, NotFound, StorageUnreachable
from aivm.storage.answers import json_object, read_limited
from aivm.storage.blocks import BlockStore
from aivm.storage.car import MEDIA_TYPE, header, section
from aivm.storage.dag import walk
from aivm.storage.fetch import Progress

_WHO = "the IPFS node"
_ANSWER_BYTES = 2 << 20  # as much as the largest block
_PIECE = 1 << 20
_QUICK = aiohttp.ClientTimeout(total=30)
_LONG = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)


class KuboNode:
    """One node; `token` is sent as its bearer token where its API asks for one.

    Raises StorageUnreachable where nobody answers, NotAllowed where the API refuses the token.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/api/v0"
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def version(self) -> str:
        """The node's version, for instance "0.43.1"."""
        fields = json_object(await self._post("version", {}), _WHO)
        return str(fields.get("Version"))

    async def import_tree(
        self, store: BlockStore, root: Cid, progress: Progress = lambda _done, _total: None
    ) -> None:
        """Send every block under `root` and pin it, recursively.

        Raises NotFound (not in the store), MalformedBlock (the node did not pin exactly this root,
        and says why).
        """
        total = sum(len(block) for _, block in walk(root, store.get))
        with aiohttp.MultipartWriter("form-data") as form:
            pieces = _told(_car(store, root), total, progress)
            part = form.append(pieces, {"Content-Type": MEDIA_TYPE})
            part.set_content_disposition("form-data", name="file", filename="package.car")
            answer = await self._post("dag/import", {"pin-roots": "true"}, form)
        roots = [line["Root"] for line in _lines(answer) if "Root" in line]
        failed = [line["PinErrorMsg"] for line in roots if line.get("PinErrorMsg")]
        if failed:
            raise MalformedBlock(f"the IPFS node took {root} and did not pin it: {failed[0]}")
        if [line.get("Cid") for line in roots] != [{"/": str(root)}]:
            raise MalformedBlock(f"the IPFS node acknowledges {roots!a:.120} in place of {root}")

    async def block(self, cid: Cid) -> bytes:
        """A block that the node holds, verified. Raises NotFound, TamperedContent."""
        try:
            block = await self._post("block/get", {"arg": str(cid), "offline": "true"})
        except MalformedBlock as refused:
            raise NotFound(f"the IPFS node does not hold {cid}: {refused.message}") from None
        cid.verify(block)
        return block

    async def is_pinned(self, root: Cid) -> bool:
        """Whether the node keeps the whole tree."""
        try:
            answer = await self._post("pin/ls", {"arg": str(root), "type": "recursive"})
        except MalformedBlock:  # how it says "not pinned"
            return False
        return str(root) in (json_object(answer, _WHO).get("Keys") or {})

    async def unpin(self, root: Cid) -> None:
        """Let the node forget the tree at its next garbage collection. Raises NotFound."""
        try:
            await self._post("pin/rm", {"arg": str(root), "recursive": "true"})
        except MalformedBlock as refused:
            raise NotFound(f"the IPFS node has not pinned {root}: {refused.message}") from None

    async def _post(self, command: str, arguments: dict[str, str], body: Any = None) -> bytes:
        """The answer's body. Raises MalformedBlock with the node's own words for an HTTP 500."""
        timeout = _QUICK if body is None else _LONG
        try:
            async with self._session.post(
                f"{self._url}/{command}",
                params=arguments,
                data=body,
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                answer = await read_limited(response, _ANSWER_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise StorageUnreachable(
                f"the IPFS node at {self._url} does not answer: {type(problem).__name__}",
                hint="Is it running, and is this its RPC address (usually port 5001)?",
            ) from None
        if response.status in (401, 403):
            raise NotAllowed(f"the IPFS node refuses this call ({response.status})")
        if response.status == 500:
            raise MalformedBlock(
                str(json_object(answer, _WHO).get("Message", "no reason given"))[:300]
            )
        if response.status != 200:
            raise StorageUnreachable(f"the IPFS node answers {response.status} to {command}")
        return answer


def _car(store: BlockStore, root: Cid) -> Iterator[bytes]:
    yield header(root)
    for cid, block in walk(root, store.get):
        yield section(cid, block)


async def _told(pieces: Iterator[bytes], total: int, progress: Progress) -> AsyncIterator[bytes]:
    """The pieces, a MiB or so at a time, and how far they are."""
    done, waiting = 0, bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _PIECE:
            done = min(total, done + len(waiting))
            yield bytes(waiting)
            progress(done, total)
            waiting.clear()
    yield bytes(waiting)
    progress(total, total)


def _lines(answer: bytes) -> list[dict[str, Any]]:
    """Newline-delimited JSON. Raises MalformedBlock, also for an error in the middle of it."""
    lines = [json_object(line, _WHO) for line in answer.splitlines() if line.strip()]
    for line in lines:
        if line.get("Type") == "error":
            raise MalformedBlock(f"the IPFS node broke off: {str(line.get('Message'))[:300]}")
    return lines
