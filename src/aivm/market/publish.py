"""Publishing: a package's blocks to storage, then its model id to the registry."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.commitments.cid import Cid
from aivm.errors import NotAllowed
from aivm.market.models import URI_SCHEME, programs_root
from aivm.packages import Package
from aivm.packages.files import NO_CHUNKINGS, Chunkings
from aivm.storage.blocks import BlockStore
from aivm.storage.fetch import Progress
from aivm.storage.push import push


@dataclass(frozen=True)
class Published:
    """Where a package now is."""

    model: bytes
    root: Cid
    transaction: str


async def publish(
    chain: Chain,
    session: aiohttp.ClientSession,
    account: Account,
    storage_url: str,
    package: Package,
    *,
    token: str,
    royalty_bps: int = 0,
    progress: Progress | None = None,
) -> Published:
    """Upload, then register. Repeating it after a failure uploads only what is missing.

    Raises StorageUnreachable, NotAllowed (wrong token, not the publisher), ChainRejected.
    """
    if package.manifest.publisher != account.address:
        raise NotAllowed(
            f"the package is signed by {package.manifest.publisher}, not by {account.address}",
            hint="Publish with the account that packed it.",
        )
    root = await upload(
        session,
        storage_url,
        package.directory,
        token=token,
        progress=progress,
        chunkings=package.manifest.chunkings,
    )
    receipt = await chain.registry.register(
        account,
        package.manifest.name,
        package.manifest.version,
        package.model_id,
        programs_root(package.manifest),
        royalty_bps=royalty_bps,
        uri=f"{URI_SCHEME}{root}",
    )
    return Published(package.model_id, root, receipt.hash)


async def upload(
    session: aiohttp.ClientSession,
    storage_url: str,
    directory: Path,
    *,
    token: str,
    progress: Progress | None = None,
    chunkings: Chunkings = NO_CHUNKINGS,
) -> Cid:
    """Store a folder's blocks at a gateway; returns the folder's CID."""
    with (
        tempfile.TemporaryDirectory(prefix="aivm-push-") as scratch,
        BlockStore(Path(scratch)) as store,
    ):
        entry = await asyncio.to_thread(
            store.add_directory, directory, copy=False, chunkings=chunkings
        )
        await push(
            session,
            storage_url,
            store,
            entry.cid,
            token=token,
            progress=progress or (lambda _done, _total: None),
        )
    return entry.cid
