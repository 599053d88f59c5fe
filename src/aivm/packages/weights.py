"""What goes into a package's weights: the constants of its programs, and the tensors of its source.

Most tensors of the source are constants too, byte for byte, and are then stored once.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from aivm.commitments import Array, dtype_of
from aivm.numerics.dtypes import DType

WEIGHTS = "weights.safetensors"
SOURCE = "source.onnx"
"""The model itself. It stands beside its weights, so any ONNX runtime can load it from there."""


class Weights:
    """Tensors by name, as `write_safetensors` takes them."""

    def __init__(self) -> None:
        self.tensors: dict[str, tuple[DType, Array]] = {}
        self._places: dict[tuple[int, int], str] = {}
        self._digests: dict[str, bytes] = {}

    def add(self, name: str, array: Array, dtype: DType) -> str:
        """Adds a tensor under its name."""
        self.tensors[name] = (dtype, array)
        self._places[_place(array)] = name
        return name

    def add_bytes_of(self, array: Array) -> str:
        """The name of a tensor that has these bytes; it is added if there is none."""
        same_memory = self._places.get(_place(array))  # mapped gigabytes need no comparison
        if same_memory is not None:
            return same_memory
        digest = _digest(array)
        for name, (_, other) in self.tensors.items():
            if other.nbytes == array.nbytes and self._digest_of(name) == digest:
                return name
        return self.add(f"source.{len(self.tensors)}", array, dtype_of(array))

    def _digest_of(self, name: str) -> bytes:
        if name not in self._digests:
            self._digests[name] = _digest(self.tensors[name][1])
        return self._digests[name]


def _place(array: Array) -> tuple[int, int]:
    return int(array.ctypes.data), array.nbytes


def _digest(array: Array) -> bytes:
    return sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest()
