"""The block store: verified in, verified out.

    <root>/blocks/<shard>/<cid>   one block a file, sharded as Kubo does by the CID's end
    <root>/store.db               references: blocks that lie inside other files (weights) uncopied

A block is written to a temporary file, synced, then renamed, so that under its name there is always
the whole block, also after a crash. Every read is hashed: a block that rotted on disk, or whose
file was changed under a reference, is dropped and reported as not there. Several threads and
processes may use one store.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path

from aivm import host
from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import MAX_BLOCK_BYTES, Entry
from aivm.errors import MalformedAddress, NotFound, TamperedContent, TooLarge
from aivm.packages import files
from aivm.packages.files import NO_CHUNKINGS, Chunking, Chunkings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reference (
    cid TEXT PRIMARY KEY, path TEXT NOT NULL, position INTEGER NOT NULL, length INTEGER NOT NULL,
    touched INTEGER NOT NULL
) WITHOUT ROWID
"""
_BUSY_TIMEOUT_SECONDS = 30


class BlockStore:
    """Blocks on disk by CID. Close it, or use it in a `with` statement."""

    def __init__(self, root: Path) -> None:
        self._blocks = root / "blocks"
        self._blocks.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            root / "store.db",
            timeout=_BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(_SCHEMA)

    def close(self) -> None:
        """Releases the database; the store cannot be used afterwards."""
        self._database.close()

    def __enter__(self) -> BlockStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, cid: Cid, block: bytes) -> None:
        """Stores a block durably. Raises TamperedContent if it is not what `cid` names, TooLarge
        over 2 MiB, MalformedBlock if a dag-pb block cannot be read.
        """
        if len(block) > MAX_BLOCK_BYTES:
            raise TooLarge(f"a block of {len(block)} bytes is over {MAX_BLOCK_BYTES}")
        cid.verify(block)
        if cid.codec is Codec.DAG_PB:
            unixfs.decode_node(block)
        if not self.touch(cid):
            _write_durably(self._path(cid), block)

    def get(self, cid: Cid) -> bytes:
        """The block, verified. Raises NotFound."""
        for read, forget in ((self._read_file, self._drop_file), (self._read_ref, self._drop_ref)):
            block = read(cid)
            if block is None:
                continue
            with suppress(TamperedContent):
                cid.verify(block)
                return block
            forget(cid)
        raise NotFound(f"block {cid} is not in this store")

    def has(self, cid: Cid) -> bool:
        """Whether the store believes that it holds the block; only `get` verifies it."""
        return self._path(cid).exists() or self._reference(cid) is not None

    def touch(self, cid: Cid) -> bool:
        """Makes a block young again for `sweep`; whether the store believes that it holds it."""
        with suppress(FileNotFoundError):
            os.utime(self._path(cid))
            return True
        with self._lock:
            query = "UPDATE reference SET touched = ? WHERE cid = ?"
            return self._database.execute(query, [host.now(), str(cid)]).rowcount > 0

    def sweep(self, keep: Container[Cid], before: int) -> tuple[int, int]:
        """Drops every block that is not in `keep` and was last put or touched before that time
        (Unix seconds); returns how many blocks, and how many bytes of disk are free again.
        """
        found = self._swept_files(keep, before), self._swept_references(keep, before)
        return found[0][0] + found[1], found[0][1]

    def _swept_files(self, keep: Container[Cid], before: int) -> tuple[int, int]:
        blocks = size = 0
        for path in self._blocks.glob("*/b*"):
            with suppress(FileNotFoundError, MalformedAddress):
                if Cid.parse(path.name) in keep or path.stat().st_mtime >= before:
                    continue
                # Somebody may put the block just now: what was touched before the name was gone
                # comes back, and who comes later finds no file and writes one.
                doomed = path.with_name(f".{path.name}.{host.random_bytes(8).hex()}")
                path.rename(doomed)
                status = doomed.stat()
                if status.st_mtime >= before:
                    doomed.rename(path)
                    continue
                doomed.unlink()
                blocks, size = blocks + 1, size + status.st_size
        return blocks, size

    def _swept_references(self, keep: Container[Cid], before: int) -> int:
        with self._lock:
            query = "SELECT cid FROM reference WHERE touched < ?"
            names = [row[0] for row in self._database.execute(query, [before])]
            doomed = [(name, before) for name in names if Cid.parse(name) not in keep]
            self._database.execute("BEGIN IMMEDIATE")
            query = "DELETE FROM reference WHERE cid = ? AND touched < ?"
            dropped = self._database.executemany(query, doomed).rowcount if doomed else 0
            self._database.execute("COMMIT")
        return dropped

    def size(self, cid: Cid) -> int:
        """The block's size in bytes. Raises NotFound."""
        with suppress(FileNotFoundError):
            return self._path(cid).stat().st_size
        reference = self._reference(cid)
        if reference is None:
            raise NotFound(f"block {cid} is not in this store")
        return reference[2]

    def add_bytes(self, data: bytes) -> Cid:
        """Stores `data` as a file of its own and returns its CID."""
        step = unixfs.CHUNK_BYTES
        leaves = []
        for chunk in (data[at : at + step] for at in range(0, len(data), step)):
            cid = Cid.of(Codec.RAW, chunk)
            self.put(cid, chunk)
            leaves.append(unixfs.leaf(cid, len(chunk)))
        return self._put_nodes(*unixfs.build_file(leaves)).cid

    def add_file(
        self, path: Path, *, copy: bool = True, chunking: Chunking = Chunking.UNIXFS
    ) -> Entry:
        """Stores a file. Without `copy` its chunks stay where they are and are only referred to:
        the file must then keep its place and content, or its blocks are gone.
        """
        dag = files.file_dag(path, chunking=chunking)
        if copy:
            self._copy_leaves(path, dag.leaves)
        else:
            self._refer(path.resolve(), dag.leaves)
        return self._put_nodes(dag.entry, dag.nodes)

    def add_directory(
        self, path: Path, *, copy: bool = True, chunkings: Chunkings = NO_CHUNKINGS
    ) -> Entry:
        """Stores a directory and all beneath it; links and special files are refused."""
        return self._add_directory(path, "", copy, chunkings)

    def _add_directory(self, path: Path, place: str, copy: bool, chunkings: Chunkings) -> Entry:
        entries = {}
        for child in files.children(path):
            inside = f"{place}{child.name}"
            if child.is_dir():
                added = self._add_directory(child, f"{inside}/", copy, chunkings)
            else:
                cut = files.chunking_of(inside, chunkings)
                added = self.add_file(child, copy=copy, chunking=cut)
            entries[child.name] = added
        entry, block = unixfs.build_directory(entries)
        self.put(entry.cid, block)
        return entry

    def _put_nodes(self, entry: Entry, nodes: unixfs.Blocks) -> Entry:
        for cid, block in nodes.items():
            self.put(cid, block)
        return entry

    def _copy_leaves(self, path: Path, leaves: Iterable[Entry]) -> None:
        with path.open("rb") as file:
            for leaf in leaves:
                self.put(leaf.cid, file.read(leaf.size))

    def _refer(self, path: Path, leaves: Iterable[Entry]) -> None:
        rows, position = [], 0
        for leaf in leaves:
            rows.append((str(leaf.cid), str(path), position, leaf.size, host.now()))
            position += leaf.size
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("REPLACE INTO reference VALUES (?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")

    def _path(self, cid: Cid) -> Path:
        name = str(cid)
        return self._blocks / name[-3:-1] / name

    def _read_file(self, cid: Cid) -> bytes | None:
        with suppress(FileNotFoundError):
            return self._path(cid).read_bytes()
        return None

    def _drop_file(self, cid: Cid) -> None:
        self._path(cid).unlink(missing_ok=True)

    def _reference(self, cid: Cid) -> tuple[str, int, int] | None:
        query = "SELECT path, position, length FROM reference WHERE cid = ?"
        with self._lock:
            row: tuple[str, int, int] | None = self._database.execute(query, [str(cid)]).fetchone()
        return row

    def _read_ref(self, cid: Cid) -> bytes | None:
        reference = self._reference(cid)
        if reference is None:
            return None
        path, position, length = reference
        try:
            with Path(path).open("rb") as file:
                return os.pread(file.fileno(), length, position)
        except OSError:  # the file was moved or deleted
            self._drop_ref(cid)
            return None

    def _drop_ref(self, cid: Cid) -> None:
        with self._lock:
            self._database.execute("DELETE FROM reference WHERE cid = ?", [str(cid)])


def _write_durably(path: Path, block: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{host.random_bytes(8).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
