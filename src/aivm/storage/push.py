"""Publishing: the blocks under a root, sent to a gateway that takes them."""

from __future__ import annotations

import asyncio
import io

import aiohttp

from aivm.commitments.cid import Cid
from aivm.errors import NotAllowed, StorageUnreachable
from aivm.storage.blocks import BlockStore
from aivm.storage.dag import walk
from aivm.storage.fetch import PARALLEL, Progress

_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=30)


async def push(
    session: aiohttp.ClientSession,
    url: str,
    store: BlockStore,
    root: Cid,
    *,
    token: str,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Sends every block under `root` from `store` to the gateway at `url`.

    Blocks that the gateway has are not sent again, so a push that was broken off goes on. The root
    comes last: a gateway that has it has all beneath it. Raises NotFound (not in the store),
    NotAllowed (wrong token), StorageUnreachable.
    """
    found = await asyncio.to_thread(_listed, store, root)
    total = sum(size for _, size in found)
    done = 0
    gate = asyncio.Semaphore(PARALLEL)

    async def send(cid: Cid, size: int) -> None:
        nonlocal done
        async with gate:
            await _send(session, f"{url.rstrip('/')}/ipfs/{cid}", store, cid, token)
        done += size
        progress(done, total)

    (root_cid, root_size), *rest = found
    try:
        async with asyncio.TaskGroup() as group:
            for cid, size in rest:
                group.create_task(send(cid, size))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    await send(root_cid, root_size)


def _listed(store: BlockStore, root: Cid) -> list[tuple[Cid, int]]:
    return [(cid, len(block)) for cid, block in walk(root, store.get)]


async def _send(
    session: aiohttp.ClientSession, address: str, store: BlockStore, cid: Cid, token: str
) -> None:
    try:
        async with session.head(address, params={"format": "raw"}, timeout=_TIMEOUT) as there:
            if there.status == 200:
                return
        block = io.BytesIO(await asyncio.to_thread(store.get, cid))
        headers = {"Authorization": f"Bearer {token}"}
        async with session.put(address, data=block, headers=headers, timeout=_TIMEOUT) as answer:
            if answer.status == 403:
                raise NotAllowed("the storage gateway does not take blocks with this token")
            if answer.status != 201:
                raise StorageUnreachable(f"the gateway answered HTTP {answer.status} to {cid}")
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        raise StorageUnreachable(f"the gateway at {address} does not answer: {problem}") from None
