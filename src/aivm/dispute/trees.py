"""Walking down a Merkle tree in rounds: frontiers, paths, and what hashes up to what.

A node is named by its level (0: the leaves) and its index there. It stands over the leaves from
`index << level` on, as many as there are below `(index + 1) << level`; an odd last node of a level
is also the last of the next one, which gives the shape of RFC 6962. The *frontier* of a node, so
many levels below it, is all nodes of that level which stand under it, from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from aivm.commitments import fast
from aivm.commitments.merkle import LEAF_BYTES, Buffer, leaf_hash, node_hash

MAX_LEVELS = 6  # of one round: 64 nodes
LEAF_LEVELS = 2  # of the last round in a data tree, which shows the leaves themselves
SMALL_LEVELS = 3  # a data tree, or what is left of it, that is shown at once


class Tree(Protocol):
    """A tree that can name any of its nodes."""

    @property
    def leaves(self) -> int: ...

    def node(self, level: int, index: int) -> bytes:
        """Hash of that node."""
        ...


class DataTree:
    """The data tree over bytes; a node is computed when it is asked for, by the compiled kernels.

    A subtree is the data tree of its own bytes, so nothing else is hashed and nothing is kept.
    """

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data).cast("B")
        self.leaves = leaf_count(len(self._data))

    def node(self, level: int, index: int) -> bytes:
        first, end = index << level, (index + 1) << level
        return fast.root_of_data(self._data[first * LEAF_BYTES : end * LEAF_BYTES])

    def leaf(self, index: int) -> bytes:
        """The bytes of a leaf: 256, the last may have fewer."""
        return self.leaves_from(index, 1)

    def leaves_from(self, index: int, count: int) -> bytes:
        """The bytes of so many leaves, fewer at the end."""
        return bytes(self._data[index * LEAF_BYTES : (index + count) * LEAF_BYTES])


class LeafTree:
    """The tree over a list of leaves, one or more."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._data = leaves
        self.leaves = len(leaves)
        self._levels = [[leaf_hash(leaf) for leaf in leaves]]
        while len(self._levels[-1]) > 1:
            self._levels.append(parents(self._levels[-1]))

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def node(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def leaf(self, index: int) -> bytes:
        """The bytes of a leaf."""
        return self._data[index]


class ForeignTree:
    """Another player's tree, as far as it is known: one of its leaves with its path.

    It is the own tree left of that leaf, and that is enough to open any leaf left of it.
    """

    def __init__(self, own: Tree, index: int, leaf: bytes, siblings: Sequence[bytes]) -> None:
        self._own = own
        self.leaves = own.leaves
        self._known = {(0, index): leaf}
        left = list(siblings)
        for level in range(depth(own.leaves)):
            node = self._known[level, index >> level]
            sibling = index >> level ^ 1
            if sibling < -(-own.leaves // (1 << level)):
                other = self._known[level, sibling] = left.pop(0)
                node = node_hash(node, other) if sibling & 1 else node_hash(other, node)
            self._known[level + 1, index >> level + 1] = node

    @property
    def root(self) -> bytes:
        return self._known[depth(self.leaves), 0]

    def node(self, level: int, index: int) -> bytes:
        known = self._known.get((level, index))
        return self._own.node(level, index) if known is None else known


def leaf_count(size_bytes: int) -> int:
    """How many leaves a data tree over so many bytes has; no bytes are one empty leaf here."""
    return max(1, -(-size_bytes // LEAF_BYTES))


def depth(leaves: int) -> int:
    """The level of the root of a tree with so many leaves, one or more."""
    return (leaves - 1).bit_length()


@lru_cache(maxsize=64)
def round_levels(level: int) -> int:
    """How far the next round goes down from a node of `level`: the way cut evenly into the fewest
    rounds of at most MAX_LEVELS."""
    rounds = -(-level // MAX_LEVELS)
    return -(-level // rounds) if rounds else 0


def data_levels(level: int) -> int:
    """How far the next round goes down from a node of a data tree; 0 where its leaves are shown.

    A leaf has the bytes of eight nodes: so the last round goes down less far than the others,
    unless it is the only one.
    """
    return 0 if level <= SMALL_LEVELS else round_levels(level - LEAF_LEVELS)


def frontier_size(leaves: int, level: int, index: int, levels: int) -> int:
    """How many nodes lie `levels` below that node of a tree with so many leaves."""
    below = level - levels
    width = -(-leaves // (1 << below))
    return min((index + 1) << levels, width) - (index << levels)


def frontier(tree: Tree, level: int, index: int, levels: int) -> list[bytes]:
    """The nodes `levels` below that node, from left to right."""
    first = index << levels
    count = frontier_size(tree.leaves, level, index, levels)
    return [tree.node(level - levels, first + position) for position in range(count)]


def path(tree: Tree, level: int, index: int, top: int) -> tuple[bytes, ...]:
    """The siblings from that node up to the node over it at level `top`."""
    siblings = []
    for height in range(level, top):
        width = -(-tree.leaves // (1 << height))
        if index ^ 1 < width:
            siblings.append(tree.node(height, index ^ 1))
        index >>= 1
    return tuple(siblings)


def leaf_path(tree: Tree, index: int) -> tuple[bytes, ...]:
    """The siblings from leaf `index` up to the root: what `merkle.verify` takes."""
    return path(tree, 0, index, depth(tree.leaves))


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """The next level up."""
    pairs = zip(nodes[0::2], nodes[1::2], strict=False)
    above = [node_hash(left, right) for left, right in pairs]
    return [*above, nodes[-1]] if len(nodes) % 2 else above


def hashed_up(nodes: Sequence[bytes]) -> bytes:
    """The node over a whole frontier of one node or more."""
    level = list(nodes)
    while len(level) > 1:
        level = parents(level)
    return level[0]


def frontier_path(nodes: Sequence[bytes], position: int) -> tuple[bytes, ...]:
    """The siblings from one node of a whole frontier up to the node over it."""
    siblings, level = [], list(nodes)
    while len(level) > 1:
        if position ^ 1 < len(level):
            siblings.append(level[position ^ 1])
        level, position = parents(level), position >> 1
    return tuple(siblings)


def climbed(node: bytes, position: int, count: int, siblings: Sequence[bytes]) -> bytes | None:
    """The node over a frontier of `count` nodes of which `node` is number `position`; None where
    the siblings are not as many as that place demands."""
    left = list(siblings)
    last = count - 1
    while last:
        if position & 1 or position < last:
            if not left:
                return None
            sibling = left.pop(0)
            node = node_hash(sibling, node) if position & 1 else node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return None if left else node
