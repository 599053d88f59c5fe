"""What a store keeps for good, and collecting what it does not.

A pin keeps everything under its root. Collecting marks what the pins reach and sweeps the rest, but
nothing that was put or touched within the grace time: that may belong to an import which is not
pinned yet. Imports, collections and readers may run at once, in several processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aivm import host
from aivm.commitments.cid import Cid, Codec
from aivm.database import open_database
from aivm.errors import NotFound
from aivm.storage.blocks import BlockStore
from aivm.storage.dag import walk

GRACE_SECONDS = 3600
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pins (
    root TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created INTEGER NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class KeptTree:
    """A pin: `created` is Unix seconds."""

    root: Cid
    name: str
    created: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection found: blocks kept, blocks dropped, bytes of disk freed."""

    kept: int
    dropped: int
    freed: int


class Pins:
    """The pins of the store in `folder`, in a database beside its blocks."""

    def __init__(self, folder: Path, store: BlockStore) -> None:
        self._store = store
        self._db = open_database(folder / "pins.db", _SCHEMA, sync=True)

    def close(self) -> None:
        self._db.close()

    def add(self, root: Cid, name: str) -> None:
        """Keep the tree under `root`; a root that is pinned gets the new name.

        Raises NotFound if a block of it is missing: half a tree cannot be kept.
        """
        for cid in self._touched(root):
            if not self._store.has(cid):
                raise NotFound(f"block {cid} of {root} is not in this store")
        self._db.execute(
            "INSERT INTO pins VALUES (?, ?, ?)"
            " ON CONFLICT (root) DO UPDATE SET name = excluded.name",
            (str(root), name, host.now()),
        )

    def remove(self, root: Cid) -> None:
        """Let the next collection drop what no other pin keeps. Raises NotFound."""
        if not self._db.execute("DELETE FROM pins WHERE root = ?", (str(root),)).rowcount:
            raise NotFound(f"{root} is not pinned here")

    def all(self) -> list[KeptTree]:
        """Every pin, the oldest first."""
        rows = self._db.execute("SELECT root, name, created FROM pins ORDER BY created, root")
        return [KeptTree(Cid.parse(root), name, created) for root, name, created in rows]

    def collect(self, grace_seconds: int = GRACE_SECONDS) -> Collected:
        """Drop every block that no pin reaches and nobody has touched within the grace time.

        Raises NotFound if a pinned tree is not whole: what it would keep is not known then, and
        nothing is dropped.
        """
        before = host.now() - grace_seconds  # fixed first: what is put while we mark stays
        keep = {cid for pin in self.all() for cid in self._reached(pin.root)}
        dropped, freed = self._store.sweep(keep, before)
        return Collected(len(keep), dropped, freed)

    def _touched(self, root: Cid) -> Iterator[Cid]:
        """Everything under `root`, made too young for a collection that is running."""
        for cid in self._reached(root):
            self._store.touch(cid)
            yield cid

    def _reached(self, root: Cid) -> Iterator[Cid]:
        """Everything under `root`; only inner nodes are read, leaves have no links."""
        for cid, _ in walk(
            root, lambda cid: b"" if cid.codec is Codec.RAW else self._store.get(cid)
        ):
            yield cid
