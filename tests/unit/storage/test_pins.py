"""Collections drop what nobody keeps, and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aivm import host
from aivm.commitments.cid import Cid, Codec
from aivm.errors import NotFound
from aivm.storage import BlockStore
from aivm.storage.dag import walk
from aivm.storage.pins import Pins


@pytest.fixture
def pins(tmp_path: Path, store: BlockStore) -> Iterator[Pins]:
    opened = Pins(tmp_path / "store", store)
    yield opened
    opened.close()


def age(store_folder: Path, store: BlockStore) -> None:
    """As if everything had been put two hours ago."""
    then = host.now() - 7200
    for path in (store_folder / "blocks").glob("*/*"):
        os.utime(path, (then, then))
    store._database.execute("UPDATE reference SET touched = ?", [then])


def whole(store: BlockStore, root: Cid) -> bool:
    try:
        return len(list(walk(root, store.get))) > 0
    except NotFound:
        return False


@pytest.mark.parametrize("copy", [True, False])
def test_what_is_pinned_stays_and_the_rest_goes(
    tmp_path: Path, tree: Path, store: BlockStore, pins: Pins, copy: bool
) -> None:
    root = store.add_directory(tree, copy=copy).cid
    weights = store.add_file(tree / "weights.bin", copy=copy).cid
    other = store.add_bytes(b"x" * 3_000_000)
    pins.add(root, "demo/tree:1.0.0")
    assert [(pin.root, pin.name) for pin in pins.all()] == [(root, "demo/tree:1.0.0")]
    age(tmp_path / "store", store)
    found = pins.collect()
    assert whole(store, root) and whole(store, weights) and not whole(store, other)
    assert (found.dropped, found.freed > 1_900_000) == (3, True)  # two chunks are equal
    pins.remove(root)
    pins.add(weights, "weights")
    pins.collect()
    assert whole(store, weights) and not whole(store, root)
    pins.remove(weights)
    age(tmp_path / "store", store)
    pins.collect()
    assert not whole(store, weights)
    assert [*(tmp_path / "store" / "blocks").glob("*/*")] == []
    with pytest.raises(NotFound):
        pins.remove(weights)


def test_what_was_put_or_touched_lately_is_spared(
    tmp_path: Path, store: BlockStore, pins: Pins
) -> None:
    old, again = store.add_bytes(b"old"), store.add_bytes(b"again")
    age(tmp_path / "store", store)
    store.add_bytes(b"again")  # an import meets a block that is there already
    young = store.add_bytes(b"young")
    pins.collect()
    assert [store.has(cid) for cid in (old, again, young)] == [False, True, True]


def test_half_a_tree_is_not_pinned_and_a_pin_without_its_tree_stops_the_collection(
    tmp_path: Path, tree: Path, store: BlockStore, pins: Pins
) -> None:
    root = store.add_directory(tree).cid
    leaf = Cid.of(Codec.RAW, (tree / "manifest.json").read_bytes())
    store._drop_file(leaf)
    with pytest.raises(NotFound, match=str(leaf)):
        pins.add(root, "half")
    store.add_directory(tree)
    pins.add(root, "whole")
    other = store.add_bytes(b"other")
    store._drop_file(root)
    age(tmp_path / "store", store)
    with pytest.raises(NotFound):
        pins.collect()
    assert store.has(other)


def test_what_is_put_again_while_a_collection_runs_is_there_afterwards(
    tmp_path: Path, store: BlockStore, pins: Pins
) -> None:
    data = [b"block %d" % number for number in range(60)]
    for _ in range(10):
        cids = [store.add_bytes(each) for each in data]
        age(tmp_path / "store", store)
        start = threading.Barrier(2)

        def put_again(start: threading.Barrier = start) -> None:
            with BlockStore(tmp_path / "store") as mine:
                start.wait()
                for each in data:
                    mine.add_bytes(each)

        importer = threading.Thread(target=put_again)
        importer.start()
        start.wait()
        pins.collect()
        importer.join()
        assert all(store.has(cid) for cid in cids)
    assert [*(tmp_path / "store" / "blocks").glob("*/.*")] == []
