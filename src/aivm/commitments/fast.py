"""The data tree computed by the compiled kernels: the same bytes as `merkle.root_of_data`, sooner.

Where the compiled library does not fit this CPU the definition itself is used. Both give one answer
by definition, so this choice can change the time taken and nothing else.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from aivm import kernels
from aivm.commitments import merkle
from aivm.commitments.merkle import Buffer
from aivm.errors import EngineUnavailable

# Below this a call through ctypes costs more than it saves.
_SMALL_BYTES = 1024


def root_of_data(data: Buffer) -> bytes:
    """Root of the tree over `data` (any contiguous buffer) cut into leaves of 256 bytes."""
    size_bytes = memoryview(data).nbytes
    library = _library() if size_bytes >= _SMALL_BYTES else None
    if library is None:
        return merkle.root_of_data(data)
    address = np.frombuffer(data, dtype=np.uint8).ctypes.data
    root = ctypes.create_string_buffer(32)
    library.aivm_tree_root(address, size_bytes, root)
    return root.raw


@cache
def _library() -> ctypes.CDLL | None:
    try:
        return kernels.library()
    except EngineUnavailable:
        return None
