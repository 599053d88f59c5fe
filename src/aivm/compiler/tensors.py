"""Reading ONNX tensors: bounded, and strict about how many bytes a shape must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath

import numpy as np
from onnx import TensorProto, numpy_helper

from aivm.commitments import Array, numpy_dtype
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.values import Doubles
from aivm.isa.instructions import MAX_RANK, TensorType
from aivm.isa.validate import MAX_DIM, MAX_ELEMENTS
from aivm.numerics.dtypes import DType

DTYPE_OF_ONNX: dict[int, DType] = {
    TensorProto.FLOAT: DType.F32,
    TensorProto.FLOAT16: DType.F16,
    TensorProto.BFLOAT16: DType.BF16,
    TensorProto.BOOL: DType.BOOL,
    TensorProto.UINT8: DType.U8,
    TensorProto.INT8: DType.I8,
    TensorProto.UINT16: DType.U16,
    TensorProto.INT16: DType.I16,
    TensorProto.UINT32: DType.U32,
    TensorProto.INT32: DType.I32,
    TensorProto.UINT64: DType.U64,
    TensorProto.INT64: DType.I64,
}

Files = Callable[[str], memoryview]
"""The bytes of a file beside the model, by the relative path that the model gives.

Raises `Unsupported` where there is none.
"""


def NO_FILES(location: str) -> memoryview:
    """Refuses: the model was given as bytes, without a folder."""
    raise Unsupported(
        f"its elements are in another file, {location!r}",
        change="Give the path of the model, so that files beside it can be found, or save it with "
        "its weights inside.",
    )


# Where each dtype's elements are when they are not in raw_data.
_TYPED_FIELDS = {
    DType.F32: "float_data",
    DType.I64: "int64_data",
    DType.U32: "uint64_data",
    DType.U64: "uint64_data",
}


# Tables (of indices, weights, divisors) that rules work out place by place.
MAX_TABLE_PLACES = 2**22


def check_table(places: int) -> None:
    """Raises Unsupported for a table that would take too long to work out."""
    if places > MAX_TABLE_PLACES:
        raise Unsupported(f"it needs a table of {places} places, over {MAX_TABLE_PLACES}")


def onnx_type_name(element_type: int) -> str:
    """`FLOAT`, `INT64`...; a number that ONNX does not define is shown as it is."""
    try:
        return str(TensorProto.DataType.Name(element_type))
    except ValueError:
        return f"type {element_type}"


def dtype_of_onnx(element_type: int) -> DType:
    """The dtype for an ONNX element type. Raises Unsupported where numerics 1 has none."""
    dtype = DTYPE_OF_ONNX.get(element_type)
    if dtype is None:
        raise Unsupported(
            f"element type {onnx_type_name(element_type)} is not defined by numerics 1",
            change="Convert the model to float32 and integer tensors.",
        )
    return dtype


def checked_type(dtype: DType, shape: tuple[int, ...]) -> TensorType:
    """A tensor type within the limits of programs; raises Unsupported outside them."""
    if len(shape) > MAX_RANK:
        raise Unsupported(
            f"a tensor of rank {len(shape)} ({shape}) is over the limit of {MAX_RANK} dimensions",
            change="Merge dimensions with a Reshape.",
        )
    if any(not 0 <= dimension <= MAX_DIM for dimension in shape):
        raise Malformed(f"shape {shape} has a dimension outside 0..2^32-1")
    if prod(dimension for dimension in shape if dimension) > MAX_ELEMENTS:
        raise Unsupported(f"a tensor of shape {shape} has over 2^40 elements")
    return TensorType(dtype, shape)


def is_external(tensor: TensorProto) -> bool:
    """True if the elements are in another file."""
    return tensor.data_location == TensorProto.EXTERNAL or bool(tensor.external_data)


def check_length(tensor: TensorProto) -> TensorType:
    """The tensor's type, after making sure that as many elements are there as its shape says."""
    dtype = dtype_of_onnx(tensor.data_type)
    tensor_type = checked_type(dtype, tuple(tensor.dims))
    if tensor.HasField("segment"):
        raise Malformed(f"tensor {tensor.name!r} is only a segment of one")
    if is_external(tensor):
        place = external_place(tensor)
        found, expected, unit = place.length, tensor_type.size_bytes, "bytes"
        found = expected if found is None else found
    elif tensor.HasField("raw_data"):
        found, expected, unit = len(tensor.raw_data), tensor_type.size_bytes, "bytes"
    else:
        field = getattr(tensor, _TYPED_FIELDS.get(dtype, "int32_data"))
        found, expected, unit = len(field), tensor_type.elements, "elements"
    if found != expected:
        raise Malformed(
            f"tensor {tensor.name!r} of shape {tensor_type.shape} has {found} instead of "
            f"{expected} {unit}"
        )
    return tensor_type


@dataclass(frozen=True, slots=True)
class ExternalPlace:
    """Where in which file a tensor's bytes are; `length` None: as many as its shape says."""

    location: str
    offset: int
    length: int | None


def external_place(tensor: TensorProto) -> ExternalPlace:
    """Raises Malformed for a path that leads out of the model's folder, and for bad numbers."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = PurePosixPath(location)
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or set(location) & set("\\:\0"):
        raise Malformed(
            f"tensor {tensor.name!r} names the file {location!r}, which is not one beside the model"
        )
    numbers = {key: entries[key] for key in ("offset", "length") if key in entries}
    if not all(text.isascii() and text.isdigit() for text in numbers.values()):
        raise Malformed(f"tensor {tensor.name!r} has an offset or length that is no number")
    length = int(numbers["length"]) if "length" in numbers else None
    return ExternalPlace(str(path), int(numbers.get("offset", 0)), length)


def read_tensor(tensor: TensorProto, files: Files = NO_FILES) -> Array:
    """The elements of an ONNX tensor (F16 and BF16 as bits in uint16), read-only."""
    tensor_type = check_length(tensor)
    carrier = numpy_dtype(tensor_type.dtype)
    if is_external(tensor):
        data = _external_bytes(tensor, tensor_type, files)
        array = np.frombuffer(data, dtype=carrier).reshape(tensor_type.shape)
    elif tensor.HasField("raw_data"):
        array = np.frombuffer(tensor.raw_data, dtype=carrier).reshape(tensor_type.shape)
    else:
        values = np.asarray(numpy_helper.to_array(tensor), order="C")
        array = values.reshape(-1).view(carrier).reshape(tensor_type.shape)
    if tensor_type.dtype is DType.BOOL and array.size and array.view(np.uint8).max() > 1:
        raise Malformed(f"tensor {tensor.name!r} is BOOL but holds a byte other than 0 and 1")
    array.setflags(write=False)
    return array


def _external_bytes(tensor: TensorProto, tensor_type: TensorType, files: Files) -> memoryview:
    place = external_place(tensor)
    data = files(place.location).cast("B")
    end = place.offset + tensor_type.size_bytes
    if end > len(data):
        raise Malformed(
            f"tensor {tensor.name!r} ends at byte {end} of {place.location!r}, "
            f"which has {len(data)}"
        )
    return data[place.offset : end]


def read_doubles(tensor: TensorProto) -> Doubles:
    """The elements of a tensor of type DOUBLE, which must be in the model itself."""
    if is_external(tensor) or tensor.HasField("segment"):
        raise Unsupported(
            "element type DOUBLE is not defined by numerics 1",
            change="Convert the model to float32.",
        )
    shape = tuple(tensor.dims)
    raw = tensor.HasField("raw_data")
    found = len(tensor.raw_data) / 8 if raw else len(tensor.double_data)
    if any(size < 0 for size in shape) or found != prod(shape):
        raise Malformed(f"tensor {tensor.name!r} of shape {shape} has {found} elements")
    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
