"""From files on disk to CIDs; several threads read and hash (hashing gives up the GIL)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, Blocks, Entry
from aivm.errors import BadInput, MalformedBlock, NotFound, TamperedContent

_THREADS = min(8, os.cpu_count() or 1)
_CHUNKS_PER_TASK = 8
MAX_DEPTH = 16


class Chunking(StrEnum):
    """Where a file is cut into chunks."""

    UNIXFS = "unixfs-v1-2025"
    TENSORS = "tensors-v1"


@dataclass(frozen=True, slots=True)
class FileDag:
    """A file as blocks: `leaves` follow one another in the file, `nodes` stand over them."""

    entry: Entry
    leaves: tuple[Entry, ...]
    nodes: Blocks


def file_dag(path: Path, *, threads: int = _THREADS) -> FileDag:
    """The blocks of a regular file, without keeping its content. Raises NotFound, BadInput.

    TamperedContent says that the file became shorter while it was read.
    """
    with _open_regular(path) as descriptor:
        size = os.fstat(descriptor).st_size
        starts = range(0, size, CHUNK_BYTES * _CHUNKS_PER_TASK)
        ends = [min(start + CHUNK_BYTES * _CHUNKS_PER_TASK, size) for start in starts]

        def hashed(start: int, end: int) -> list[Entry]:
            return _leaves(descriptor, start, end)

        if len(starts) < 2 or threads < 2:
            parts = [hashed(start, end) for start, end in zip(starts, ends, strict=True)]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(hashed, starts, ends))
    leaves = tuple(leaf for part in parts for leaf in part)
    entry, nodes = unixfs.build_file(leaves)
    return FileDag(entry, leaves, nodes)


def cid_of_file(path: Path) -> Cid:
    """The CID of a file, as `ipfs add` with profile unixfs-v1-2025 names it."""
    return file_dag(path).entry.cid


def cid_of_bytes(data: bytes) -> Cid:
    """The CID of a file with this content."""
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    leaves = [unixfs.leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in chunks]
    return unixfs.build_file(leaves)[0].cid


def cid_of_directory(path: Path) -> Cid:
    """The CID of a directory and all beneath it."""
    return _directory(path, 0).cid


def children(path: Path) -> list[Path]:
    """The regular files and directories in a directory; anything else in it is refused."""
    found = sorted(path.iterdir())
    for child in found:
        mode = child.lstat().st_mode
        if not S_ISREG(mode) and not S_ISDIR(mode):
            raise BadInput(
                f"{child} is a symbolic link or a special file", hint="Put a copy in its place."
            )
    return found


def _directory(path: Path, depth: int) -> Entry:
    if depth > MAX_DEPTH:
        raise MalformedBlock(f"{path} is nested more than {MAX_DEPTH} deep")
    entries = {
        child.name: _directory(child, depth + 1) if child.is_dir() else file_dag(child).entry
        for child in children(path)
    }
    return unixfs.build_directory(entries)[0]


def _leaves(descriptor: int, start: int, end: int) -> list[Entry]:
    """The chunks in [start, end), read into one buffer that stays in the cache."""
    buffer = memoryview(bytearray(min(CHUNK_BYTES, end - start)))
    leaves = []
    for offset in range(start, end, CHUNK_BYTES):
        chunk = buffer[: min(CHUNK_BYTES, end - offset)]
        if os.preadv(descriptor, [chunk], offset) != len(chunk):
            raise TamperedContent("the file changed while it was read")
        leaves.append(unixfs.leaf(Cid(Codec.RAW, sha256(chunk).digest()), len(chunk)))
    return leaves


@contextmanager
def _open_regular(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as problem:
        raise BadInput(f"{path} cannot be read: {problem.strerror}") from None
    try:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInput(f"{path} is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)
