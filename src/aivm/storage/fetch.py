"""Fetching files and directories by CID: parallel, verified block by block, resumable.

First the inner nodes are fetched, which gives every chunk's CID and place. Chunks then arrive in
any order and are written into `<name>.part`, which takes its name after the last one. A fetch that
was broken off leaves the `.part` file, and the next one keeps each chunk of it that hashes right.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import aiohttp

from aivm.commitments.cid import Cid
from aivm.errors import BadInput, TamperedContent
from aivm.storage.peers import PeerPool
from aivm.storage.plan import Chunk, FilePlan, Planner

PARALLEL = 8
"""Requests under way at once."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) as chunks arrive."""


async def fetch(
    session: aiohttp.ClientSession,
    peers: Sequence[str],
    cid: Cid,
    destination: Path,
    *,
    max_bytes: int,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Fetches the file or directory `cid` to `destination` from any of `peers` (gateway URLs).

    Files that are there already with the right content are kept. Raises StorageUnreachable when no
    peer delivers a block, TooLarge when the content passes `max_bytes`, MalformedBlock or
    TamperedContent when it is no sound file or directory of profile unixfs-v1-2025, and BadInput
    when the disk is full or `destination` cannot be written.
    """
    pool = PeerPool(session, peers)
    planner = Planner(pool.block, max_bytes)
    await planner.add(cid, destination)
    total = sum(plan.size for plan in planner.files)
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total)

    try:
        for directory in planner.directories:
            directory.mkdir(parents=True, exist_ok=True)
        for plan in planner.files:
            await _download(pool, plan, advance)
    except OSError as problem:  # of the local disk: a peer's failures never come this far
        raise BadInput(
            f"cannot write to {destination}: {problem.strerror}",
            hint="Free some space or choose another folder; what has arrived is kept.",
        ) from None


async def fetch_block(session: aiohttp.ClientSession, peers: Sequence[str], cid: Cid) -> bytes:
    """One verified block, for example a manifest. Raises StorageUnreachable."""
    return await PeerPool(session, peers).block(cid)


async def _download(pool: PeerPool, plan: FilePlan, advance: Callable[[int], None]) -> None:
    if await asyncio.to_thread(_is_complete, plan):
        advance(plan.size)
        return
    part = plan.path.with_name(plan.path.name + ".part")
    plan.path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, plan.size)
        missing = await asyncio.to_thread(_missing, descriptor, plan)
        advance(plan.size - sum(chunk.size for chunk in missing))
        await _fetch_chunks(pool, descriptor, missing, advance)
        await asyncio.to_thread(os.fsync, descriptor)
    finally:
        os.close(descriptor)
    part.replace(plan.path)


async def _fetch_chunks(
    pool: PeerPool, descriptor: int, chunks: Sequence[Chunk], advance: Callable[[int], None]
) -> None:
    """Workers that share one list; the first failure stops them all."""
    waiting = iter(chunks)

    async def work() -> None:
        for chunk in waiting:
            block = await pool.block(chunk.cid)
            if len(block) != chunk.size:
                raise TamperedContent(f"chunk {chunk.cid} has not the size that its file says")
            await asyncio.to_thread(_write, descriptor, block, chunk.position)
            advance(chunk.size)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(PARALLEL, len(chunks))):
                group.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _write(descriptor: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def _missing(descriptor: int, plan: FilePlan) -> list[Chunk]:
    """The chunks that the part file does not hold yet."""
    return [chunk for chunk in plan.chunks if not _holds(descriptor, chunk)]


def _holds(descriptor: int, chunk: Chunk) -> bool:
    data = os.pread(descriptor, chunk.size, chunk.position)
    return len(data) == chunk.size and sha256(data).digest() == chunk.cid.digest


def _is_complete(plan: FilePlan) -> bool:
    try:
        descriptor = os.open(plan.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_size != plan.size:
            return False
        return all(_holds(descriptor, chunk) for chunk in plan.chunks)
    finally:
        os.close(descriptor)
