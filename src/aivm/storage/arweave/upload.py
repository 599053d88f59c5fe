"""Storing data for good: signed once, sent in chunks, resumed after a death, read back.

A signature is salted, so signing again would make (and pay) another transaction. The signed one is
therefore written down before it is sent, by the digest of its data, and taken up again until the
network has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from aivm.database import open_database, transaction
from aivm.errors import InsufficientFunds, NotFound, TooLarge
from aivm.storage.arweave.chunks import data_tree
from aivm.storage.arweave.node import MAX_DATA_BYTES, ArweaveNode
from aivm.storage.arweave.tags import Tags
from aivm.storage.arweave.transactions import (
    ArweaveTransaction,
    parse_transaction,
    sign_transaction,
)
from aivm.storage.arweave.wallet import Wallet

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    content BLOB NOT NULL,
    owner BLOB NOT NULL,
    id BLOB NOT NULL,
    document TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (content, owner)
);
"""

Progress = Callable[[int, int], object]
"""Told the bytes that are there, and of how many."""


class Uploads:
    """What this machine has begun to store, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, _SCHEMA, sync=True)

    def close(self) -> None:
        self._db.close()

    async def store(
        self,
        node: ArweaveNode,
        wallet: Wallet,
        data: bytes,
        tags: Tags,
        progress: Progress = lambda _done, _all: None,
    ) -> ArweaveTransaction:
        """Store `data`, paid by `wallet`; the same data of the same wallet is stored once.

        Raises TooLarge, InsufficientFunds (before anything is sent), StorageUnreachable (call it
        again), and what `ArweaveNode.submit` raises.
        """
        if not 0 < len(data) <= MAX_DATA_BYTES:
            raise TooLarge(f"{len(data)} bytes are not 1 to {MAX_DATA_BYTES}")
        content = sha256(data).digest()
        signed, sent = self._known(content, wallet) or (None, 0)
        if signed is None:
            signed = await self._signed(node, wallet, data, tags)
            self._write(content, signed)
        chunks = data_tree(data).chunks
        if sent < len(chunks) and not await _is_there(node, signed):
            await node.submit(signed)
        for number, chunk in enumerate(chunks[sent:], start=sent):
            progress(chunk.start, len(data))
            await node.send_chunk(signed, chunk, data)
            self._db.execute(
                "UPDATE uploads SET sent = ? WHERE content = ? AND owner = ?",
                (number + 1, content, wallet.owner),
            )
        progress(len(data), len(data))
        return signed

    def forget(self, data: bytes, wallet: Wallet) -> None:
        """The network has dropped the transaction (its anchor is too old): sign another one."""
        self._db.execute(
            "DELETE FROM uploads WHERE content = ? AND owner = ?",
            (sha256(data).digest(), wallet.owner),
        )

    async def _signed(
        self, node: ArweaveNode, wallet: Wallet, data: bytes, tags: Tags
    ) -> ArweaveTransaction:
        price, balance = await node.price(len(data)), await node.balance(wallet.address)
        if balance < price:
            raise InsufficientFunds(
                f"storing {len(data)} bytes costs {price} winston, the wallet has {balance}",
                hint=f"Send AR to {wallet.address}.",
            )
        return sign_transaction(data, tags, wallet, anchor=await node.anchor(), reward=price)

    def _known(self, content: bytes, wallet: Wallet) -> tuple[ArweaveTransaction, int] | None:
        row = self._db.execute(
            "SELECT id, document, sent FROM uploads WHERE content = ? AND owner = ?",
            (content, wallet.owner),
        ).fetchone()
        return None if row is None else (parse_transaction(json.loads(row[1]), row[0]), row[2])

    def _write(self, content: bytes, signed: ArweaveTransaction) -> None:
        with transaction(self._db) as db:
            db.execute(
                "INSERT OR REPLACE INTO uploads (content, owner, id, document) VALUES (?, ?, ?, ?)",
                (content, signed.owner, signed.id, json.dumps(signed.as_json())),
            )


async def _is_there(node: ArweaveNode, signed: ArweaveTransaction) -> bool:
    try:
        await node.status(signed.id)
    except NotFound:
        return False
    return True
