"""Safetensors: strict in, deterministic out."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.commitments import numpy_dtype
from aivm.errors import MalformedPackage, NotFound, TooLarge
from aivm.numerics.dtypes import DType
from aivm.packages.safetensors import SafeTensors, write_safetensors


def raw_file(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def test_every_dtype_round_trips(path: Path) -> None:
    tensors = {
        dtype.name: (dtype, np.arange(6).reshape(2, 3).astype(numpy_dtype(dtype)))
        for dtype in DType
    }
    write_safetensors(path, tensors)
    read = SafeTensors(path)
    assert set(read) == set(tensors) and len(read) == len(tensors)
    for name, (dtype, array) in tensors.items():
        assert read.types[name].dtype is dtype
        assert np.array_equal(read[name], array) and not read[name].flags.writeable


def test_scalars_empty_and_strided_tensors(path: Path) -> None:
    tensors = {
        "scalar": (DType.F32, np.array(2.5, dtype=np.float32)),
        "empty": (DType.I64, np.zeros((0, 3), dtype=np.int64)),
        "transposed": (DType.F32, np.arange(6, dtype=np.float32).reshape(2, 3).T),
    }
    write_safetensors(path, tensors)
    read = SafeTensors(path)
    for name, (_, array) in tensors.items():
        assert read[name].shape == array.shape and np.array_equal(read[name], array)


def test_the_same_tensors_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    tensors = {"b": (DType.U8, np.ones(3, np.uint8)), "a": (DType.F32, np.ones(3, np.float32))}
    write_safetensors(tmp_path / "one", tensors)
    write_safetensors(tmp_path / "two", dict(reversed(tensors.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_data_start_at_64_bytes_and_elements_are_aligned(path: Path) -> None:
    tensors = {f"t{i}": (DType.U8, np.ones(i, np.uint8)) for i in range(1, 8)}
    tensors |= {f"w{i}": (DType.F32, np.ones(i, np.float32)) for i in range(1, 8)}
    write_safetensors(path, tensors)
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert (length + 8) % 64 == 0
    read = SafeTensors(path)
    assert all(array.flags.aligned for array in read.values())


def test_the_layout_is_the_published_one(path: Path) -> None:
    array = np.arange(4, dtype=np.float32)
    write_safetensors(path, {"x": (DType.F32, array)})
    content = path.read_bytes()
    header = b'{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    (length,) = struct.unpack("<Q", content[:8])
    assert content[8 : 8 + length].rstrip(b" ") == header
    assert content[8 + length :] == array.tobytes()


def test_metadata_is_passed_over(path: Path) -> None:
    raw_file(path, {"__metadata__": {"format": "pt"}})
    assert len(SafeTensors(path)) == 0


ONE = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":1}',
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":1}',
        {"a": ONE | {"extra": 1}},
        {"a": {"dtype": "U8", "shape": [2]}},
        {"a": ONE | {"dtype": "F64"}},
        {"a": ONE | {"dtype": "u8"}},
        {"a": ONE | {"dtype": ["U8"]}},
        {"a": ONE | {"shape": [-2]}},
        {"a": ONE | {"shape": [True, 2]}},
        {"a": ONE | {"shape": [2.0]}},
        {"a": ONE | {"shape": "2"}},
        {"a": ONE | {"shape": [1] * 9}},
        {"a": ONE | {"shape": [3]}},
        {"a": ONE | {"data_offsets": [2, 0]}},
        {"a": ONE | {"data_offsets": [-2, 0]}},
        {"a": ONE | {"data_offsets": [0, 2, 4]}},
        {"a": ONE | {"data_offsets": [0, 1]}},
        {"a": ONE | {"shape": [2**40], "data_offsets": [0, 2**40]}},
        {"a": ONE, "b": ONE},  # overlap
        {"a": ONE, "b": ONE | {"data_offsets": [1, 3]}},  # overlap
        {"a": ONE, "b": {"dtype": "U8", "shape": [1], "data_offsets": [3, 4]}},  # gap
        {"a": {"dtype": "U8", "shape": [2], "data_offsets": [2, 4]}},  # gap at the start
        {"a": ONE},  # data behind the last tensor
        {},
    ],
)
def test_headers_out_of_form_are_refused(path: Path, header: Any) -> None:
    with pytest.raises(MalformedPackage):
        SafeTensors(raw_file(path, header, b"data"))


def test_lengths_that_lie_are_refused(path: Path) -> None:
    for content in (b"", b"\0" * 7, struct.pack("<Q", 3) + b"{}", struct.pack("<Q", 2)):
        path.write_bytes(content)
        with pytest.raises(MalformedPackage):
            SafeTensors(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(TooLarge):
        SafeTensors(path)
    with pytest.raises(NotFound):
        SafeTensors(path.with_name("missing"))
