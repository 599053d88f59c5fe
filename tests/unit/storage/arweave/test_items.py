"""Items and bundles that are not exactly what was signed are refused."""

from __future__ import annotations

from hashlib import shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.account import Account
from aivm.errors import AivmError, BadSignature, MalformedBlock, TamperedContent, TooLarge
from aivm.storage.arweave import base64url
from aivm.storage.arweave.chunks import MAX_CHUNK, MIN_CHUNK, boundaries, data_tree, verify_chunk
from aivm.storage.arweave.items import (
    MAX_ITEM_BYTES,
    bundle,
    parse_bundle,
    parse_item,
    sign_item,
)
from aivm.storage.arweave.tags import decode_tags, encode_tags

SIGNER = Account(b"\x05" * 32)
TEXT = st.binary(min_size=1, max_size=40)
TAGS = st.lists(st.tuples(TEXT, TEXT), max_size=8)


@given(tags=TAGS, data=st.binary(max_size=200), anchor=st.sampled_from([b"", b"a" * 32]))
def test_an_item_comes_back_as_it_was(
    tags: list[tuple[bytes, bytes]], data: bytes, anchor: bytes
) -> None:
    item = sign_item(data, tags, SIGNER, anchor)
    assert parse_item(item.encode()) == item
    assert decode_tags(encode_tags(tags), len(tags)) == tuple(tags)


@given(position=st.integers(0), mask=st.integers(1, 255))
def test_no_byte_of_an_item_can_be_changed(position: int, mask: int) -> None:
    encoded = bytearray(sign_item(b"data", [(b"name", b"value")], SIGNER).encode())
    encoded[position % len(encoded)] ^= mask
    with pytest.raises(AivmError):
        parse_item(bytes(encoded))


@given(st.binary(max_size=300))
def test_noise_is_refused_in_words(noise: bytes) -> None:
    with pytest.raises(AivmError):
        parse_item(b"\x03\x00" + noise)
    with pytest.raises(AivmError):
        list(parse_bundle(b"\x01" + noise))


def test_another_keys_name_on_an_item_is_found() -> None:
    encoded = bytearray(sign_item(b"data", [], SIGNER).encode())
    encoded[67:132] = Account(b"\x06" * 32).public_key
    with pytest.raises(BadSignature):
        parse_item(bytes(encoded))


def test_bundles_that_lie_about_their_items_are_refused() -> None:
    items = [sign_item(b"one", [], SIGNER), sign_item(b"two", [], SIGNER)]
    honest = bundle(items)
    assert list(parse_bundle(honest)) == items
    swapped = bytearray(honest)
    swapped[64:96] = items[1].id
    with pytest.raises(TamperedContent):
        list(parse_bundle(bytes(swapped)))
    with pytest.raises(MalformedBlock, match="goes on"):
        list(parse_bundle(honest + b"x"))
    with pytest.raises(TooLarge):
        list(parse_bundle(b"\xff" * 32))
    with pytest.raises(TooLarge):
        parse_item(bytes(MAX_ITEM_BYTES + 1))


@pytest.mark.parametrize(
    "tags", [[(b"", b"v")], [(b"n", b"")], [(b"n", b"v" * 3073)], [(b"n", b"v")] * 129]
)
def test_tags_that_nobody_carries_are_refused(tags: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(MalformedBlock):
        sign_item(b"", tags, SIGNER)


@pytest.mark.parametrize("data", [b"\x02\x02n", b"\x80" * 11, b"\x04\x02n\x02v\x00", b"\x01"])
def test_tags_in_another_encoding_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedBlock):
        decode_tags(data, 1)


@given(size=st.integers(1, 5 * MAX_CHUNK))
def test_chunks_cover_the_data_and_none_but_the_last_is_small(size: int) -> None:
    found = boundaries(size)
    assert [start for start, _ in found] == [0, *[end for _, end in found[:-1]]]
    assert found[-1][1] == size
    assert all(MIN_CHUNK <= end - start <= MAX_CHUNK for start, end in found[:-1])


def test_a_proof_holds_for_its_chunk_only() -> None:
    data = shake_256(b"data").digest(768_000)
    tree = data_tree(data)
    first, second = tree.chunks[:2]
    piece = data[first.start : first.end]
    assert verify_chunk(tree.root, len(data), first.proof, piece) == (first.start, first.end)
    assert verify_chunk(tree.root, len(data), second.proof, piece) is None
    assert verify_chunk(tree.root, len(data), first.proof, piece[:-1]) is None
    assert verify_chunk(tree.root, len(data) + 1, tree.chunks[-1].proof, data[-1:]) is None
    for position in range(0, len(first.proof), 7):
        wrong = bytearray(first.proof)
        wrong[position] ^= 1
        assert verify_chunk(tree.root, len(data), bytes(wrong), piece) is None
    assert verify_chunk(tree.root, len(data), b"", piece) is None


@pytest.mark.parametrize("text", ["a=", "a+b", "a", "AB ", None, 7, "_-" * 40])
def test_base64url_has_one_form(text: object) -> None:
    with pytest.raises(MalformedBlock):
        base64url.decode_id(text, "id")
