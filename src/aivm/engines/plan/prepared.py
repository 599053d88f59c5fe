"""What is made once of the constants, as files that every process maps and none copies.

    file = the unit's bytes, then SHA-256(key || bytes)

The key is a digest of the unit's recipe and of the kernels that run it, so a file of another
version has another name. A file is believed where only this user can write it (see `aivm.cache`)
and, whenever it is mapped, its digest fits: a torn, rotten, exchanged or cut file is made again.
Where no file can be written, the unit lives in the memory of its process, with the same bytes.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from aivm.cache import Cache, open_cache
from aivm.engines.plan.memory import ALIGNMENT

log = logging.getLogger(__name__)

MAX_CACHE_BYTES = 32 * 2**30
LEAST_BYTES = 64 * 1024  # a smaller unit is made again sooner than its file is opened
_DIGEST_BYTES = 32

Bytes = npt.NDArray[np.uint8]
Fill = Callable[[Bytes], None]
"""Writes all bytes of a unit into memory that is zero."""


class Prepared:
    """The memory of one unit, 64-byte aligned; read-only where it is shared."""

    def __init__(self, content: Bytes) -> None:
        self.content = content  # an array over a mapping keeps that alive

    @property
    def address(self) -> int:
        return int(self.content.ctypes.data)


class PreparedUnits:
    """The units made by one build of the kernels, named by the digest of its artifact.

    Units of less than `least_bytes` are left to the plan they belong to. Threads may share one.
    """

    def __init__(
        self, kernels_digest: str, cache: Cache | None, least_bytes: int = LEAST_BYTES
    ) -> None:
        self.least_bytes = least_bytes
        self._kernels_digest = kernels_digest
        self._cache = cache
        self._mapped: WeakValueDictionary[str, Prepared] = WeakValueDictionary()
        self._lock = threading.Lock()

    @classmethod
    def of_kernels(cls, kernels_digest: str) -> PreparedUnits:
        """In the user's cache folder, where there can be one."""
        return cls(kernels_digest, open_cache("prepared", max_bytes=MAX_CACHE_BYTES))

    def get(self, recipe: bytes, size_bytes: int, fill: Fill) -> Prepared:
        """The unit of a recipe: mapped by this process already, or from its file, or made now.

        Raises what `fill` raises; then nothing is kept.
        """
        key = sha256(f"{self._kernels_digest} {recipe.hex()}".encode()).hexdigest()
        with self._lock:
            found = self._mapped.get(key)
            if found is None:
                found = self._map(key, size_bytes) or self._make(key, size_bytes, fill)
                self._mapped[key] = found
            return found

    def _map(self, key: str, size_bytes: int) -> Prepared | None:
        path = None if self._cache is None else self._cache.find(key)
        if self._cache is None or path is None:
            return None
        content = _verified(path, key, size_bytes)
        if content is None:
            log.warning("%s is damaged and will be made again", path)
            self._cache.drop(key)
            return None
        return Prepared(content)

    def _make(self, key: str, size_bytes: int, fill: Fill) -> Prepared:
        whole = np.zeros(size_bytes + ALIGNMENT, np.uint8)
        skip = -whole.ctypes.data % ALIGNMENT
        content = whole[skip : skip + size_bytes]
        fill(content)
        if self._cache is not None:
            self._cache.publish(key, lambda file: _write(file, key, content))
        # Given up for what was written, which others share, as soon as that is there.
        return self._map(key, size_bytes) or Prepared(content)


def _write(file: BinaryIO, key: str, content: Bytes) -> None:
    file.write(content.data)
    file.write(_digest(key, content))


def _verified(path: Path, key: str, size_bytes: int) -> Bytes | None:
    """The content of a file, mapped read-only, unless it is not what was written."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size_bytes + _DIGEST_BYTES:
                return None
            expected = os.pread(file.fileno(), _DIGEST_BYTES, size_bytes)
            mapped = mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ)
    except OSError:
        return None
    content = np.frombuffer(mapped, np.uint8)
    return content if _digest(key, content) == expected else None


def _digest(key: str, content: Bytes) -> bytes:
    digest = sha256(key.encode())
    digest.update(content.data)
    return digest.digest()
