"""The Open Inference Protocol V2 over HTTP: one codec for requests and responses, JSON and binary.

Source: KServe "Open Inference Protocol (V2)" and Triton's binary tensor data extension. A body is a
JSON header, optionally followed by raw little-endian row-major tensors; the HTTP header
`Inference-Header-Content-Length` gives the length of the JSON part. JSON numbers carry F32 exactly
but cannot carry NaN or infinity; binary tensors carry every bit.

AIVM adds two string parameters: `aivm_voucher` in a request and `aivm_receipt` in a response.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aivm.commitments import carried, numpy_dtype
from aivm.errors import BadInput, TooLarge, WrongTensor
from aivm.numerics.dtypes import DType

HEADER_LENGTH = "Inference-Header-Content-Length"
VOUCHER_PARAMETER = "aivm_voucher"
RECEIPT_PARAMETER = "aivm_receipt"
MAX_TENSORS = 64
MAX_RANK = 8

DATATYPES: Mapping[DType, str] = {
    DType.F32: "FP32",
    DType.F16: "FP16",
    DType.BF16: "BF16",
    DType.BOOL: "BOOL",
    DType.U8: "UINT8",
    DType.I8: "INT8",
    DType.U16: "UINT16",
    DType.I16: "INT16",
    DType.U32: "UINT32",
    DType.I32: "INT32",
    DType.U64: "UINT64",
    DType.I64: "INT64",
}
_DTYPES = {name: dtype for dtype, name in DATATYPES.items()}


@dataclass(frozen=True)
class Tensor:
    """A named tensor on the wire; `array` has the dtype `numpy_dtype(dtype)`."""

    name: str
    dtype: DType
    array: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Message:
    """A request (`outputs` names what is wanted, empty = all) or a response."""

    tensors: Sequence[Tensor]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    model: str = ""
    outputs: Sequence[str] = ()
    # Which outputs the client wants as binary; None = follow the default of the request.
    binary_outputs: bool = True


def encode_request(message: Message) -> tuple[bytes, dict[str, str]]:
    """Body and HTTP headers of a request with binary tensors that asks for binary outputs."""
    header: dict[str, Any] = {
        "id": message.id,
        "parameters": {**message.parameters, "binary_data_output": True},
    }
    if message.outputs:
        header["outputs"] = [{"name": name} for name in message.outputs]
    return _encode(header, "inputs", message.tensors, binary=True)


def encode_response(message: Message) -> tuple[bytes, dict[str, str]]:
    """Body and HTTP headers of a response; binary unless the request asked for JSON."""
    header: dict[str, Any] = {"id": message.id, "model_name": message.model}
    if message.parameters:
        header["parameters"] = dict(message.parameters)
    return _encode(header, "outputs", message.tensors, binary=message.binary_outputs)


def decode_request(body: bytes, header_length: str | None, *, max_bytes: int) -> Message:
    """Parse a request body; raises BadInput, WrongTensor or TooLarge, never anything else."""
    header, binary = _split(body, header_length, max_bytes)
    tensors = _decode_tensors(_list(header, "inputs"), binary)
    wanted = _list(header, "outputs") if "outputs" in header else []
    parameters = _parameters(header)
    return Message(
        tensors=tensors,
        parameters=parameters,
        id=str(header.get("id", "")),
        outputs=[_text(item, "name") for item in wanted],
        binary_outputs=_wants_binary(wanted, parameters),
    )


def decode_response(body: bytes, header_length: str | None, *, max_bytes: int) -> Message:
    """Parse a response body with the same strictness as a request."""
    header, binary = _split(body, header_length, max_bytes)
    return Message(
        tensors=_decode_tensors(_list(header, "outputs"), binary),
        parameters=_parameters(header),
        id=str(header.get("id", "")),
        model=str(header.get("model_name", "")),
    )


def _encode(
    header: dict[str, Any], key: str, tensors: Sequence[Tensor], *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    chunks: list[bytes] = []
    described = []
    for tensor in tensors:
        entry: dict[str, Any] = {
            "name": tensor.name,
            "shape": list(tensor.array.shape),
            "datatype": DATATYPES[tensor.dtype],
        }
        if binary:
            raw = carried(tensor.array, tensor.dtype, f"tensor {tensor.name!r}").tobytes()
            entry["parameters"] = {"binary_data_size": len(raw)}
            chunks.append(raw)
        else:
            entry["data"] = _json_values(tensor)
        described.append(entry)
    header[key] = described
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    if not binary:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
    return b"".join([text, *chunks]), headers


def _json_values(tensor: Tensor) -> list[Any]:
    if tensor.dtype in (DType.F16, DType.BF16):
        raise BadInput(
            f"output {tensor.name!r} is {DATATYPES[tensor.dtype]}, which JSON cannot carry",
            hint="Ask for binary output.",
        )
    if tensor.dtype is DType.F32 and not np.isfinite(tensor.array).all():
        raise BadInput(
            f"output {tensor.name!r} holds NaN or infinity, which JSON cannot carry",
            hint="Ask for binary output.",
        )
    values: list[Any] = tensor.array.ravel().tolist()
    return values


def _split(body: bytes, header_length: str | None, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    if len(body) > max_bytes:
        raise TooLarge(f"the body has {len(body)} bytes; the limit is {max_bytes}")
    length = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdigit():
            raise BadInput(f"{HEADER_LENGTH} is not a number")
        length = int(header_length)
        if length > len(body):
            raise BadInput(f"{HEADER_LENGTH} is {length} but the body has {len(body)} bytes")
    try:
        header = json.loads(body[:length], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the JSON part of the body cannot be parsed: {error}") from None
    if not isinstance(header, dict):
        raise BadInput("the JSON part of the body is not an object")
    return header, body[length:]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; send such tensors as binary data")


def _decode_tensors(entries: list[Any], binary: bytes) -> list[Tensor]:
    if len(entries) > MAX_TENSORS:
        raise TooLarge(f"{len(entries)} tensors; the limit is {MAX_TENSORS}")
    tensors: list[Tensor] = []
    offset = 0
    for entry in entries:
        name = _text(entry, "name")
        dtype = _DTYPES.get(_text(entry, "datatype"))
        if dtype is None:
            raise WrongTensor(f"tensor {name!r} has unknown datatype {entry['datatype']!r}")
        shape = _shape(entry, name)
        if "data" in entry:
            tensors.append(Tensor(name, dtype, _from_json(entry["data"], name, dtype, shape)))
            continue
        size = math.prod(shape) * dtype.size_bytes
        if _parameters(entry).get("binary_data_size") != size:
            raise WrongTensor(f"tensor {name!r} needs {size} bytes of binary data for its shape")
        raw = binary[offset : offset + size]
        if len(raw) != size:
            raise WrongTensor(f"the binary data ends inside tensor {name!r}")
        offset += size
        tensors.append(Tensor(name, dtype, _from_bytes(raw, name, dtype, shape)))
    if offset != len(binary):
        raise WrongTensor(f"{len(binary) - offset} bytes of binary data belong to no tensor")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise WrongTensor("two tensors have the same name")
    return tensors


def _from_bytes(
    raw: bytes, name: str, dtype: DType, shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    if dtype is DType.BOOL and raw.translate(None, b"\x00\x01"):
        raise WrongTensor(f"tensor {name!r} is BOOL but holds bytes other than 0 and 1")
    return np.frombuffer(raw, numpy_dtype(dtype)).reshape(shape)


def _from_json(data: Any, name: str, dtype: DType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if dtype in (DType.F16, DType.BF16):
        raise WrongTensor(f"tensor {name!r}: {DATATYPES[dtype]} must be sent as binary data")
    flat = _flatten(data, name)
    if len(flat) != math.prod(shape):
        raise WrongTensor(f"tensor {name!r} has {len(flat)} values but its shape is {list(shape)}")
    kind = (bool,) if dtype is DType.BOOL else (int, float) if dtype is DType.F32 else (int,)
    if not all(type(value) in kind for value in flat):
        raise WrongTensor(f"tensor {name!r} holds values that are not {DATATYPES[dtype]}")
    try:
        with np.errstate(over="raise"):
            return np.array(flat, numpy_dtype(dtype)).reshape(shape)
    except (OverflowError, FloatingPointError):
        raise WrongTensor(f"tensor {name!r} holds values outside {DATATYPES[dtype]}") from None


def _flatten(data: Any, name: str) -> list[Any]:
    """The protocol allows flat and nested lists; the rank limit bounds the depth."""
    if not isinstance(data, list):
        raise WrongTensor(f"the data of tensor {name!r} is not a list")
    for _ in range(MAX_RANK):
        if not any(isinstance(item, list) for item in data):
            flat: list[Any] = data
            return flat
        if not all(isinstance(item, list) for item in data):
            raise WrongTensor(f"the data of tensor {name!r} is nested unevenly")
        data = [value for item in data for value in item]
    raise WrongTensor(f"the data of tensor {name!r} is nested too deeply")


def _shape(entry: Any, name: str) -> tuple[int, ...]:
    shape = entry.get("shape")
    if not isinstance(shape, list) or len(shape) > MAX_RANK:
        raise WrongTensor(f"tensor {name!r} needs a shape of at most {MAX_RANK} dimensions")
    if not all(type(size) is int and 0 <= size < 2**32 for size in shape):
        raise WrongTensor(f"tensor {name!r} has a shape that is not made of sizes: {shape}")
    return tuple(shape)


def _wants_binary(outputs: list[Any], parameters: Mapping[str, Any]) -> bool:
    """One answer has one form: binary if the request or any requested output asks for it."""
    default = parameters.get("binary_data_output") is True
    return default or any(_parameters(item).get("binary_data") is True for item in outputs)


def _list(header: dict[str, Any], key: str) -> list[Any]:
    value = header.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadInput(f"{key!r} must be a list of objects")
    return value


def _parameters(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    value = entry.get("parameters", {})
    if not isinstance(value, dict):
        raise BadInput("'parameters' must be an object")
    return value


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise BadInput(f"{key!r} must be a string")
    return value
