"""Frontiers and paths against the definition of the tree."""

from __future__ import annotations

import pytest

from aivm.commitments import merkle
from aivm.dispute import trees

SIZES = [*range(1, 20), 33, 63, 64, 65, 100]


def leaves_of(count: int) -> list[bytes]:
    return [bytes([number % 251]) * 256 for number in range(count)]


@pytest.mark.parametrize("count", SIZES)
def test_both_kinds_of_tree_are_the_definition(count: int) -> None:
    leaves = leaves_of(count)
    root = merkle.root_of_leaves(leaves)
    for tree in (trees.LeafTree(leaves), trees.DataTree(b"".join(leaves))):
        assert tree.leaves == count
        assert tree.node(trees.depth(count), 0) == root
        for index in range(count):
            proof = trees.leaf_path(tree, index)
            assert proof == merkle.prove(leaves, index)
            assert tree.leaf(index) == leaves[index]


@pytest.mark.parametrize("count", SIZES)
def test_every_frontier_hashes_up_and_every_node_climbs(count: int) -> None:
    tree = trees.LeafTree(leaves_of(count))
    for level in range(trees.depth(count) + 1):
        for index in range(-(-count // (1 << level))):
            for levels in range(level + 1):
                nodes = trees.frontier(tree, level, index, levels)
                assert len(nodes) == trees.frontier_size(count, level, index, levels)
                assert trees.hashed_up(nodes) == tree.node(level, index)
                for position, node in enumerate(nodes):
                    first = index << levels
                    siblings = trees.path(tree, level - levels, first + position, level)
                    up = trees.climbed(node, position, len(nodes), siblings)
                    assert up == tree.node(level, index)
                    assert trees.climbed(node, position, len(nodes), (*siblings, node)) is None
                    if siblings:
                        assert trees.climbed(node, position, len(nodes), siblings[:-1]) is None


def test_a_short_last_leaf_and_no_data() -> None:
    data = bytes(range(256)) + b"end"
    tree = trees.DataTree(data)
    assert (tree.leaves, tree.leaf(1)) == (2, b"end")
    assert tree.node(1, 0) == merkle.root_of_data(data)
    empty = trees.DataTree(b"")
    assert (empty.leaves, empty.leaf(0)) == (1, b"")
    assert empty.node(0, 0) == merkle.root_of_data(b"")


def test_rounds_are_few_and_even() -> None:
    assert [trees.round_levels(level) for level in range(1, 14)] == [
        *range(1, 7), 4, 4, 5, 5, 6, 6, 5
    ]  # fmt: skip
    for level in range(1, 40):
        rounds, left = 0, level
        while left:
            left -= trees.round_levels(left)
            rounds += 1
        assert rounds == -(-level // trees.MAX_LEVELS)
