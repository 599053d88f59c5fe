"""The Merkle tree over a transaction's data, and the proof that goes with every chunk.

A node's id covers its children and the offset at which the right one begins, so a proof also shows
where in the data its chunk lies. Source: Arweave's yellow paper and `arweave-js`, whose roots and
proofs the tests compare with at every border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

MAX_CHUNK = 256 * 1024
MIN_CHUNK = 32 * 1024
_NOTE = 32  # bytes of an offset, big-endian
_BRANCH = 32 + 32 + _NOTE


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `start` to `end` of the data; `proof` leads from the data root to their digest."""

    start: int
    end: int
    proof: bytes

    @property
    def offset(self) -> int:
        """How the network names the chunk: by its last byte."""
        return self.end - 1


@dataclass(frozen=True, slots=True)
class DataTree:
    """The root, and the chunks to send, in order: an empty one at the end is hashed only."""

    root: bytes
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    id: bytes
    start: int
    end: int
    children: tuple[_Node, _Node] | None
    data: bytes  # the digest of a leaf's chunk


def boundaries(size: int) -> list[tuple[int, int]]:
    """Start and end of every chunk of `size` bytes: none but the last is under 32 KiB."""
    start, found = 0, []
    while size - start >= MAX_CHUNK:
        length, after = MAX_CHUNK, size - start - MAX_CHUNK
        if 0 < after < MIN_CHUNK:
            length = -(-(size - start) // 2)
        found.append((start, start + length))
        start += length
    return [*found, (start, size)]


def data_tree(data: bytes | memoryview) -> DataTree:
    """The tree over `data`, with a proof for every chunk."""
    view = memoryview(data)
    level = [_leaf(view[start:end], start, end) for start, end in boundaries(len(view))]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [_branch(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    chunks = tuple(chunk for chunk in _proofs(level[0], b"") if chunk.end > chunk.start)
    return DataTree(level[0].id, chunks)


def verify_chunk(root: bytes, size: int, proof: bytes, chunk: bytes) -> tuple[int, int] | None:
    """Where in data of `size` bytes under `root` this chunk lies; None if the proof is wrong."""
    start, end, node = 0, size, root
    while len(proof) > 2 * _NOTE:
        left, right, note, proof = _split(proof)
        if _hash(_hash(left), _hash(right), _hash(note)) != node:
            return None
        border = int.from_bytes(note, "big")
        # The chunk itself says on which side it is: by the offset that its leaf commits to.
        last = int.from_bytes(proof[-_NOTE:], "big")
        if last <= border:
            node, end = left, min(end, border)
        else:
            node, start = right, max(start, border)
    digest, note = proof[:32], proof[32:]
    fits = len(proof) == 2 * _NOTE and int.from_bytes(note, "big") == end
    if not fits or _hash(_hash(digest), _hash(note)) != node:
        return None
    right_bytes = digest == sha256(chunk).digest() and len(chunk) == end - start
    return (start, end) if right_bytes else None


def _split(proof: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    return proof[:32], proof[32:64], proof[64:_BRANCH], proof[_BRANCH:]


def _leaf(chunk: memoryview, start: int, end: int) -> _Node:
    digest = sha256(chunk).digest()
    return _Node(_hash(_hash(digest), _hash(_note(end))), start, end, None, digest)


def _branch(left: _Node, right: _Node) -> _Node:
    found = _hash(_hash(left.id), _hash(right.id), _hash(_note(left.end)))
    return _Node(found, left.start, right.end, (left, right), b"")


def _proofs(node: _Node, above: bytes) -> Sequence[Chunk]:
    if node.children is None:
        return [Chunk(node.start, node.end, above + node.data + _note(node.end))]
    left, right = node.children
    path = above + left.id + right.id + _note(left.end)
    return [*_proofs(left, path), *_proofs(right, path)]


def _note(offset: int) -> bytes:
    return offset.to_bytes(_NOTE, "big")


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
