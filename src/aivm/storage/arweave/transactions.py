"""Transactions of format 2: what pays for data and names its root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from aivm.errors import BadSignature, MalformedBlock, TamperedContent
from aivm.storage.arweave import base64url
from aivm.storage.arweave.chunks import data_tree
from aivm.storage.arweave.deep_hash import deep_hash
from aivm.storage.arweave.tags import Tags
from aivm.storage.arweave.wallet import Wallet, is_signed

MAX_TAG_BYTES = 2048  # of all names and values together
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,29}")


@dataclass(frozen=True, slots=True)
class ArweaveTransaction:
    """Data of `data_size` bytes under `data_root`; `reward` is the fee in winston."""

    owner: bytes
    last_tx: bytes  # the anchor: of the last 50 blocks
    reward: int
    data_size: int
    data_root: bytes
    tags: tuple[tuple[bytes, bytes], ...]
    signature: bytes = b""

    @property
    def id(self) -> bytes:
        """The SHA-256 of the signature: names the signature, and the data only through it."""
        return sha256(self.signature).digest()

    def digest(self) -> bytes:
        """What is signed."""
        return deep_hash(
            [
                b"2",
                self.owner,
                b"",  # target
                b"0",  # quantity
                b"%d" % self.reward,
                self.last_tx,
                [[name, value] for name, value in self.tags],
                b"%d" % self.data_size,
                self.data_root,
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """As nodes take it, without the data."""
        return {
            "format": 2,
            "id": base64url.encode(self.id),
            "last_tx": base64url.encode(self.last_tx),
            "owner": base64url.encode(self.owner),
            "tags": [
                {"name": base64url.encode(name), "value": base64url.encode(value)}
                for name, value in self.tags
            ],
            "target": "",
            "quantity": "0",
            "data": "",
            "data_size": str(self.data_size),
            "data_root": base64url.encode(self.data_root),
            "reward": str(self.reward),
            "signature": base64url.encode(self.signature),
        }


def sign_transaction(
    data: bytes, tags: Tags, wallet: Wallet, *, anchor: bytes, reward: int
) -> ArweaveTransaction:
    """A transaction that stores `data`. Raises MalformedBlock for more tags than blocks take."""
    if sum(len(name) + len(value) for name, value in tags) > MAX_TAG_BYTES:
        raise MalformedBlock(f"the tags of a transaction have over {MAX_TAG_BYTES} bytes")
    root = data_tree(data).root
    bare = ArweaveTransaction(wallet.owner, anchor, reward, len(data), root, tuple(tags))
    return replace(bare, signature=wallet.sign(bare.digest()))


def parse_transaction(document: Any, expected_id: bytes) -> ArweaveTransaction:
    """A node's JSON of the transaction with that id, verified.

    Raises MalformedBlock, TamperedContent (another transaction), BadSignature.
    """
    if not isinstance(document, dict) or document.get("format") != 2:
        raise MalformedBlock("not a transaction of format 2")
    if document.get("target") or str(document.get("quantity", "0")) != "0":
        raise MalformedBlock("a transaction that moves tokens stores no package")
    found = ArweaveTransaction(
        owner=base64url.decode(document.get("owner"), "owner"),
        last_tx=base64url.decode(document.get("last_tx"), "last_tx"),
        reward=_decimal(document.get("reward"), "reward"),
        data_size=_decimal(document.get("data_size"), "data_size"),
        data_root=base64url.decode_id(document.get("data_root"), "data_root"),
        tags=_tags(document.get("tags")),
        signature=base64url.decode(document.get("signature"), "signature"),
    )
    if found.id != expected_id:
        raise TamperedContent(f"the node shows another transaction than {expected_id.hex()[:16]}")
    if not is_signed(found.owner, found.digest(), found.signature):
        raise BadSignature("the transaction is not signed by its owner")
    return found


def check_data(transaction: ArweaveTransaction, data: bytes) -> None:
    """Raises TamperedContent unless these are the bytes that the transaction stores."""
    if len(data) != transaction.data_size or data_tree(data).root != transaction.data_root:
        raise TamperedContent("the data is not what the transaction stores")


def _tags(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    if not isinstance(value, list) or not all(isinstance(tag, Mapping) for tag in value):
        raise MalformedBlock("the transaction has no list of tags")
    return tuple(
        (base64url.decode(tag.get("name"), "tag"), base64url.decode(tag.get("value"), "tag"))
        for tag in value
    )


def _decimal(value: Any, what: str) -> int:
    text = str(value)
    if not _DECIMAL.fullmatch(text):
        raise MalformedBlock(f"{what} {text[:40]!a} is not a decimal number")
    return int(text)
