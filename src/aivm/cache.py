"""Files that can be made again: private to this user, written whole or not at all, bounded.

    cache = open_cache("wasm", max_bytes=2**30)      # <cache folder>/wasm, or None
    path = cache.find(key)                           # or None
    path = cache.publish(key, write)                 # or None: a full disk costs time, no more

What lies here is believed as far as the folder is this user's own and nobody else can write to it;
the reader checks the content too, in its own way. Several processes may use one folder: a name
appears together with its whole content, and where two write it, either is right.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aivm import config, host

log = logging.getLogger(__name__)

_PRIVATE = 0o700
_ABANDONED_SECONDS = 3600  # a file that nobody finished: its process is gone


@dataclass(frozen=True)
class Cache:
    """The files of one kind. Over `max_bytes`, those that were used longest ago are deleted."""

    folder: Path
    max_bytes: int

    def find(self, key: str) -> Path | None:
        """The file of a key, now marked as used; None unless it is there and private."""
        path = self.folder / key
        try:
            if not _is_private(path) or not path.is_file():
                return None
        except OSError:
            return None
        with suppress(OSError):  # on a read-only disk
            os.utime(path)
        return path

    def publish(self, key: str, write: Callable[[BinaryIO], object]) -> Path | None:
        """Lets `write` fill a new file, open for reading and writing, and gives it its name.

        None, and a warning in the log, where the disk does not take it. Whatever else `write`
        raises is passed on, and then there is no file.
        """
        path = self.folder / key
        temporary: str | None = None
        try:
            handle, temporary = tempfile.mkstemp(prefix=".", dir=self.folder)  # mode 0600
            with os.fdopen(handle, "w+b") as file:
                write(file)
            Path(temporary).replace(path)
            self._trim(path)
        except OSError as problem:
            log.warning("cannot write to the cache %s: %s", self.folder, problem.strerror)
            return None
        finally:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
        return path

    def drop(self, key: str) -> None:
        """Forgets a file; whoever reads it still can go on doing so."""
        with suppress(OSError):
            (self.folder / key).unlink(missing_ok=True)

    def _trim(self, newest: Path) -> None:
        found = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process deletes too
                status = path.stat()
                if not path.name.startswith("."):
                    found.append((status.st_mtime_ns, status.st_size, path))
                elif status.st_mtime < host.now() - _ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size


def open_cache(kind: str, *, max_bytes: int) -> Cache | None:
    """The cache of a kind; None, and a warning in the log, where there can be no private folder.

    It lies in `AIVM_CACHE_DIR`, or else in `aivm` beneath the XDG folder for caches.
    """
    folder = config.cache_folder() / kind
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not _is_private(folder):
            log.warning("not using the cache %s: others can write to it", folder)
            return None
        if stat.S_IMODE(folder.stat().st_mode) != _PRIVATE:
            folder.chmod(_PRIVATE)
    except OSError as problem:
        log.warning("not using the cache %s: %s", folder, problem.strerror)
        return None
    return Cache(folder, max_bytes)


def _is_private(path: Path) -> bool:
    """Whether it is this user's own, no link, and nobody else may write it."""
    status = path.lstat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not stat.S_ISLNK(status.st_mode) and status.st_uid == os.getuid() and not others_write
