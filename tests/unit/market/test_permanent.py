"""What comes back from Arweave is the publisher's, byte for byte, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aivm.chain.account import Account
from aivm.errors import BadSignature, MalformedPackage, NotAllowed, TamperedContent
from aivm.market.permanent import preserve, recover
from aivm.packages import Package
from aivm.packages.paths import MANIFEST, SIGNATURE
from aivm.storage.arweave.items import DataItem, bundle, parse_bundle, sign_item

PUBLISHER, STRANGER = Account(b"\x07" * 32), Account(b"\x08" * 32)
ID = bytes(32)


class Shelf:
    """Stands for node and uploads: keeps what is stored, and may show something else."""

    def __init__(self) -> None:
        self.data = b""

    async def store(self, _node: Any, _wallet: Any, data: bytes, _tags: Any, _told: Any) -> Any:
        self.data = data
        return type("Stored", (), {"id": ID})

    async def read(self, _: bytes) -> tuple[None, bytes]:
        return None, self.data

    @property
    def items(self) -> list[DataItem]:
        return list(parse_bundle(self.data))


async def stored(package: Package, signer: Account) -> Shelf:
    shelf: Any = Shelf()
    await preserve(package, signer, shelf, shelf, shelf)
    return shelf


async def test_both_files_come_back(text_package: Package) -> None:
    shelf: Any = await stored(text_package, PUBLISHER)
    found = await recover(shelf, ID)
    assert found.model == text_package.model_id
    assert found.manifest == (text_package.directory / MANIFEST).read_bytes()
    assert found.envelope == (text_package.directory / SIGNATURE).read_bytes()
    assert dict(shelf.items[0].tags)[b"IPFS-CID"].startswith(b"bafkrei")


async def test_only_the_publisher_preserves(text_package: Package) -> None:
    with pytest.raises(NotAllowed):
        await stored(text_package, STRANGER)


async def test_what_others_have_bundled_is_refused(text_package: Package) -> None:
    shelf: Any = await stored(text_package, PUBLISHER)
    manifest, envelope = shelf.items
    foreign = sign_item(manifest.data, manifest.tags, STRANGER)
    other = sign_item(manifest.data.replace(b"1.0.0", b"1.0.1"), manifest.tags, PUBLISHER)
    for items, kind in (
        ([foreign, envelope], TamperedContent),
        ([other, envelope], TamperedContent),
        ([manifest], MalformedPackage),
        ([manifest, replace(envelope, owner=STRANGER.public_key)], BadSignature),
    ):
        shelf.data = bundle(items)
        with pytest.raises(kind):
            await recover(shelf, ID)
