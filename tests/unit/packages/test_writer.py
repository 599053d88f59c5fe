"""Writing packages: deterministic, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.packages.conftest import linear

from aivm.errors import AivmError, BadInput, MalformedPackage
from aivm.packages import ExtraFile, PackageInfo, Role, describe_package, write_package
from aivm.packages.files import cid_of_directory

ENTRIES = {"1x3": linear(1), "2x3": linear(2)}


def test_the_same_arguments_give_the_same_bytes(
    package: PackageInfo, tmp_path: Path, description, publisher, extra_files
) -> None:
    again = write_package(tmp_path / "again", description, ENTRIES, publisher, extra_files)
    assert again.model_id == package.model_id
    assert again.directory_cid == package.directory_cid == cid_of_directory(package.directory)
    assert describe_package(again.directory, again.manifest, again.model_id) == again


def test_weights_that_programs_share_are_stored_once(package: PackageInfo) -> None:
    sizes = {file.path: file.size for file in package.manifest.files}
    assert sizes["weights.safetensors"] < 600
    assert len(package.manifest.constants) == 2


def test_extra_files_may_come_from_disk(tmp_path, description, publisher) -> None:
    (tmp_path / "LICENSE").write_text("free")
    extra = [ExtraFile("legal/LICENSE", Role.LICENSE, tmp_path / "LICENSE")]
    info = write_package(tmp_path / "out", description, ENTRIES, publisher, extra)
    assert (info.directory / "legal" / "LICENSE").read_text() == "free"


def test_nothing_is_overwritten(package: PackageInfo, description, publisher) -> None:
    with pytest.raises(BadInput, match="already exists"):
        write_package(package.directory, description, ENTRIES, publisher)
    assert (package.directory / "tokenizer.json").exists()


def test_an_empty_folder_may_be_there_already(tmp_path, description, publisher) -> None:
    (tmp_path / "out").mkdir()
    assert write_package(tmp_path / "out", description, ENTRIES, publisher).directory.is_dir()


@pytest.mark.parametrize(
    "path", ["../up", "/abs", "programs/1x3.aivm", "weights.safetensors", "manifest.json", ""]
)
def test_a_refused_package_leaves_nothing_behind(
    tmp_path, description, publisher, path: str
) -> None:
    extra = [ExtraFile(path, Role.OTHER, b"x")]
    with pytest.raises(AivmError):
        write_package(tmp_path / "out", description, ENTRIES, publisher, extra)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["name", "version", "license"])
def test_a_description_out_of_form_is_refused(tmp_path, description, publisher, field) -> None:
    with pytest.raises(MalformedPackage):
        write_package(tmp_path / "out", replace(description, **{field: "\n"}), ENTRIES, publisher)
    assert list(tmp_path.iterdir()) == []
