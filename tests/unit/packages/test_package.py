"""Opening a package: the honest one opens, and no changed byte anywhere is let through."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aivm.errors import (
    AivmError,
    BadSignature,
    MalformedPackage,
    NotFound,
    TamperedContent,
)
from aivm.packages import PackageInfo, open_package
from aivm.packages.envelope import sign_manifest


def files_of(package: PackageInfo) -> list[Path]:
    return sorted(path for path in package.directory.rglob("*") if path.is_file())


def test_an_honest_package_opens(package: PackageInfo) -> None:
    opened = open_package(package.directory, package.model_id)
    assert opened.model_id == package.model_id and opened.manifest == package.manifest
    weight, bias = opened.constants("1x3")
    assert weight.shape == (3, 4) and not weight.flags.writeable
    assert np.array_equal(bias, [0, 1, 2, 3])
    assert opened.program("2x3").inputs[0].shape == (2, 3)
    assert opened.file("tokenizer.json").read_bytes() == b'{"model":{}}'
    assert opened.constants("2x3")[0].base is not None


def test_unknown_entries_and_files_are_refused(package: PackageInfo) -> None:
    opened = open_package(package.directory)
    with pytest.raises(NotFound) as refusal:
        opened.program("9x3")
    assert "1x3, 2x3" in refusal.value.hint
    with pytest.raises(NotFound):
        opened.file("../secret")


def test_a_file_that_changes_after_opening_is_not_read(package: PackageInfo) -> None:
    opened = open_package(package.directory)
    assert opened.read("tokenizer.json") == b'{"model":{}}'
    (package.directory / "tokenizer.json").write_bytes(b'{"model":[]}')
    with pytest.raises(TamperedContent, match="after the package"):
        opened.read("tokenizer.json")
    with pytest.raises(NotFound):
        opened.read("manifest.json")


def test_another_model_id_is_refused(package: PackageInfo) -> None:
    with pytest.raises(TamperedContent):
        open_package(package.directory, bytes(32))


def flips(size: int) -> Iterator[tuple[int, int]]:
    """Positions (about sixty a file, both ends included) and a bit to flip at each."""
    positions = sorted({0, 1, size - 1, *range(0, size, max(1, size // 60))})
    for number, position in enumerate(positions):
        yield position, 1 << (number % 8)


def test_one_flipped_bit_anywhere_is_refused(package: PackageInfo) -> None:
    expected: dict[str, tuple[type[AivmError], ...]] = {
        "manifest.json": (MalformedPackage, TamperedContent),
        "manifest.sig.json": (MalformedPackage, TamperedContent, BadSignature),
    }
    tried = 0
    for path in files_of(package):
        content = bytearray(path.read_bytes())
        for position, bit in flips(len(content)) if content else ():
            content[position] ^= bit
            path.write_bytes(content)
            with pytest.raises(expected.get(path.name, (TamperedContent,))):
                open_package(package.directory)
            if path.name == "manifest.json":
                with pytest.raises(TamperedContent):
                    open_package(package.directory, package.model_id)
            content[position] ^= bit
            tried += 1
        path.write_bytes(content)
    assert tried > 200
    open_package(package.directory, package.model_id)


@pytest.mark.parametrize("change", ["append", "truncate"])
def test_a_longer_or_shorter_file_is_refused(package: PackageInfo, change: str) -> None:
    for path in files_of(package):
        content = path.read_bytes()
        changed = content + b"\n" if change == "append" else content[:-1]
        if changed == content:
            continue
        path.write_bytes(changed)
        with pytest.raises((TamperedContent, MalformedPackage)):
            open_package(package.directory)
        path.write_bytes(content)
    open_package(package.directory)


def test_a_missing_file_is_refused(package: PackageInfo) -> None:
    for path in files_of(package):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises((NotFound, MalformedPackage)):
            open_package(package.directory)
        path.write_bytes(content)
    open_package(package.directory)


def test_a_file_that_is_not_listed_is_refused(package: PackageInfo) -> None:
    (package.directory / "docs" / "extra").write_bytes(b"")
    with pytest.raises(MalformedPackage, match="docs/extra"):
        open_package(package.directory)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig.json", "tokenizer.json", "docs"])
def test_symbolic_links_are_refused(package: PackageInfo, tmp_path: Path, name: str) -> None:
    path = package.directory / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MalformedPackage, match="symbolic link"):
        open_package(package.directory)


def test_a_signature_by_another_key_is_refused(package: PackageInfo, stranger) -> None:
    manifest = (package.directory / "manifest.json").read_bytes()
    (package.directory / "manifest.sig.json").write_bytes(sign_manifest(manifest, stranger))
    with pytest.raises(BadSignature, match="publisher"):
        open_package(package.directory)


def test_a_publisher_who_signs_a_lie_is_refused(package: PackageInfo, publisher) -> None:
    """Correctly signed, canonical, but the digests are not those of the files."""
    path = package.directory / "manifest.json"
    honest = path.read_bytes()
    first = package.manifest.files[0]
    program = package.manifest.entries[0].program.hex()
    root = package.manifest.constants[0].root.hex()
    lies = {
        first.sha256.hex(): "00" * 32,
        str(first.cid): str(package.manifest.files[1].cid),
        program: "11" * 32,
        root: "22" * 32,
        '"gas_units":': '"gas_units":1',
        '"tensor":"constant.0"': '"tensor":"constant.1"',
        '"shape":[1,3]': '"shape":[3,1]',
        '"size":12}': '"size":13}',
    }
    for truth, lie in lies.items():
        assert truth.encode() in honest, truth
        lied = honest.replace(truth.encode(), lie.encode(), 1)
        path.write_bytes(lied)
        (package.directory / "manifest.sig.json").write_bytes(sign_manifest(lied, publisher))
        with pytest.raises((TamperedContent, MalformedPackage)):
            open_package(package.directory)


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_package(tmp_path / "nowhere")
    with pytest.raises(NotFound):
        open_package(tmp_path)


def test_a_moved_package_still_opens(package: PackageInfo, tmp_path: Path) -> None:
    shutil.move(package.directory, tmp_path / "moved")
    assert open_package(tmp_path / "moved").model_id == package.model_id
