"""What a fetch will write: the files under a root, each with its chunks, before any chunk is there.

Everything that a hostile root could inflate is bounded here: total size, number of entries, depth,
number of chunks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import MAX_BLOCK_BYTES, Entry, FileNode
from aivm.errors import MalformedBlock, TooLarge
from aivm.packages.files import MAX_DEPTH

MAX_ENTRIES = 8192
_MAX_FILE_DEPTH = 8
# A file of many tiny chunks costs far more to fetch than its size says.
_MEAN_CHUNK_BYTES_MIN = 4096
_SPARE_CHUNKS = 4096

GetBlock = Callable[[Cid], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A leaf block and its place in the file."""

    cid: Cid
    position: int
    size: int


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file to be made: where, how large, of which chunks."""

    path: Path
    size: int
    chunks: tuple[Chunk, ...]


class Planner:
    """Fetches inner nodes with `get` and lists what lies under a root."""

    def __init__(self, get: GetBlock, max_bytes: int) -> None:
        self._get = get
        self._bytes_left = max_bytes
        self.files: list[FilePlan] = []
        self.directories: list[Path] = []

    async def add(self, cid: Cid, path: Path) -> None:
        """Plans the file or directory `cid` at `path`. Raises TooLarge, MalformedBlock."""
        size = len(await self._get(cid)) if cid.codec is Codec.RAW else 0
        await self._add(Entry(cid, size, size), path, depth=0)

    async def _add(self, entry: Entry, path: Path, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise MalformedBlock(f"directories are nested more than {MAX_DEPTH} deep")
        if len(self.files) + len(self.directories) >= MAX_ENTRIES:
            raise TooLarge(f"more than {MAX_ENTRIES} files lie under the root")
        if entry.cid.codec is Codec.RAW:
            # What the directory says of its size is compared with the block when that arrives.
            self._add_file(path, [Chunk(entry.cid, 0, entry.dag_size)])
            return
        node = unixfs.decode_node(await self._get(entry.cid))
        if isinstance(node, FileNode):
            self._check_size(node.size)
            chunks: list[Chunk] = []
            await self._chunks(node, 0, chunks, _MAX_FILE_DEPTH)
            self._add_file(path, chunks)
            return
        self.directories.append(path)
        for name, child in node.items():
            await self._add(child, path / name, depth + 1)

    def _add_file(self, path: Path, chunks: list[Chunk]) -> None:
        size = sum(chunk.size for chunk in chunks)
        self._check_size(size)
        self._bytes_left -= size
        self.files.append(FilePlan(path, size, tuple(chunks)))

    def _check_size(self, size: int) -> None:
        if size > self._bytes_left:
            raise TooLarge("the content is larger than was allowed for")

    async def _chunks(
        self, node: FileNode, position: int, chunks: list[Chunk], depth_left: int
    ) -> None:
        """Appends the chunks under `node`, each child checked against the size its parent says."""
        if not depth_left:
            raise MalformedBlock(f"a file is nested more than {_MAX_FILE_DEPTH} deep")
        for cid, size in zip(node.children, node.sizes, strict=True):
            if cid.codec is Codec.RAW:
                if size > MAX_BLOCK_BYTES:
                    raise MalformedBlock(f"a chunk of {size} bytes is over {MAX_BLOCK_BYTES}")
                chunks.append(Chunk(cid, position, size))
                if len(chunks) > _SPARE_CHUNKS + position // _MEAN_CHUNK_BYTES_MIN:
                    raise MalformedBlock("a file is cut into too many small chunks")
            else:
                child = unixfs.decode_node(await self._get(cid))
                if not isinstance(child, FileNode) or child.size != size:
                    raise MalformedBlock("a file's inner nodes contradict each other about sizes")
                await self._chunks(child, position, chunks, depth_left - 1)
            position += size
