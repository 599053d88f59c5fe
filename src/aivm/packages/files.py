"""From files on disk to CIDs; several threads read and hash (hashing gives up the GIL)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from types import MappingProxyType

from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, Blocks, Entry
from aivm.errors import BadInput, MalformedBlock, NotFound, TamperedContent
from aivm.packages.safetensors import SafeTensors

_THREADS = min(8, os.cpu_count() or 1)
_CHUNKS_PER_TASK = 8
MAX_DEPTH = 16


class Chunking(StrEnum):
    """Where a file is cut into chunks.

    `UNIXFS`: every 1 MiB, as `ipfs add` does. `TENSORS`, for safetensors files: also where the
    tensors' data begins, and before and after every tensor of 64 KiB and more, so that a tensor
    that stays the same keeps its chunks when others, or the header, change their size.
    """

    UNIXFS = "unixfs-v1-2025"
    TENSORS = "tensors-v1"


Chunkings = Mapping[str, Chunking]
"""How files are cut, by their path in a folder; what is not there is cut as `UNIXFS`."""
NO_CHUNKINGS: Chunkings = MappingProxyType({})
MIN_ALIGNED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class FileDag:
    """A file as blocks: `leaves` follow one another in the file, `nodes` stand over them."""

    entry: Entry
    leaves: tuple[Entry, ...]
    nodes: Blocks


def file_dag(
    path: Path, *, threads: int = _THREADS, chunking: Chunking = Chunking.UNIXFS
) -> FileDag:
    """The blocks of a regular file, without keeping its content. Raises NotFound, BadInput, and
    MalformedPackage for a file that has no tensors to be cut at.

    TamperedContent says that the file became shorter while it was read.
    """
    cuts = _tensor_cuts(path) if chunking is Chunking.TENSORS else []
    with _open_regular(path) as descriptor:
        size = os.fstat(descriptor).st_size
        starts, ends = _pieces(sorted({0, size, *cuts}))

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


def cid_of_directory(path: Path, chunkings: Chunkings = NO_CHUNKINGS) -> Cid:
    """The CID of a directory and all beneath it."""
    return _directory(path, 0, "", chunkings).cid


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


def chunking_of(path: str, chunkings: Chunkings) -> Chunking:
    """How the file at this path in a folder is cut."""
    return chunkings.get(path, Chunking.UNIXFS)


def _tensor_cuts(path: Path) -> list[int]:
    tensors = SafeTensors(path)
    cuts = [tensors.data_start]
    for name, type_ in tensors.types.items():
        if type_.size_bytes >= MIN_ALIGNED_BYTES:
            start = tensors.offset_of(name)
            cuts += [start, start + type_.size_bytes]
    return cuts


def _pieces(cuts: list[int]) -> tuple[list[int], list[int]]:
    """What is between the cuts, in pieces of some chunks each, as starts and ends."""
    step = CHUNK_BYTES * _CHUNKS_PER_TASK
    starts, ends = [], []
    for start, end in pairwise(cuts):
        for at in range(start, end, step):
            starts.append(at)
            ends.append(min(at + step, end))
    return starts, ends


def _directory(path: Path, depth: int, place: str, chunkings: Chunkings) -> Entry:
    if depth > MAX_DEPTH:
        raise MalformedBlock(f"{path} is nested more than {MAX_DEPTH} deep")
    entries = {}
    for child in children(path):
        inside = f"{place}{child.name}"
        if child.is_dir():
            entries[child.name] = _directory(child, depth + 1, f"{inside}/", chunkings)
        else:
            cut = chunking_of(inside, chunkings)
            entries[child.name] = file_dag(child, chunking=cut).entry
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
