"""Binary Merkle trees over SHA-256: the definition, in the standard library alone.

    leaf(data)        = SHA-256(0x00 || data)
    node(left, right) = SHA-256(0x01 || left || right)

The shape is that of RFC 6962: a tree of n leaves splits at the largest power of two below n. A tree
without leaves is leaf(b""). The first byte keeps leaves and nodes apart, so a node can never be
passed off as a leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

LEAF_BYTES = 256

Buffer = bytes | bytearray | memoryview


def leaf_hash(data: Buffer) -> bytes:
    """Hash of one leaf."""
    digest = sha256(b"\x00")
    digest.update(data)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over its two children's hashes."""
    return sha256(b"\x01" + left + right).digest()


def split(data: Buffer) -> list[memoryview]:
    """`data` cut into leaves of 256 bytes; the last may be shorter, and no data is no leaves."""
    view = memoryview(data).cast("B")
    return [view[start : start + LEAF_BYTES] for start in range(0, len(view), LEAF_BYTES)]


def root_of_leaves(leaves: Iterable[Buffer]) -> bytes:
    """Root of a tree over arbitrary leaves."""
    level = [leaf_hash(leaf) for leaf in leaves]
    if not level:
        return leaf_hash(b"")
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def root_of_data(data: Buffer) -> bytes:
    """Root of the tree over `data` cut into leaves of 256 bytes."""
    return root_of_leaves(split(data))


def prove(leaves: Sequence[Buffer], index: int) -> tuple[bytes, ...]:
    """The sibling hashes, from the leaf upwards, that show leaf `index` to be under the root.

    Raises IndexError for an index that is not a leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree with {len(leaves)} leaves")
    level = [leaf_hash(leaf) for leaf in leaves]
    path = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _parents(level)
        index >>= 1
    return tuple(path)


def verify(root: bytes, leaf: Buffer, index: int, count: int, path: Sequence[bytes]) -> bool:
    """Whether `path` shows `leaf` to be number `index` of the `count` leaves under `root`.

    The path must have exactly the length that this place in the tree demands.
    """
    if not 0 <= index < count:
        return False
    siblings = iter(path)
    computed = leaf_hash(leaf)
    last = count - 1
    while last:
        if index & 1 or index < last:
            sibling = next(siblings, None)
            if sibling is None:
                return False
            left, right = (sibling, computed) if index & 1 else (computed, sibling)
            computed = node_hash(left, right)
        index >>= 1
        last >>= 1
    return next(siblings, None) is None and computed == root


def _parents(level: list[bytes]) -> list[bytes]:
    """The next level up; an odd last node moves up unchanged, which gives the RFC 6962 shape."""
    pairs = zip(level[0::2], level[1::2], strict=False)
    parents = [node_hash(left, right) for left, right in pairs]
    if len(level) % 2:
        parents.append(level[-1])
    return parents
