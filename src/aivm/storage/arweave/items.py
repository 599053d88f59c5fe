"""ANS-104 data items, signed by an EVM key, and bundles of them.

A publisher needs no second key: signature type 3 is what Ethereum wallets make of a message. An
item proves who wrote it, whoever carries and pays for it. The list that is signed holds the
signature type, which the text of ANS-104 leaves out; `arbundles` is what the network runs, and the
tests compare with its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from eth_hash.auto import keccak

from aivm.errors import BadSignature, MalformedBlock, TamperedContent, TooLarge
from aivm.receipts.signing import SIGNATURE_BYTES, Signer, recover_public_key
from aivm.storage.arweave.deep_hash import deep_hash
from aivm.storage.arweave.tags import Tags, check_tags, decode_tags, encode_tags

ETHEREUM = 3  # signature type: secp256k1 over the hash of a personal message
OWNER_BYTES = 65  # an uncompressed public key
MAX_ITEM_BYTES = 16 << 20
MAX_ITEMS = 1024


class ItemSigner(Signer, Protocol):
    """A key that can also name itself."""

    @property
    def public_key(self) -> bytes:
        """65 bytes, uncompressed."""
        ...


@dataclass(frozen=True, slots=True)
class DataItem:
    """An item; `target` and `anchor` are 32 bytes or empty."""

    owner: bytes
    tags: tuple[tuple[bytes, bytes], ...]
    data: bytes
    target: bytes = b""
    anchor: bytes = b""
    signature: bytes = b""

    @property
    def id(self) -> bytes:
        """What the network calls it: the SHA-256 of the signature."""
        return sha256(self.signature).digest()

    def digest(self) -> bytes:
        """What is signed: the personal message over the deep hash, Keccak-256."""
        message = deep_hash(
            [
                b"dataitem",
                b"1",
                b"%d" % ETHEREUM,
                self.owner,
                self.target,
                self.anchor,
                encode_tags(self.tags),
                self.data,
            ]
        )
        return bytes(keccak(b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message)))

    def encode(self) -> bytes:
        """The item's bytes."""
        tags = encode_tags(self.tags)
        return b"".join(
            [
                ETHEREUM.to_bytes(2, "little"),
                self.signature,
                self.owner,
                _optional(self.target),
                _optional(self.anchor),
                len(self.tags).to_bytes(8, "little"),
                len(tags).to_bytes(8, "little"),
                tags,
                self.data,
            ]
        )


def sign_item(data: bytes, tags: Tags, signer: ItemSigner, anchor: bytes = b"") -> DataItem:
    """A signed item. Raises MalformedBlock for tags that nobody would carry.

    The same data and tags make the same item again (the signature is deterministic), unless an
    `anchor` of 32 bytes tells them apart.
    """
    check_tags(tags)
    bare = DataItem(signer.public_key, tuple(tags), data, anchor=anchor)
    return DataItem(
        bare.owner, bare.tags, data, anchor=anchor, signature=signer.sign_digest(bare.digest())
    )


def parse_item(data: bytes) -> DataItem:
    """Reads an item and verifies it. Raises MalformedBlock, TooLarge, BadSignature."""
    if len(data) > MAX_ITEM_BYTES:
        raise TooLarge(f"a data item of {len(data)} bytes is over {MAX_ITEM_BYTES}")
    reader = _Reader(data)
    kind = int.from_bytes(reader.take(2), "little")
    if kind != ETHEREUM:
        raise MalformedBlock(
            f"a data item with signature type {kind}", hint="Items here are signed by EVM keys (3)."
        )
    signature, owner = reader.take(SIGNATURE_BYTES), reader.take(OWNER_BYTES)
    target, anchor = reader.optional(), reader.optional()
    count, length = (int.from_bytes(reader.take(8), "little") for _ in range(2))
    tags = decode_tags(reader.take(length), count)
    item = DataItem(owner, tags, reader.rest(), target, anchor, signature)
    if recover_public_key(item.digest(), signature) != owner:
        raise BadSignature("the data item is not signed by its owner")
    return item


def bundle(items: Sequence[DataItem]) -> bytes:
    """The bytes that one transaction carries: the items' sizes and ids, and the items."""
    encoded = [item.encode() for item in items]
    head = [len(encoded).to_bytes(32, "little")]
    for item, each in zip(items, encoded, strict=True):
        head += [len(each).to_bytes(32, "little"), item.id]
    return b"".join([*head, *encoded])


def parse_bundle(data: bytes) -> Iterator[DataItem]:
    """The items of a bundle, each verified. Raises as `parse_item` does, and TamperedContent."""
    reader = _Reader(data)
    count = int.from_bytes(reader.take(32), "little")
    if count > MAX_ITEMS:
        raise TooLarge(f"a bundle of {count} items is over {MAX_ITEMS}")
    heads = [(int.from_bytes(reader.take(32), "little"), reader.take(32)) for _ in range(count)]
    for size, name in heads:
        item = parse_item(reader.take(size))
        if item.id != name:
            raise TamperedContent("an item of the bundle is not the one that its head names")
        yield item
    if reader.rest():
        raise MalformedBlock("the bundle goes on after its last item")


class _Reader:
    """Cuts pieces from the front; nothing is copied before its length is known to be there."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise MalformedBlock(f"{length} bytes are missing at {self._at}")
        self._at += length
        return self._data[self._at - length : self._at]

    def optional(self) -> bytes:
        flag = self.take(1)
        if flag not in (b"\x00", b"\x01"):
            raise MalformedBlock("a data item says neither yes nor no to an optional field")
        return self.take(32) if flag == b"\x01" else b""

    def rest(self) -> bytes:
        return self._data[self._at :]


def _optional(field: bytes) -> bytes:
    return b"\x01" + field if field else b"\x00"
