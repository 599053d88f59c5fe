"""A package's manifest and signature on Arweave, where they stay whatever becomes of our nodes.

Two data items, signed by the publisher's own key, travel in one bundle. What is read back is the
transaction, verified; the items in it, verified; and the envelope, which must be the publisher's
over exactly this manifest. Weights are not stored: they are found by the CIDs in the manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aivm.commitments.cid import Cid
from aivm.errors import MalformedPackage, NotAllowed, TamperedContent
from aivm.packages import Package
from aivm.packages.envelope import verify_envelope
from aivm.packages.manifest import Manifest, manifest_cid, model_id, parse_manifest
from aivm.packages.paths import MANIFEST, SIGNATURE
from aivm.receipts import recover_address
from aivm.storage.arweave.items import DataItem, ItemSigner, bundle, parse_bundle, sign_item
from aivm.storage.arweave.node import ArweaveNode
from aivm.storage.arweave.upload import Uploads
from aivm.storage.arweave.wallet import Wallet

_CONTENT_TYPE = {MANIFEST: "application/json", SIGNATURE: "application/vnd.dsse.envelope.v1+json"}
_BUNDLE_TAGS = ((b"Bundle-Format", b"binary"), (b"Bundle-Version", b"2.0.0"))
_FILE = b"File"


@dataclass(frozen=True)
class Preserved:
    """What names the copies: the transaction (32 bytes) and the two items in it."""

    transaction: bytes
    manifest: bytes
    signature: bytes


@dataclass(frozen=True)
class Recovered:
    """A manifest with its envelope, byte for byte as they were published."""

    manifest: bytes
    envelope: bytes
    parsed: Manifest

    @property
    def model(self) -> bytes:
        return model_id(self.manifest)


async def preserve(
    package: Package,
    signer: ItemSigner,
    node: ArweaveNode,
    wallet: Wallet,
    uploads: Uploads,
    *,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> Preserved:
    """Store a package's manifest and signature. Repeating it stores and pays nothing twice.

    Raises NotAllowed (another key than the publisher's), and what `Uploads.store` raises.
    """
    if package.manifest.publisher != signer.address:
        raise NotAllowed(
            f"the package is signed by {package.manifest.publisher}, not by {signer.address}",
            hint="Preserve it with the account that packed it.",
        )
    items = [_item(package, name, signer) for name in (MANIFEST, SIGNATURE)]
    stored = await uploads.store(node, wallet, bundle(items), _BUNDLE_TAGS, progress)
    return Preserved(stored.id, items[0].id, items[1].id)


async def recover(node: ArweaveNode, transaction: bytes) -> Recovered:
    """Read them back from a transaction.

    Raises NotFound, TamperedContent, BadSignature, MalformedBlock, MalformedPackage, TooLarge.
    """
    _, data = await node.read(transaction)
    items = {
        dict(item.tags).get(_FILE, b"").decode(errors="replace"): item
        for item in parse_bundle(data)
    }
    if not {MANIFEST, SIGNATURE} <= items.keys():
        raise MalformedPackage("the transaction holds no manifest with its signature")
    manifest, envelope = items[MANIFEST].data, items[SIGNATURE].data
    parsed = parse_manifest(manifest)
    if parsed.publisher not in verify_envelope(envelope, manifest):
        raise TamperedContent(f"the manifest is not signed by its publisher {parsed.publisher}")
    for item in items.values():
        if recover_address(item.digest(), item.signature) != parsed.publisher:
            raise TamperedContent(f"an item is not signed by the publisher {parsed.publisher}")
    return Recovered(manifest, envelope, parsed)


def _item(package: Package, name: str, signer: ItemSigner) -> DataItem:
    """By its tags gateways find the item; trust rests on the signature alone."""
    cid: Cid = manifest_cid(package.model_id)
    tags = {
        "Content-Type": _CONTENT_TYPE[name],
        "App-Name": "AIVM",
        "File": name,
        "IPFS-CID": str(cid),
        "Manifest-SHA256": package.model_id.hex(),
        "Model": f"{package.manifest.name}:{package.manifest.version}",
    }
    data = (package.directory / name).read_bytes()
    return sign_item(data, [(key.encode(), value.encode()) for key, value in tags.items()], signer)
