"""Tensor roots name dtype, shape and every byte; the layout in memory does not matter."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from aivm.commitments import (
    bundle_root,
    dtype_of,
    merkle,
    numpy_dtype,
    shown,
    tensor_header,
    tensor_root,
    tensor_root_of_bytes,
)
from aivm.errors import WrongTensor
from aivm.numerics.dtypes import DType


def test_header_is_35_bytes_as_documented() -> None:
    header = tensor_header(DType.F32, (2, 3))
    assert header == bytes([2, 1, 2]) + b"\0\0\0\x02" + b"\0\0\0\x03" + bytes(24)


def test_root_follows_its_definition() -> None:
    array = np.arange(300, dtype=np.float32).reshape(3, 100)
    expected = sha256(tensor_header(DType.F32, (3, 100)) + merkle.root_of_data(array.tobytes()))
    assert tensor_root(array) == expected.digest()
    assert tensor_root_of_bytes(DType.F32, (3, 100), array.tobytes()) == expected.digest()


@pytest.mark.parametrize("dtype", list(DType))
def test_every_dtype_has_a_carrier_of_its_size(dtype: DType) -> None:
    carrier = numpy_dtype(dtype)
    assert carrier.itemsize == dtype.size_bytes
    array = np.zeros((2, 2), dtype=carrier)
    assert tensor_root(array, dtype) == tensor_root_of_bytes(dtype, (2, 2), array.tobytes())


def test_roots_differ_by_dtype_shape_and_content() -> None:
    zero = np.zeros(4, dtype=np.uint16)
    roots = {
        tensor_root(zero),
        tensor_root(zero, DType.F16),
        tensor_root(zero, DType.BF16),
        tensor_root(zero.astype(np.int16)),
        tensor_root(zero.reshape(2, 2)),
        tensor_root(zero.reshape(4, 1)),
        tensor_root(zero.reshape(1, 4)),
        tensor_root(zero[:3]),
        tensor_root(np.array([0, 0, 0, 1], dtype=np.uint16)),
        tensor_root(np.array([-0.0, 0.0], dtype=np.float32)),
        tensor_root(np.array([0.0, 0.0], dtype=np.float32)),
    }
    assert len(roots) == 11


def test_strides_and_byte_order_in_memory_do_not_matter() -> None:
    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert tensor_root(array.T) == tensor_root(np.ascontiguousarray(array.T))
    assert tensor_root(array[:, ::-2]) == tensor_root(array[:, ::-2].copy())
    assert tensor_root(array.astype(">i4")) == tensor_root(array)


def test_scalars_and_empty_tensors_have_roots() -> None:
    scalar = np.array(3.5, dtype=np.float32)
    assert tensor_root(scalar) == tensor_root_of_bytes(DType.F32, (), scalar.tobytes())
    assert tensor_root(np.zeros((0, 3), np.int64)) != tensor_root(np.zeros((3, 0), np.int64))


def test_what_is_not_a_tensor_is_refused() -> None:
    with pytest.raises(WrongTensor, match="float64"):
        tensor_root(np.zeros(2))
    with pytest.raises(WrongTensor, match="rank 9"):
        tensor_root(np.zeros((1,) * 9, dtype=np.int8))
    with pytest.raises(WrongTensor, match="outside"):
        tensor_header(DType.U8, (2**32,))
    with pytest.raises(WrongTensor, match="the array has dtype float16, U16 needs uint16"):
        tensor_root(np.zeros(2, dtype=np.float16), DType.U16)
    with pytest.raises(WrongTensor, match="the array has dtype float32, I32 needs int32"):
        tensor_root(np.zeros(2, dtype=np.float32), DType.I32)
    with pytest.raises(WrongTensor, match="7 bytes"):
        tensor_root_of_bytes(DType.F32, (2,), bytes(7))
    with pytest.raises(WrongTensor):
        dtype_of(np.array(["text"]))


def test_bundle_root_is_a_tree_over_the_roots_in_order() -> None:
    first, second = tensor_root(np.zeros(1, np.int8)), tensor_root(np.ones(1, np.int8))
    leaves = [merkle.leaf_hash(first), merkle.leaf_hash(second)]
    assert bundle_root([first, second]) == merkle.node_hash(*leaves)
    assert bundle_root([first, second]) != bundle_root([second, first])
    assert bundle_root([first]) == merkle.leaf_hash(first)
    assert bundle_root([]) == merkle.leaf_hash(b"")


def test_float16_is_f16() -> None:
    half = np.array([[1.5, -0.25, 3]], np.float16)
    root = tensor_root(half.view(np.uint16), DType.F16)
    assert tensor_root(half) == tensor_root(half, DType.F16) == root
    assert shown(half.view(np.uint16), DType.F16).tolist() == half.tolist()
    assert tensor_root(half.astype(">f2")) == tensor_root(half[:, ::-1][:, ::-1]) == root
