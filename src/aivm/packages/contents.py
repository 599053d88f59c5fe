"""What the files of a package may hold: each role its own format, and never a pickle.

A pickle is a program that runs when it is read, under whatever name it comes: by itself, in a
checkpoint of PyTorch (a ZIP), or as an array of objects in numpy's formats.
"""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from aivm.errors import MalformedPackage
from aivm.packages.entries import FileEntry, Role
from aivm.packages.safetensors import SafeTensors

_NAMES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".h5", ".keras")
# Programs, modules and the source are parsed by what runs them; these begin with anything.
_PARSED = frozenset({Role.PROGRAM, Role.MODULE, Role.SOURCE})
_TENSORS = frozenset({Role.WEIGHTS, Role.EXAMPLE})
_CALLS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE"})
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
_PROTO = b"\x80"
_NUMPY = b"\x93NUMPY"
_MAX_SEARCHED_BYTES = 1 << 20
_MAX_MEMBERS = 4096


def check_content(path: Path, entry: FileEntry) -> None:
    """Raises MalformedPackage for a file that is not what its role says, or that is a pickle."""
    if entry.path.lower().endswith(_NAMES):
        raise _refused(entry, "has the name of a pickle or checkpoint")
    if entry.role in _TENSORS:
        SafeTensors(path)
    elif entry.role not in _PARSED:
        with path.open("rb") as file:
            if _is_pickle(file) or _holds_objects(file):
                raise _refused(entry, "is a pickle")
            if zipfile.is_zipfile(file) and _has_pickle(file):
                raise _refused(entry, "is an archive with a pickle in it")


def _refused(entry: FileEntry, reason: str) -> MalformedPackage:
    return MalformedPackage(
        f"file {entry.path!a} {reason}: it would run code when it is read",
        hint="Ship tensors as safetensors.",
    )


def _is_pickle(file: BinaryIO) -> bool:
    """Whether it begins as a binary pickle does, or is a text one that calls something."""
    file.seek(0)
    start = file.read(_MAX_SEARCHED_BYTES)
    file.seek(0)
    called = False
    try:
        for opcode, _, _ in pickletools.genops(start):
            called = called or opcode.name in _CALLS
            if opcode.name == "STOP":
                return called or start.startswith(_PROTO)
    # No opcode, or cut off where the search ends. The parser warns of odd escapes in a text, which
    # is an exception where the application wants it so.
    except (ValueError, OverflowError, DeprecationWarning):
        return called and start.startswith(_PROTO)
    return False


def _holds_objects(file: BinaryIO) -> bool:
    """Whether it is a numpy array of objects: its header says so in plain text."""
    file.seek(0)
    return file.read(len(_NUMPY)) == _NUMPY and b"|O" in file.read(4096)


def _has_pickle(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                return True
            return any(_member_is_pickle(archive, member) for member in members)
    except _BROKEN_ARCHIVE:
        return False  # numpy and PyTorch cannot read it either


def _member_is_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if member.filename.lower().endswith(_NAMES):
        return True
    if not member.filename.endswith(".npy") or member.flag_bits & 1:
        return False
    with archive.open(member) as file:
        return file.read(len(_NUMPY)) == _NUMPY and b"|O" in file.read(4096)
