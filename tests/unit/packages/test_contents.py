"""Contents: a pickle is refused under any name, and what only looks a little like one is not."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.packages.conftest import linear

from aivm.commitments.cid import Cid, Codec
from aivm.errors import AivmError, MalformedPackage
from aivm.packages import ExtraFile, FileEntry, Role, write_package
from aivm.packages.contents import check_content


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def objects(*, archive: bool) -> bytes:
    file = io.BytesIO()
    array = np.array([Runs()], dtype=object)
    if archive:
        np.savez(file, a=array)
    else:
        np.save(file, array)
    return file.getvalue()


PICKLES = {
    **{f"protocol {version}": pickle.dumps(Runs(), version) for version in range(6)},
    "plain": pickle.dumps({"weights": [1.5]}, 4),
    "two": pickle.dumps(1, 2) + pickle.dumps(Runs(), 2),
    "torch": zipped("archive/data.pkl", b"x"),
    "npy": objects(archive=False),
    "npz": objects(archive=True),
}
HARMLESS = {
    "empty": b"",
    "text": b"cos\nsystem\n(a function of the cosine)",
    "readme": b"# A model\n\nIt is small.\n",
    "json": b'{"a": [1, 2]}',
    "zip": zipped("notes.txt", b"x"),
    "npy": (lambda file: (np.save(file, np.zeros(3)), file.getvalue())[1])(io.BytesIO()),
    "bytes": bytes(range(256)),
}


def pack(folder: Path, content: bytes, role: Role, description, publisher) -> None:
    extra = [ExtraFile("notes", role, content)]
    write_package(folder / "out", description, {"1x3": linear(1)}, publisher, extra)


@pytest.mark.parametrize("kind", PICKLES)
def test_pickles_are_refused(tmp_path, description, publisher, kind: str) -> None:
    with pytest.raises(MalformedPackage, match="would run code"):
        pack(tmp_path, PICKLES[kind], Role.TOKENIZER, description, publisher)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", HARMLESS)
def test_other_files_are_not(tmp_path, description, publisher, kind: str) -> None:
    pack(tmp_path, HARMLESS[kind], Role.CARD, description, publisher)


@pytest.mark.parametrize("content", [PICKLES["plain"], b"", b"\xff" * 64, bytes(8)])
def test_weights_are_safetensors_or_refused(tmp_path, description, publisher, content) -> None:
    if content == bytes(8):
        content = b"\0\0\1\0\0\0\0\0" + bytes(8)  # a header that is cut off
    with pytest.raises(AivmError):
        pack(tmp_path, content, Role.WEIGHTS, description, publisher)


BEGINNINGS = [b"", b"\x80\x04", b"\x93NUMPY", b"PK\x03\x04", *PICKLES.values(), *HARMLESS.values()]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=60), st.integers(0, 400), st.binary())
def test_any_bytes_are_judged(start: bytes, end: bytes, place: int, change: bytes) -> None:
    content = bytearray(start + end)
    content[place : place + len(change)] = change
    entry = FileEntry("notes", len(content), bytes(32), Cid.of(Codec.RAW, b""), Role.OTHER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notes"
        path.write_bytes(content)
        with suppress(MalformedPackage):
            check_content(path, entry)
