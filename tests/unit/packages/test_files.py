"""Hashing files: any number of threads gives the same CID; nothing but regular files is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aivm.errors import BadInput, MalformedBlock, NotFound
from aivm.packages.files import MAX_DEPTH, cid_of_bytes, cid_of_directory, cid_of_file, file_dag


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 17 << 20])
def test_threads_do_not_change_the_cid(tmp_path: Path, size: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(size))
    dags = [file_dag(path, threads=threads) for threads in (1, 2, 5)]
    assert dags[0] == dags[1] == dags[2]
    assert dags[0].entry.cid == cid_of_bytes(path.read_bytes())
    assert sum(leaf.size for leaf in dags[0].leaves) == dags[0].entry.size == size


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        cid_of_file(tmp_path / "missing")
    with pytest.raises(BadInput):
        cid_of_file(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput):
        cid_of_file(tmp_path / "link")


def test_a_directory_bomb_is_refused(tmp_path: Path) -> None:
    deepest = tmp_path
    for _ in range(MAX_DEPTH + 2):
        deepest = deepest / "d"
    deepest.mkdir(parents=True)
    with pytest.raises(MalformedBlock, match="nested"):
        cid_of_directory(tmp_path)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    with pytest.raises(MalformedBlock, match="UTF-8"):
        cid_of_directory(tmp_path)
