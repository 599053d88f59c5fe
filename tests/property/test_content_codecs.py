"""CIDs, dag-pb, UnixFS and CARs: round trips, and nothing but AivmError for any bytes at all."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from tests.property.conftest import MUTATIONS, mutate

from aivm.commitments import dag_pb, merkle, unixfs, varint
from aivm.commitments.cid import Cid, Codec
from aivm.errors import AivmError, MalformedBlock
from aivm.storage.car import read_car, write_car
from aivm.storage.dag import walk

CIDS = st.builds(Cid, st.sampled_from(Codec), st.binary(min_size=32, max_size=32))
LINKS = st.builds(dag_pb.Link, CIDS, st.text(max_size=20), st.integers(0, 2**63 - 1))
NODES = st.builds(dag_pb.Node, st.lists(LINKS, max_size=5).map(tuple), st.binary(max_size=50))


@given(st.integers(0, 2**63 - 1))
def test_integers_round_trip(value: int) -> None:
    data = varint.encode(value)
    assert varint.decode(data + b"\xff", 0) == (value, len(data))


@given(st.binary(max_size=12))
def test_integers_have_one_spelling(data: bytes) -> None:
    try:
        value, end = varint.decode(data, 0)
    except MalformedBlock:
        return
    assert varint.encode(value) == data[:end]


@given(CIDS)
def test_cids_round_trip(cid: Cid) -> None:
    assert Cid.parse(str(cid)) == cid and Cid.decode(cid.encode()) == cid


@given(st.one_of(st.text(max_size=70), st.from_regex(r"b[a-z2-7=A-Z]{56,60}", fullmatch=True)))
def test_texts_that_parse_are_canonical(text: str) -> None:
    try:
        cid = Cid.parse(text)
    except AivmError:
        return
    assert str(cid) == text


@given(CIDS, MUTATIONS)
def test_mutated_cids_never_crash(cid: Cid, mutations) -> None:
    changed = mutate(str(cid).encode(), mutations).decode("latin-1")
    try:
        assert str(Cid.parse(changed)) == changed
    except AivmError:
        pass


@given(NODES)
def test_nodes_round_trip(node: dag_pb.Node) -> None:
    assert dag_pb.decode(dag_pb.encode(node)) == node


@given(st.one_of(st.binary(max_size=200), NODES.map(dag_pb.encode)), MUTATIONS)
def test_blocks_that_decode_are_canonical(block: bytes, mutations) -> None:
    changed = mutate(block, mutations) if block else block
    try:
        node = dag_pb.decode(changed)
    except AivmError:
        return
    assert dag_pb.encode(node) == changed


@given(st.lists(st.integers(1, 2**20), min_size=1, max_size=40), st.integers(2, 5), MUTATIONS)
def test_mutated_unixfs_nodes_never_crash(sizes: list[int], max_links: int, mutations) -> None:
    leaves = [unixfs.leaf(Cid.of(Codec.RAW, b"%d" % size), size) for size in sizes]
    entry, nodes = unixfs.build_file(leaves, max_links=max_links)
    _, directory = unixfs.build_directory({"a": entry, "b": leaves[0]})
    for block in [*nodes.values(), directory]:
        unixfs.decode_node(block)
        try:
            unixfs.decode_node(mutate(block, mutations))
        except AivmError:
            pass


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=20), MUTATIONS)
def test_cars_round_trip_and_mutated_ones_never_lie(chunks: list[bytes], mutations) -> None:
    leaves = [unixfs.leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in chunks]
    entry, nodes = unixfs.build_file(leaves, max_links=3)
    blocks = {Cid.of(Codec.RAW, chunk): chunk for chunk in chunks} | nodes
    car = b"".join(write_car(entry.cid, walk(entry.cid, blocks.__getitem__)))
    assert dict(read_car(io.BytesIO(car), entry.cid)) == blocks
    try:
        changed = dict(read_car(io.BytesIO(mutate(car, mutations)), entry.cid))
    except AivmError:
        return
    assert changed == blocks


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=40), st.data())
def test_merkle_proofs_hold_for_their_leaf_alone(leaves: list[bytes], data) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root_of_leaves(leaves), merkle.prove(leaves, index)
    assert merkle.verify(root, leaves[index], index, len(leaves), path)
    if leaves[other] != leaves[index]:
        assert not merkle.verify(root, leaves[other], index, len(leaves), path)
    if other != index:
        # A path of the same length may fit another place only if the leaves there are equal.
        holds = merkle.verify(root, leaves[index], other, len(leaves), path)
        assert not holds or leaves[other] == leaves[index]
