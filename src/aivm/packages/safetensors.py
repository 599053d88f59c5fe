"""The safetensors format, read and written strictly.

    8 bytes   length of the header, little-endian
    header    JSON: name -> {"dtype", "shape", "data_offsets": [begin, end)}, and "__metadata__"
    data      the tensors, row-major little-endian, without gaps or overlaps

Arrays that are read are views of the mapped file: nothing is copied, and they are read-only.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aivm.commitments import Array, canonical_json, numpy_dtype
from aivm.errors import MalformedPackage, NotFound, TooLarge
from aivm.isa.instructions import MAX_RANK, TensorType
from aivm.numerics.dtypes import DType

MAX_HEADER_BYTES = 16 * 1024 * 1024
_ALIGNMENT = 64  # of the data's start, for the engines' vector loads
_PIECE_BYTES = 1 << 22
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"


class SafeTensors(Mapping[str, Array]):
    """The tensors of a file by name, as read-only arrays over the mapped file.

    F16 and BF16 tensors come as uint16. Raises MalformedPackage, TooLarge, NotFound.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if size < _LENGTH.size:
                    raise MalformedPackage(f"{path.name} is too short to be a safetensors file")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise NotFound(f"there is no file {path}") from None
        start, header = _read_header(self._map, size, path.name)
        self._start = start
        self.types, self._offsets = _layout(header, size - start, path.name)

    def __getitem__(self, name: str) -> Array:
        type_ = self.types[name]
        flat: Array = np.frombuffer(
            self._map,
            dtype=numpy_dtype(type_.dtype),
            count=type_.elements,
            offset=self.offset_of(name),
        )
        return flat.reshape(type_.shape)

    def forget_pages(self) -> None:
        """Lets the system take the file's pages from this process; they are read again if need be.

        So that verifying a package does not leave all of its weights in this process's memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    @property
    def data_start(self) -> int:
        """Where in the file the tensors' bytes begin, after the header."""
        return self._start

    def offset_of(self, name: str) -> int:
        """Where in the file a tensor's first byte is."""
        return self._start + self._offsets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)


def write_safetensors(path: Path, tensors: Mapping[str, tuple[DType, Array]]) -> None:
    """Writes a new file; the same tensors always give the same bytes.

    Tensors with wide elements come first, so that every tensor is aligned to its elements.
    """
    ordered = sorted(tensors.items(), key=lambda item: (-item[1][0].size_bytes, item[0]))
    header: dict[str, Any] = {}
    position = 0
    for name, (dtype, array) in ordered:
        end = position + array.size * dtype.size_bytes
        header[name] = {
            "dtype": dtype.name,
            "shape": list(array.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(len(text) + _LENGTH.size) % _ALIGNMENT)
    with path.open("xb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for _, (dtype, array) in ordered:
            _write_array(file, dtype, array)
        file.truncate()  # where the last piece is a hole


def _write_array(file: BinaryIO, dtype: DType, array: Array) -> None:
    """Writes piece by piece; a piece of zeros becomes a hole, which takes no room on the disk."""
    dense = np.ascontiguousarray(array, dtype=numpy_dtype(dtype)).reshape(-1).view(np.uint8)
    for start in range(0, dense.size, _PIECE_BYTES):
        piece = dense[start : start + _PIECE_BYTES]
        if piece.any():
            file.write(piece.data)
        else:
            file.seek(piece.size, os.SEEK_CUR)


def _read_header(data: mmap.mmap, size: int, name: str) -> tuple[int, dict[str, Any]]:
    """Where the tensors' bytes start, and the header without its metadata."""
    (length,) = _LENGTH.unpack(data[: _LENGTH.size])
    if length > MAX_HEADER_BYTES:
        raise TooLarge(f"{name}: a header of {length} bytes is over {MAX_HEADER_BYTES}")
    start = _LENGTH.size + length
    if start > size:
        raise MalformedPackage(f"{name}: the header is cut off")
    header = canonical_json.parse(data[_LENGTH.size : start], MalformedPackage)
    if not isinstance(header, dict):
        raise MalformedPackage(f"{name}: the header is not a JSON object")
    header.pop(_METADATA, None)
    return start, header


def _layout(
    header: dict[str, Any], data_bytes: int, file: str
) -> tuple[dict[str, TensorType], dict[str, int]]:
    """Types and offsets of all tensors; they must cover the data exactly."""
    types: dict[str, TensorType] = {}
    spans: dict[str, tuple[int, int]] = {}
    for name, item in header.items():
        types[name], spans[name] = _tensor(f"{file}: tensor {name[:80]!a}", item)
    position = 0
    for name, (begin, end) in sorted(spans.items(), key=lambda item: item[1]):
        if begin != position:
            raise MalformedPackage(f"{file}: gap or overlap before tensor {name[:80]!a}")
        position = end
    if position != data_bytes:
        raise MalformedPackage(f"{file}: tensors cover {position} of {data_bytes} bytes")
    return types, {name: begin for name, (begin, _) in spans.items()}


def _tensor(what: str, item: Any) -> tuple[TensorType, tuple[int, int]]:
    if not isinstance(item, dict) or set(item) != {"dtype", "shape", "data_offsets"}:
        raise MalformedPackage(f"{what} is not described by dtype, shape and data_offsets")
    code, shape, span = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(code, str) or code not in DType.__members__:
        raise MalformedPackage(f"{what}: dtype {code!a} is not an AIVM dtype")
    if not _are_sizes(shape) or len(shape) > MAX_RANK:
        raise MalformedPackage(f"{what}: shape is not a list of at most {MAX_RANK} sizes")
    if not _are_sizes(span) or len(span) != 2:
        raise MalformedPackage(f"{what}: data_offsets is not a pair of sizes")
    begin, end = span
    type_ = TensorType(DType[code], tuple(shape))
    if end - begin != prod(shape) * type_.dtype.size_bytes:
        raise MalformedPackage(f"{what}: data_offsets do not fit dtype and shape")
    return type_, (begin, end)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
