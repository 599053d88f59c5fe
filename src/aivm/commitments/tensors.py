"""Tensor roots and bundle roots: how values are named in receipts, manifests and disputes.

    tensor root = SHA-256(0x02 || dtype u8 || rank u8 || 8 dimensions u32 big-endian || data root)
    bundle root = root of the tree whose leaves are the 32-byte tensor roots

The data are the elements in row-major order, little-endian; unused dimensions are zero.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aivm.commitments import fast, merkle
from aivm.commitments.merkle import Buffer
from aivm.errors import WrongTensor
from aivm.numerics.dtypes import DType

MAX_RANK = 8
_MAX_DIMENSION = 2**32 - 1
_HEADER = struct.Struct(">BBB8I")
_TENSOR_TAG = 0x02

Array = NDArray[Any]

_NUMPY_DTYPES: dict[DType, np.dtype[Any]] = {
    DType.F32: np.dtype("<f4"),
    DType.F16: np.dtype("<u2"),
    DType.BF16: np.dtype("<u2"),
    DType.BOOL: np.dtype("?"),
    DType.U8: np.dtype("u1"),
    DType.I8: np.dtype("i1"),
    DType.U16: np.dtype("<u2"),
    DType.I16: np.dtype("<i2"),
    DType.U32: np.dtype("<u4"),
    DType.I32: np.dtype("<i4"),
    DType.U64: np.dtype("<u8"),
    DType.I64: np.dtype("<i8"),
}
# What numpy itself calls F16; such arrays are read as their bits.
_FLOAT16 = np.dtype("<f2")
# uint16 reads as U16 unless the caller says that it carries F16 or BF16 bits.
_DTYPE_OF = {
    numpy_type: dtype
    for dtype, numpy_type in _NUMPY_DTYPES.items()
    if dtype not in (DType.F16, DType.BF16)
} | {_FLOAT16: DType.F16}


class VerifiedTensors(tuple[Array, ...]):
    """Tensors whose bytes were compared with the roots under which they are known, and which
    nobody changes: whoever makes one vouches for that. What is derived from them may be shared.
    """

    __slots__ = ()


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The numpy type that carries `dtype`; F16 and BF16 travel as their bits in uint16."""
    return _NUMPY_DTYPES[dtype]


def dtype_of(array: Array) -> DType:
    """The element type of an array. Raises WrongTensor for one that AIVM does not have."""
    dtype = _DTYPE_OF.get(array.dtype.newbyteorder("<"))
    if dtype is None:
        raise WrongTensor(
            f"numpy dtype {array.dtype} is not an AIVM dtype",
            hint="Convert the array first, for example with .astype('float32').",
        )
    return dtype


def carried(array: Array, dtype: DType, what: str = "the array") -> Array:
    """The same elements as `numpy_dtype(dtype)`; of either byte order, and float16 for F16.

    Raises WrongTensor, about `what`, for an array of another dtype: no value is converted.
    """
    carrier = _NUMPY_DTYPES[dtype]
    if array.dtype == carrier:
        return array
    given = array.dtype.newbyteorder("<")
    if dtype is DType.F16 and given == _FLOAT16:
        return array.astype(_FLOAT16, copy=False).view(carrier)
    if given != carrier:
        fitting = "float16 or its bits as uint16" if dtype is DType.F16 else carrier.name
        raise WrongTensor(
            f"{what} has dtype {array.dtype}, {dtype.name} needs {fitting}",
            hint="Convert it where you mean it: nothing is converted silently.",
        )
    return array.astype(carrier, copy=False)


def shown(array: Array, dtype: DType) -> Array:
    """The reverse of `carried`, for people: the bits of F16 as numpy's float16."""
    return array.view(_FLOAT16) if dtype is DType.F16 else array


def tensor_header(dtype: DType, shape: tuple[int, ...]) -> bytes:
    """The 35 bytes in front of the data root. Raises WrongTensor for an impossible shape."""
    if len(shape) > MAX_RANK:
        raise WrongTensor(f"rank {len(shape)} of shape {shape} is over {MAX_RANK}")
    if any(not 0 <= dimension <= _MAX_DIMENSION for dimension in shape):
        raise WrongTensor(f"shape {shape} has a dimension outside 0..2^32-1")
    dimensions = shape + (0,) * (MAX_RANK - len(shape))
    return _HEADER.pack(_TENSOR_TAG, dtype, len(shape), *dimensions)


def tensor_root(array: Array, dtype: DType | None = None) -> bytes:
    """Tensor root of an array, any layout; `dtype` says what uint16 bits mean (F16, BF16)."""
    dtype = dtype_of(array) if dtype is None else dtype
    dense = np.ascontiguousarray(carried(array, dtype))
    return _root(dtype, array.shape, dense.reshape(-1).view(np.uint8).data)


def tensor_root_of_bytes(dtype: DType, shape: tuple[int, ...], data: Buffer) -> bytes:
    """Tensor root of elements that are already row-major little-endian bytes."""
    size_bytes = memoryview(data).nbytes
    if size_bytes != prod(shape) * dtype.size_bytes:
        raise WrongTensor(f"{size_bytes} bytes are not a {dtype.name} tensor of shape {shape}")
    return _root(dtype, shape, data)


def bundle_root(tensor_roots: Iterable[bytes]) -> bytes:
    """Root of an ordered list of tensors: the inputs of a job, or its outputs."""
    return merkle.root_of_leaves(tensor_roots)


def _root(dtype: DType, shape: tuple[int, ...], data: Buffer) -> bytes:
    return sha256(tensor_header(dtype, shape) + fast.root_of_data(data)).digest()
