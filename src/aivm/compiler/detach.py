"""A model apart from its large tensors, so that a package need not hold its weights twice.

detached = detach(load_model(data))
detached.arrays                            # what has to be stored somewhere
detached.to_bytes([("weights.safetensors", 128), ...])    # an ONNX file that finds it there
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from onnx import ModelProto, TensorProto

from aivm.commitments import Array, carried
from aivm.compiler.load import CheckedModel
from aivm.compiler.tensors import DTYPE_OF_ONNX, is_external, read_tensor
from aivm.errors import WrongTensor

LEAST_BYTES = 1024  # smaller tensors stay in the model
_FIRST_IR_WITH_PLAIN_INITIALIZERS = 4  # before it, every initializer had to be an input too
_ELEMENTS = ("raw_data", "float_data", "int32_data", "int64_data", "uint64_data", "external_data")


@dataclass(frozen=True)
class Detached:
    """`arrays[i]` are the elements that `tensors[i]`, a part of `proto`, lacks."""

    proto: ModelProto
    tensors: tuple[TensorProto, ...]
    arrays: tuple[Array, ...]

    def to_bytes(self, places: Sequence[tuple[str, int]]) -> bytes:
        """The ONNX file; `places[i]` is where `arrays[i]` lies: a path beside it, and a byte."""
        for tensor, array, (path, offset) in zip(self.tensors, self.arrays, places, strict=True):
            tensor.ClearField("external_data")
            tensor.data_location = TensorProto.EXTERNAL
            fields = {"location": path, "offset": str(offset), "length": str(array.nbytes)}
            for key, value in fields.items():
                tensor.external_data.add(key=key, value=value)
        return bytes(self.proto.SerializeToString(deterministic=True))


def detach(model: CheckedModel, bindings: Mapping[str, Array] = MappingProxyType({})) -> Detached:
    """The model with `bindings` as constants, apart from the large tensors of its main graph.

    Compiled for shapes, it gives the program that the model itself gives for these and `bindings`.
    """
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    for name, array in bindings.items():
        _bind(proto, name, np.asarray(array))
    tensors, arrays = [], []
    for tensor in _tensors(proto):
        array = read_tensor(tensor, model.files)
        if array.nbytes >= LEAST_BYTES:
            tensors.append(tensor)
            arrays.append(array)
        elif not is_external(tensor):
            continue
        for field in (*_ELEMENTS, "data_location"):
            tensor.ClearField(field)
        if array.nbytes < LEAST_BYTES:
            tensor.raw_data = array.tobytes()
    return Detached(proto, tuple(tensors), tuple(arrays))


def _tensors(proto: ModelProto) -> Iterator[TensorProto]:
    """Initializers and Constant nodes of the main graph, of types that programs know."""
    for tensor in proto.graph.initializer:
        if tensor.data_type in DTYPE_OF_ONNX:
            yield tensor
    for node in proto.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.t.data_type in DTYPE_OF_ONNX:
                yield attribute.t


def _bind(proto: ModelProto, name: str, array: Array) -> None:
    """Turns an input into an initializer."""
    graph = proto.graph
    (info,) = (info for info in graph.input if info.name == name)
    kind = info.type.tensor_type.elem_type
    if kind not in DTYPE_OF_ONNX:
        raise WrongTensor(f"input {name!r} has a type that cannot be bound")
    dense = carried(array, DTYPE_OF_ONNX[kind], f"the binding of {name!r}")
    for position, tensor in reversed(list(enumerate(graph.initializer))):
        if tensor.name == name:
            del graph.initializer[position]
    if proto.ir_version >= _FIRST_IR_WITH_PLAIN_INITIALIZERS:
        graph.input.remove(info)
    graph.initializer.add(
        name=name, data_type=kind, dims=dense.shape, raw_data=np.ascontiguousarray(dense).tobytes()
    )
