"""Models by reference: `owner/name`, `owner/name:version`, or a model id in hexadecimal.

The registry says which bytes a name means; storage delivers them; every byte is verified before the
package is opened. What was fetched once is kept, and verified again when it is opened.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from aivm.chain.client import Chain
from aivm.chain.registry import ModelInfo, ModelStatus
from aivm.commitments import merkle
from aivm.commitments.cid import Cid
from aivm.errors import (
    AivmError,
    ChainRejected,
    MalformedAddress,
    NotAllowed,
    NotFound,
    TamperedContent,
)
from aivm.packages import Manifest, Package, open_package
from aivm.sessions import generator_of
from aivm.storage.fetch import fetch

URI_SCHEME = "ipfs://"
MAX_PACKAGE_BYTES = 64 * 2**30

Progress = Callable[[int, int], None]
_MODEL_ID = re.compile(r"(?:0x)?([0-9a-f]{64})")


def programs_root(manifest: Manifest) -> bytes:
    """What the registry stores: the root over the listed programs."""
    return merkle.root_of_leaves(listed_programs(manifest))


def listed_programs(manifest: Manifest) -> tuple[bytes, ...]:
    """The programs that a publisher commits to, as receipts name them (`dispute.listing`).

    That is every program's root, in the manifest's order, then the generation root if there is one.
    """
    roots = [entry.program for entry in manifest.entries]
    if manifest.session is not None:
        roots.append(generator_of(manifest).root)
    return tuple(roots)


class Models:
    """The models of one network, and the packages kept on this machine."""

    def __init__(
        self,
        chain: Chain,
        session: aiohttp.ClientSession,
        storage: Sequence[str],
        folder: Path,
        *,
        max_bytes: int = MAX_PACKAGE_BYTES,
    ) -> None:
        """`max_bytes`: no larger package is fetched."""
        self._chain = chain
        self._session = session
        self._storage = storage
        self._folder = folder
        self._max_bytes = max_bytes
        self._opened: dict[bytes, Package] = {}
        self._pulling = asyncio.Lock()

    async def resolve(self, reference: str) -> tuple[bytes, ModelInfo]:
        """The model id and registry entry of a reference. Raises NotFound."""
        found = _MODEL_ID.fullmatch(reference)
        if found:
            model = bytes.fromhex(found[1])
        else:
            name, _, version = reference.partition(":")
            try:
                registry = self._chain.registry
                model = await (
                    registry.resolve(name, version) if version else registry.latest(name)
                )
            except ChainRejected:
                raise NotFound(
                    f"no model {reference!r} is registered on this network", hint="See `aivm ls`."
                ) from None
        return model, await self._chain.registry.get_model(model)

    async def package(self, reference: str, progress: Progress | None = None) -> Package:
        """The verified package of a reference, fetched if it is not here.

        Raises NotFound, NotAllowed (revoked), StorageUnreachable, TamperedContent.
        """
        opened = self._opened.get(_as_id(reference))
        if opened is not None:
            return opened
        model, info = await self.resolve(reference)
        if info.status is ModelStatus.REVOKED:
            raise NotAllowed(f"governance has revoked {reference}")
        async with self._pulling:
            if model not in self._opened:
                directory = await self._pulled(model, info, progress)
                package = await asyncio.to_thread(open_package, directory, model)
                if programs_root(package.manifest) != info.programs:
                    raise TamperedContent(f"{reference}: the registry lists other programs")
                self._opened[model] = package
        return self._opened[model]

    async def _pulled(self, model: bytes, info: ModelInfo, progress: Progress | None) -> Path:
        """The folder of a model's files; a name beneath `folder` means that all of them came."""
        directory = self._folder / model.hex()
        if directory.is_dir():
            return directory
        root = _directory_cid(info.uri)
        partial = self._folder / f".{model.hex()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f".{model.hex()}.lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            if directory.is_dir():  # another process fetched it meanwhile
                return directory
            # An interrupted download lies there still: its good chunks are not fetched again.
            await fetch(
                self._session,
                self._storage,
                root,
                partial,
                max_bytes=self._max_bytes,
                progress=progress or (lambda _done, _total: None),
            )
            try:
                await asyncio.to_thread(open_package, partial, model)
            except AivmError:
                shutil.rmtree(partial)
                raise
            partial.rename(directory)
        return directory


def _as_id(reference: str) -> bytes:
    found = _MODEL_ID.fullmatch(reference)
    return bytes.fromhex(found[1]) if found else b""


def _directory_cid(uri: str) -> Cid:
    if not uri.startswith(URI_SCHEME):
        raise MalformedAddress(f"the registry gives {uri!a}, which is not an {URI_SCHEME} address")
    return Cid.parse(uri.removeprefix(URI_SCHEME))
