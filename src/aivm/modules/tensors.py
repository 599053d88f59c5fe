"""Tensors on their way into a module and out of it: the records of module interface 1.

    struct tensor { u32 dtype, rank, shape[8], data, size; }      48 bytes, little-endian
    struct result { u32 error, error_size, tensors, count; }      16 bytes

`dtype` is the code of numerics 1, `data` an address in the module's memory, `size` the bytes there
(row-major, little-endian), unused dimensions are zero. `error` is 0, or the address of a sentence
in UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from aivm.commitments import Array, carried, dtype_of, numpy_dtype, tensor_root
from aivm.commitments.tensors import MAX_RANK
from aivm.errors import ModuleFailed
from aivm.modules.sandbox import Sandbox
from aivm.numerics.dtypes import DType

MAX_TENSORS = 64
_RECORD = struct.Struct("<2I8I2I")
_RESULT = struct.Struct("<4I")
_MAX_ERROR_BYTES = 1024


@dataclass(frozen=True)
class Tensor:
    """An array and what it means: uint16 may be U16, or the bits of F16 or BF16."""

    dtype: DType
    array: Array

    @classmethod
    def of(cls, array: Array) -> Tensor:
        """The tensor that a numpy array is. Raises WrongTensor for a dtype AIVM lacks."""
        dtype = dtype_of(array)
        return cls(dtype, carried(array, dtype))

    @classmethod
    def of_bytes(cls, data: bytes) -> Tensor:
        """U8[n]: how texts and files are given to a module."""
        return cls(DType.U8, np.frombuffer(data, np.uint8))

    @property
    def root(self) -> bytes:
        return tensor_root(self.array, self.dtype)


def records(tensors: Sequence[Tensor], addresses: Sequence[int]) -> bytes:
    """The records of tensors whose data lie at `addresses`."""
    return b"".join(
        _RECORD.pack(
            tensor.dtype,
            tensor.array.ndim,
            *tensor.array.shape,
            *(0,) * (MAX_RANK - tensor.array.ndim),
            address,
            tensor.array.nbytes,
        )
        for tensor, address in zip(tensors, addresses, strict=True)
    )


def read_result(sandbox: Sandbox, address: int) -> list[Tensor]:
    """The tensors that a result names, copied out. Raises ModuleFailed for anything else."""
    error, error_size, first, count = _RESULT.unpack(sandbox.read(address, _RESULT.size))
    if error:
        sentence = sandbox.read(error, min(error_size, _MAX_ERROR_BYTES))
        raise ModuleFailed(f"the module refused its input: {_printable(sentence)}")
    if count > MAX_TENSORS:
        raise ModuleFailed(f"the module gave {count} tensors, {MAX_TENSORS} are allowed")
    data = sandbox.read(first, count * _RECORD.size)
    fields = list(_RECORD.iter_unpack(data))
    total = sum(field[-1] for field in fields)
    if total > sandbox.limits.memory_bytes:  # they may overlap, and each is copied
        raise ModuleFailed(f"the module gave {total} bytes of tensors, more than its memory")
    return [_tensor(sandbox, number, field) for number, field in enumerate(fields)]


def _tensor(sandbox: Sandbox, number: int, fields: Sequence[int]) -> Tensor:
    code, rank, *shape, address, size = fields
    try:
        dtype = DType(code)
    except ValueError:
        raise ModuleFailed(f"output {number} has dtype code {code}, which is none") from None
    if rank > MAX_RANK or any(shape[rank:]):
        raise ModuleFailed(f"output {number} has rank {rank} and dimensions {shape}")
    used = tuple(shape[:rank])
    if prod(used) * dtype.size_bytes != size:
        raise ModuleFailed(f"output {number}: {size} bytes are not a {dtype.name} of shape {used}")
    data = sandbox.read(address, size)
    if dtype is DType.BOOL and any(byte > 1 for byte in set(data)):
        raise ModuleFailed(f"output {number} is BOOL but holds a byte other than 0 and 1")
    return Tensor(dtype, np.frombuffer(data, numpy_dtype(dtype)).reshape(used))


def _printable(sentence: bytes) -> str:
    text = sentence.decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)
