"""UnixFS: files and directories as blocks, profile `unixfs-v1-2025` (IPIP-0499).

A file is cut into chunks of 1 MiB, each a raw block; nodes of up to 1024 links stand over them, all
chunks at one depth. A file of one chunk is that chunk itself. A directory is one node, and one that
would pass 256 KiB is refused (Kubo shards it there). Kubo, given this profile, makes the same CIDs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aivm.commitments import dag_pb
from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedBlock, TooLarge

PROFILE = "unixfs-v1-2025"
CHUNK_BYTES = 1 << 20
MAX_LINKS = 1024
MAX_DIRECTORY_BYTES = 1 << 18
MAX_BLOCK_BYTES = 1 << 21

_MAX_NAME_BYTES = 255
_DIRECTORY, _FILE = 1, 2
_TYPE, _FILE_SIZE, _BLOCK_SIZE = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory: its root, the size of its content, and that of all its blocks.

    A directory has no content of its own: `size` is 0.
    """

    cid: Cid
    size: int
    dag_size: int


@dataclass(frozen=True, slots=True)
class FileNode:
    """An inner node of a file: its children and the size of the content under each."""

    children: tuple[Cid, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Size of the content under this node, in bytes."""
        return sum(self.sizes)


Blocks = dict[Cid, bytes]


def leaf(cid: Cid, size: int) -> Entry:
    """A chunk of `size` bytes."""
    return Entry(cid, size, size)


def build_file(leaves: Sequence[Entry], *, max_links: int = MAX_LINKS) -> tuple[Entry, Blocks]:
    """The root over the chunks of a file, and the blocks that had to be made for it.

    An empty file has no chunk and is one empty raw block. `max_links` differs from the profile's
    only in tests.
    """
    if not leaves:
        empty = Cid.of(Codec.RAW, b"")
        return leaf(empty, 0), {empty: b""}
    level = list(leaves)
    nodes: Blocks = {}
    while len(level) > 1:
        groups = (level[at : at + max_links] for at in range(0, len(level), max_links))
        level = [_parent(group, nodes) for group in groups]
    return level[0], nodes


def build_directory(entries: Mapping[str, Entry]) -> tuple[Entry, bytes]:
    """A directory over finished entries, and its block. Raises TooLarge, MalformedBlock."""
    for name in entries:
        check_name(name)
    names = sorted(entries, key=str.encode)
    links = tuple(dag_pb.Link(entries[name].cid, name, entries[name].dag_size) for name in names)
    block = dag_pb.encode(dag_pb.Node(links, dag_pb.varint_field(_TYPE, _DIRECTORY)))
    if len(block) > MAX_DIRECTORY_BYTES:
        raise TooLarge(
            f"a directory of {len(names)} entries needs {len(block)} bytes, over "
            f"{MAX_DIRECTORY_BYTES}",
            hint="Spread the files over subdirectories; sharded directories are not made.",
        )
    dag_size = len(block) + sum(link.size for link in links)
    return Entry(Cid.of(Codec.DAG_PB, block), 0, dag_size), block


def decode_node(block: bytes) -> FileNode | dict[str, Entry]:
    """Reads a dag-pb block: an inner node of a file, or a directory's entries.

    Entries of a directory carry size 0: a directory does not say how large its files are.
    Raises MalformedBlock for malformed blocks and for forms outside the profile (chunks inside
    dag-pb nodes, sharded directories, symlinks).
    """
    node = dag_pb.decode(block)
    kind, file_size, sizes = _decode_data(node.data)
    if kind == _DIRECTORY:
        return _directory(node.links)
    if not node.links or len(node.links) != len(sizes) or file_size != sum(sizes):
        raise MalformedBlock("a file node's sizes do not add up")
    if 0 in sizes:
        raise MalformedBlock("a file node has an empty child")
    if len(node.links) > MAX_LINKS or any(link.name for link in node.links):
        raise MalformedBlock("a file node has too many links, or named ones")
    return FileNode(tuple(link.cid for link in node.links), sizes)


def check_name(name: str) -> None:
    """Raises MalformedBlock for a directory entry that cannot safely become a file's name."""
    unsafe = name in ("", ".", "..") or any(character in "/\\\0" for character in name)
    if unsafe or len(_encoded(name)) > _MAX_NAME_BYTES:
        raise MalformedBlock(f"{name[:80]!a} cannot be the name of a file")


def _encoded(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError:  # a name on disk that is not UTF-8
        raise MalformedBlock(f"{name[:80]!a} is not UTF-8") from None


def _parent(children: Sequence[Entry], nodes: Blocks) -> Entry:
    size = sum(child.size for child in children)
    data = dag_pb.varint_field(_TYPE, _FILE) + dag_pb.varint_field(_FILE_SIZE, size)
    data += b"".join(dag_pb.varint_field(_BLOCK_SIZE, child.size) for child in children)
    links = tuple(dag_pb.Link(child.cid, "", child.dag_size) for child in children)
    block = dag_pb.encode(dag_pb.Node(links, data))
    cid = Cid.of(Codec.DAG_PB, block)
    nodes[cid] = block
    return Entry(cid, size, len(block) + sum(child.dag_size for child in children))


def _directory(links: Sequence[dag_pb.Link]) -> dict[str, Entry]:
    names = [link.name for link in links]
    for name in names:
        check_name(name)
    if names != sorted(names, key=str.encode):
        raise MalformedBlock("a directory's entries are not sorted")
    if len({name.casefold() for name in names}) != len(names):
        raise MalformedBlock("a directory has two entries whose names differ in case at most")
    return {link.name: Entry(link.cid, 0, link.size) for link in links}


def _decode_data(data: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Kind, file size and block sizes of a UnixFS message; refuses any other spelling of it."""
    kind, file_size, sizes = 0, 0, []
    for number, value in dag_pb.fields(data):
        if not isinstance(value, int):
            raise MalformedBlock("a UnixFS node has inline data; only raw leaves are read")
        if number == _TYPE:
            kind = value
        elif number == _FILE_SIZE:
            file_size = value
        elif number == _BLOCK_SIZE:
            sizes.append(value)
        else:
            raise MalformedBlock(f"a UnixFS node has an unknown field {number}")
    if kind not in (_DIRECTORY, _FILE):
        raise MalformedBlock(f"UnixFS type {kind} is neither a file nor a directory")
    canonical = dag_pb.varint_field(_TYPE, kind)
    if kind == _FILE:
        canonical += dag_pb.varint_field(_FILE_SIZE, file_size)
        canonical += b"".join(dag_pb.varint_field(_BLOCK_SIZE, size) for size in sizes)
    if canonical != data:
        raise MalformedBlock("a UnixFS node is not in its canonical form")
    return kind, file_size, tuple(sizes)
