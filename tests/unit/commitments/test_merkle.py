"""The Merkle tree against a second definition: RFC 6962's own recursion."""

from __future__ import annotations

from hashlib import sha256

import pytest

from aivm.commitments import merkle

COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33]


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, written as the text has it."""
    if not leaves:
        return sha256(b"\x00").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = recursive_root(leaves[:k]), recursive_root(leaves[k:])
    return sha256(b"\x01" + left + right).digest()


def some_leaves(count: int) -> list[bytes]:
    return [bytes([i]) * (i % 40) for i in range(count)]


def test_empty_tree_is_the_hash_of_the_leaf_tag() -> None:
    assert merkle.root_of_leaves([]) == sha256(b"\x00").digest()
    assert merkle.root_of_data(b"") == sha256(b"\x00").digest()


@pytest.mark.parametrize("count", COUNTS)
def test_root_equals_the_recursive_definition(count: int) -> None:
    leaves = some_leaves(count)
    assert merkle.root_of_leaves(leaves) == recursive_root(leaves)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 768, 1025])
def test_data_is_cut_into_leaves_of_256_bytes(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    leaves = [data[i : i + 256] for i in range(0, size, 256)]
    assert merkle.root_of_data(data) == recursive_root(leaves)


@pytest.mark.parametrize("count", COUNTS)
def test_every_leaf_has_a_proof_that_holds_only_for_it(count: int) -> None:
    leaves = some_leaves(count)
    root = merkle.root_of_leaves(leaves)
    for index in range(count):
        path = merkle.prove(leaves, index)
        assert merkle.verify(root, leaves[index], index, count, path)
        assert not merkle.verify(root, leaves[index] + b"!", index, count, path)
        for other in set(range(count)) - {index}:
            assert not merkle.verify(root, leaves[index], other, count, path)


@pytest.mark.parametrize("count", COUNTS)
def test_a_path_of_another_length_is_refused(count: int) -> None:
    leaves = some_leaves(count)
    root = merkle.root_of_leaves(leaves)
    path = merkle.prove(leaves, count - 1)
    assert not merkle.verify(root, leaves[-1], count - 1, count, (*path, bytes(32)))
    if path:
        assert not merkle.verify(root, leaves[-1], count - 1, count, path[:-1])


def test_a_node_cannot_pass_for_a_leaf() -> None:
    leaves = some_leaves(4)
    root = merkle.root_of_leaves(leaves)
    left = merkle.root_of_leaves(leaves[:2])
    right = merkle.root_of_leaves(leaves[2:])
    assert merkle.node_hash(left, right) == root
    assert not merkle.verify(root, left + right, 0, 1, ())


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    leaves = some_leaves(3)
    with pytest.raises(IndexError):
        merkle.prove(leaves, index)
    assert not merkle.verify(merkle.root_of_leaves(leaves), leaves[0], index, 3, ())
