"""The block store: nothing unverified in or out, whatever happens to the disk beneath it."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, MAX_BLOCK_BYTES
from aivm.errors import BadInput, MalformedBlock, NotFound, TamperedContent, TooLarge
from aivm.packages.files import cid_of_bytes, cid_of_directory, cid_of_file
from aivm.storage.blocks import BlockStore

HELLO = Cid.of(Codec.RAW, b"hello")


@pytest.fixture
def store(tmp_path: Path):
    with BlockStore(tmp_path / "store") as opened:
        yield opened


def block_path(tmp_path: Path, cid: Cid) -> Path:
    return next((tmp_path / "store" / "blocks").rglob(str(cid)))


def test_put_then_get(store: BlockStore, tmp_path: Path) -> None:
    assert not store.has(HELLO)
    store.put(HELLO, b"hello")
    store.put(HELLO, b"hello")
    assert store.has(HELLO) and store.get(HELLO) == b"hello" and store.size(HELLO) == 5
    assert block_path(tmp_path, HELLO).parent.name == str(HELLO)[-3:-1]


def test_what_is_stored_survives_a_reopening(tmp_path: Path) -> None:
    with BlockStore(tmp_path / "store") as first:
        first.put(HELLO, b"hello")
    with BlockStore(tmp_path / "store") as second:
        assert second.get(HELLO) == b"hello"


def test_no_temporary_file_is_left(store: BlockStore, tmp_path: Path) -> None:
    store.put(HELLO, b"hello")
    files = [path for path in (tmp_path / "store" / "blocks").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [str(HELLO)]


def test_other_content_is_refused(store: BlockStore) -> None:
    with pytest.raises(TamperedContent):
        store.put(HELLO, b"hellO")
    assert not store.has(HELLO)


def test_a_large_block_is_refused(store: BlockStore) -> None:
    data = bytes(MAX_BLOCK_BYTES + 1)
    with pytest.raises(TooLarge):
        store.put(Cid.of(Codec.RAW, data), data)


def test_an_unreadable_node_is_refused(store: BlockStore) -> None:
    with pytest.raises(MalformedBlock):
        store.put(Cid.of(Codec.DAG_PB, b"junk"), b"junk")


def test_what_is_not_there_is_not_found(store: BlockStore) -> None:
    with pytest.raises(NotFound):
        store.get(HELLO)
    with pytest.raises(NotFound):
        store.size(HELLO)


@pytest.mark.parametrize("rotten", [b"hellO", b"", b"hello "])
def test_a_rotten_block_is_dropped(store: BlockStore, tmp_path: Path, rotten: bytes) -> None:
    store.put(HELLO, b"hello")
    block_path(tmp_path, HELLO).write_bytes(rotten)
    with pytest.raises(NotFound):
        store.get(HELLO)
    assert not store.has(HELLO)
    store.put(HELLO, b"hello")
    assert store.get(HELLO) == b"hello"


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
def test_files_are_stored_under_their_cid(
    store: BlockStore, tmp_path: Path, size: int, copy: bool
) -> None:
    content = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    path = tmp_path / "weights.bin"
    path.write_bytes(content[:size])
    entry = store.add_file(path, copy=copy)
    assert entry.cid == cid_of_file(path) == cid_of_bytes(content[:size])
    assert entry.size == size
    first = store.get(Cid.of(Codec.RAW, content[:size][:CHUNK_BYTES]))
    assert first == content[:size][:CHUNK_BYTES]


def test_bytes_are_stored_as_the_file_they_would_be(store: BlockStore) -> None:
    for data in (b"", b"abc", bytes(2 * CHUNK_BYTES + 1)):
        cid = store.add_bytes(data)
        assert cid == cid_of_bytes(data) and store.has(cid)


def test_references_copy_nothing(store: BlockStore, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(2 * CHUNK_BYTES))
    store.add_file(path, copy=False)
    stored = [p for p in (tmp_path / "store" / "blocks").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in stored) < 1000
    assert store.size(Cid.of(Codec.RAW, bytes(CHUNK_BYTES))) == CHUNK_BYTES


@pytest.mark.parametrize("fate", ["changed", "truncated", "deleted"])
def test_a_reference_to_a_file_that_changed_is_dropped(
    store: BlockStore, tmp_path: Path, fate: str
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"hello")
    store.add_file(path, copy=False)
    if fate == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"hellO" if fate == "changed" else b"hell")
    with pytest.raises(NotFound):
        store.get(HELLO)
    assert not store.has(HELLO)


def test_a_rotten_copy_is_replaced_by_a_good_reference(store: BlockStore, tmp_path: Path) -> None:
    store.put(HELLO, b"hello")
    path = tmp_path / "weights.bin"
    path.write_bytes(b"hello")
    store.add_file(path, copy=False)
    block_path(tmp_path, HELLO).write_bytes(b"rot")
    assert store.get(HELLO) == b"hello"


def test_directories_are_stored_under_their_cid(store: BlockStore, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "a.txt").write_bytes(b"a")
    (tree / "sub" / "b.txt").write_bytes(b"b")
    entry = store.add_directory(tree)
    assert entry.cid == cid_of_directory(tree)
    assert store.has(Cid.of(Codec.RAW, b"b"))


def test_symbolic_links_are_refused(store: BlockStore, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="symbolic link"):
        store.add_directory(tree)
    with pytest.raises(BadInput):
        store.add_file(tree / "link")


def test_two_stores_over_one_folder_from_many_threads(tmp_path: Path) -> None:
    blocks = [bytes([i]) * 1000 for i in range(40)]
    path = tmp_path / "weights.bin"
    path.write_bytes(b"w" * 5000)
    with BlockStore(tmp_path / "store") as one, BlockStore(tmp_path / "store") as two:

        def work(number: int) -> None:
            mine, other = (one, two) if number % 2 else (two, one)
            for block in blocks:
                mine.put(Cid.of(Codec.RAW, block), block)
                assert other.get(Cid.of(Codec.RAW, block)) == block
            mine.add_file(path, copy=False)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert two.get(Cid.of(Codec.RAW, b"w" * 5000)) == b"w" * 5000


_ENDLESS_PUTS = """
import os, sys
from pathlib import Path
from aivm.commitments.cid import Cid, Codec
from aivm.storage import BlockStore
with BlockStore(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    while True:
        block = os.urandom(200_000)
        store.put(Cid.of(Codec.RAW, block), block)
"""


def test_a_store_that_is_killed_holds_whole_blocks_only(tmp_path: Path) -> None:
    for round_ in range(4):
        command = [sys.executable, "-c", _ENDLESS_PUTS, str(tmp_path / "store")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
            time.sleep(0.05 + 0.013 * round_)
            writer.kill()
    with BlockStore(tmp_path / "store") as store:
        names = [path.name for path in (tmp_path / "store" / "blocks").rglob("baf*")]
        assert names
        for name in names:
            assert len(store.get(Cid.parse(name))) == 200_000
