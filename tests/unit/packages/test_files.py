"""Hashing files: any number of threads gives the same CID; nothing but regular files is read."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.packages.conftest import linear

from aivm.commitments.cid import Cid, Codec
from aivm.errors import AivmError, BadInput, MalformedBlock, NotFound
from aivm.numerics.dtypes import DType
from aivm.packages import open_package, write_package
from aivm.packages.files import (
    MAX_DEPTH,
    MIN_ALIGNED_BYTES,
    Chunking,
    cid_of_bytes,
    cid_of_directory,
    cid_of_file,
    file_dag,
)
from aivm.packages.package import chunkings_of
from aivm.packages.safetensors import SafeTensors, write_safetensors


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


def weights(path: Path, seed: int, *sizes: int) -> Path:
    rng = np.random.default_rng(seed)
    tensors = {
        f"t{number}": (DType.U8, rng.integers(0, 256, size, dtype=np.uint8))
        for number, size in enumerate(sizes)
    }
    write_safetensors(path, tensors)
    return path


def chunks(path: Path, chunking: Chunking) -> dict[Cid, int]:
    return {leaf.cid: leaf.size for leaf in file_dag(path, chunking=chunking).leaves}


def test_weights_are_cut_at_their_tensors(tmp_path: Path) -> None:
    path = weights(tmp_path / "w", 0, 100, MIN_ALIGNED_BYTES, 10, 3 << 20)
    dag = file_dag(path, chunking=Chunking.TENSORS)
    header, small, aligned, between, *large = [leaf.size for leaf in dag.leaves]
    assert header == SafeTensors(path).data_start
    assert (small, aligned, between, large) == (100, MIN_ALIGNED_BYTES, 10, [1 << 20] * 3)
    assert dag.entry.size == path.stat().st_size
    assert dag == file_dag(path, chunking=Chunking.TENSORS, threads=1)
    assert dag.entry.cid != cid_of_file(path)


@given(
    st.lists(st.integers(0, 3).map(lambda n: n * MIN_ALIGNED_BYTES) | st.integers(0, 99)),
    st.sampled_from(Chunking),
)
@settings(max_examples=25)
def test_chunks_cover_the_file_in_order(sizes: list[int], chunking: Chunking) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = weights(Path(folder) / "w", 0, *sizes)
        content, position = path.read_bytes(), 0
        for leaf in file_dag(path, chunking=chunking).leaves:
            assert 0 < leaf.size <= 1 << 20
            assert leaf.cid == Cid.of(Codec.RAW, content[position : position + leaf.size])
            position += leaf.size
        assert position == len(content)


@pytest.mark.parametrize(("chunking", "percent"), [(Chunking.UNIXFS, 0), (Chunking.TENSORS, 99)])
def test_a_longer_header_moves_all_or_nothing(tmp_path: Path, chunking, percent: int) -> None:
    """The figure of a version that adds one small tensor: all others stay the same."""
    sizes = (2_500_000, 2_500_000, 2_500_000)
    old = chunks(weights(tmp_path / "old", 0, *sizes), chunking)
    new = chunks(weights(tmp_path / "new", 0, *sizes, 1000), chunking)
    shared = sum(size for cid, size in new.items() if cid in old)
    assert 100 * shared // sum(new.values()) == percent


def test_a_file_without_tensors_has_no_such_cuts(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"no tensors at all")
    with pytest.raises(AivmError):
        file_dag(tmp_path / "w", chunking=Chunking.TENSORS)


def test_a_package_says_how_its_weights_are_cut(tmp_path, description, publisher) -> None:
    said = replace(description, chunking=Chunking.TENSORS)
    info = write_package(tmp_path / "out", said, {"1x3": linear(1)}, publisher)
    assert info.manifest.chunkings == {"weights.safetensors": Chunking.TENSORS}
    assert open_package(info.directory).manifest == info.manifest
    assert chunkings_of(info.directory) == info.manifest.chunkings
    assert info.directory_cid == cid_of_directory(info.directory, info.manifest.chunkings)
    assert info.directory_cid != cid_of_directory(info.directory)
    assert chunkings_of(tmp_path) == {}
