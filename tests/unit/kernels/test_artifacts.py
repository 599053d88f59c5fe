"""The loader uses the artifacts that artifacts.json names, and no others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aivm import kernels
from aivm.errors import EngineUnavailable, TamperedContent


@pytest.fixture
def copied_artifacts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "artifacts"
    shutil.copytree(kernels.ARTIFACTS, folder)
    monkeypatch.setattr(kernels, "ARTIFACTS", folder)
    caches = (kernels._index, kernels.artifact_path, kernels.library)
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


def test_the_committed_artifacts_are_loaded() -> None:
    assert kernels.wasm_path().read_bytes()[:4] == b"\0asm"
    assert len(kernels.digest("wasm")) == 64
    assert kernels.library() is kernels.library()


def test_a_changed_byte_is_refused(copied_artifacts: Path) -> None:
    path = copied_artifacts / "aivm.wasm"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(TamperedContent, match=r"aivm\.wasm"):
        kernels.wasm_path()


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match="native-riscv"):
        kernels.digest("native-riscv")
