"""What goes into a package's weights: the constants of its programs, and the tensors of its source.

Most tensors of the source are constants too, byte for byte, and are then stored once.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from aivm.commitments import Array, dtype_of
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType

WEIGHTS = "weights.safetensors"
SOURCE = "source.onnx"
"""The model itself. It stands beside its weights, so any ONNX runtime can load it from there."""


class Weights:
    """Tensors by name, as `write_safetensors` takes them."""

    def __init__(self) -> None:
        self.tensors: dict[str, tuple[DType, Array]] = {}
        self._names: dict[bytes, str] = {}  # by digest of the bytes

    def add(self, name: str, array: Array, kind: TensorType) -> str:
        """Adds a tensor under its name."""
        self.tensors[name] = (kind.dtype, array)
        self._names.setdefault(_digest(array), name)
        return name

    def add_bytes_of(self, array: Array) -> str:
        """The name of a tensor that has these bytes; it is added if there is none."""
        digest = _digest(array)
        if digest not in self._names:
            self._names[digest] = name = f"source.{len(self.tensors)}"
            self.tensors[name] = (dtype_of(array), array)
        return self._names[digest]


def _digest(array: Array) -> bytes:
    return sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest()
