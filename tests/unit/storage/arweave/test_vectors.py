"""The same inputs give the same bytes as arweave-js 1.15.7 and arbundles (see vectors.mjs)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from aivm.chain.account import Account
from aivm.storage.arweave import base64url
from aivm.storage.arweave.chunks import data_tree, verify_chunk
from aivm.storage.arweave.deep_hash import Node, deep_hash
from aivm.storage.arweave.items import DataItem, parse_bundle, parse_item
from aivm.storage.arweave.transactions import parse_transaction
from aivm.storage.arweave.wallet import address_of

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
SIGNER = Account(bytes.fromhex("11" * 32))


def stream(size: int) -> bytes:
    """The SHA-256 digests of "0", "1", ... one after another."""
    blocks = range(-(-size // 32))
    return b"".join(sha256(b"%d" % block).digest() for block in blocks)[:size]


def as_node(value: Any) -> Node:
    return value.encode() if isinstance(value, str) else [as_node(child) for child in value]


@pytest.mark.parametrize("case", VECTORS["deep_hash"], ids=lambda case: str(case["node"]))
def test_deep_hashes(case: Mapping[str, Any]) -> None:
    assert deep_hash(as_node(case["node"])).hex() == case["hash"]


@pytest.mark.parametrize("case", VECTORS["data_roots"], ids=lambda case: str(case["size"]))
def test_data_roots_and_proofs(case: Mapping[str, Any]) -> None:
    data = stream(case["size"])
    tree = data_tree(data)
    assert tree.root.hex() == case["root"]
    assert [chunk.offset for chunk in tree.chunks] == case["offsets"]
    proofs = b"".join(chunk.proof for chunk in tree.chunks)
    assert sha256(proofs).hexdigest() == case["proofs"]
    for chunk in tree.chunks:
        piece = data[chunk.start : chunk.end]
        found = verify_chunk(tree.root, len(data), chunk.proof, piece)
        assert found == (chunk.start, chunk.end)


def test_a_transaction() -> None:
    document = VECTORS["transaction"]
    name = base64url.decode_id(document["id"], "id")
    found = parse_transaction(document, name)
    assert found.data_root == data_tree(stream(300 * 1024)).root
    assert found.tags[1] == (b"Name", "größe".encode())
    assert address_of(found.owner) == VECTORS["address"]


@pytest.mark.parametrize("case", VECTORS["items"], ids=lambda case: case["id"])
def test_items_have_the_same_bytes(case: Mapping[str, Any]) -> None:
    data = case["data"]
    text = data if isinstance(data, str) else data["repeat"] * data["times"]
    tags = tuple((tag["name"].encode(), tag["value"].encode()) for tag in case["tags"])
    target, anchor = bytes.fromhex(case["target"]), case["anchor"].encode()
    bare = DataItem(SIGNER.public_key, tags, text.encode(), target, anchor)
    item = replace(bare, signature=SIGNER.sign_digest(bare.digest()))
    assert sha256(item.encode()).hexdigest() == case["sha256"]
    assert base64url.encode(item.id) == case["id"]
    assert parse_item(item.encode()) == item


def test_a_bundle() -> None:
    items = list(parse_bundle(bytes.fromhex(VECTORS["bundle"])))
    assert [item.data for item in items] == [b"one", b"two"]
    assert items[1].tags == ((b"a", b"b"),)
