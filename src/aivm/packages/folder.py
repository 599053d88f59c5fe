"""A folder that appears under its name whole, or not at all: after kill -9, and on a full disk.

It is filled under another name, beside its destination, synchronised and then renamed. Whoever
builds holds a lock on it; what a killed process left behind has none, and goes with the next build.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aivm import host
from aivm.errors import BadInput

_PARTIAL = ".partial"


@contextmanager
def whole_folder(destination: Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `destination` at the end, unless something is raised.

    `destination` must not exist or be empty. Raises BadInput.
    """
    _check_free(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    _sweep(destination)
    building, lock = _locked_folder(destination)
    try:
        yield building
        _synchronise(building)
        _check_free(destination)
        building.rename(destination)  # over an empty folder too
        _fsync(destination.parent)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} already exists", hint="Choose another folder or delete it.")


def _locked_folder(destination: Path) -> tuple[Path, int]:
    while True:
        name = f".{destination.name}.{host.random_bytes(4).hex()}{_PARTIAL}"
        building = destination.with_name(name)
        building.mkdir()
        lock = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if building.exists():  # nobody swept it before it was locked
            return building, lock
        os.close(lock)


def _sweep(destination: Path) -> None:
    """Removes what killed builds of the same destination have left."""
    prefix = f".{destination.name}."
    for folder in destination.parent.iterdir():
        if folder.name.startswith(prefix) and folder.name.endswith(_PARTIAL):
            with suppress(OSError):  # somebody is at work in it, or was quicker
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)


def _synchronise(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _fsync(Path(parent) / name)
        _fsync(Path(parent))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
