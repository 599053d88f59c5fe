"""`wasi_ephemeral_nn`: the standard imports by which a program calls a model.

Source: wasi-nn's witx description, as Wasmtime, WasmEdge and WAMR implement it (`load_by_name`, and
tensor types with F64 and I64). Graphs are ONNX files that the program brings along, or programs of
the package by their names. Errors that depend on the machine (no memory, too slow) end the app;
only what is the same everywhere is told to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.commitments.tensors import MAX_RANK
from aivm.errors import (
    AivmError,
    InvalidIndex,
    MalformedModel,
    UnsupportedModel,
    WrongTensor,
)
from aivm.modules.sandbox import Sandbox
from aivm.modules.tensors import Tensor
from aivm.modules.wasi.graphs import Graph
from aivm.modules.wasi.host import Functions, HostFunction
from aivm.numerics.dtypes import DType

NAME = "wasi_ephemeral_nn"
LOAD_FUEL_PER_BYTE = 100  # parsing and compiling a model

SUCCESS, INVALID_ARGUMENT, INVALID_ENCODING, MISSING_MEMORY, BUSY = range(5)
RUNTIME_ERROR, UNSUPPORTED_OPERATION, TOO_LARGE, NOT_FOUND = range(5, 9)
_ONNX, _AUTODETECT, _LAST_ENCODING = 1, 5, 5
_CPU, _LAST_TARGET = 0, 2
_TENSOR_TYPES = {0: DType.F16, 1: DType.F32, 3: DType.U8, 4: DType.I32, 5: DType.I64}
_F64 = 2
_TENSOR = struct.Struct("<IIB3xII")  # dimensions, their number, type, data, its size
_MAX_HANDLES = 256
_MAX_NAME_BYTES = 256
_CODES: dict[type[AivmError], int] = {
    MalformedModel: INVALID_ENCODING,
    UnsupportedModel: UNSUPPORTED_OPERATION,
    WrongTensor: INVALID_ARGUMENT,
    InvalidIndex: RUNTIME_ERROR,
}


@dataclass
class _Context:
    """An execution context: a graph, the inputs set so far, and the outputs of the last run."""

    graph: Graph
    inputs: dict[int, Tensor] = field(default_factory=dict)
    outputs: list[Tensor] | None = None


class NeuralNetworks:
    """The graphs and contexts of one app. `reasons` says in words what its errors were."""

    def __init__(
        self, sandbox: Sandbox, named: Mapping[str, Graph], load: Callable[[bytes], Graph]
    ) -> None:
        self._sandbox = sandbox
        self._named = named
        self._load_onnx = load
        self._graphs: list[Graph] = []
        self._contexts: list[_Context] = []
        self._held_bytes = 0  # by the inputs of all contexts
        self.reasons: list[str] = []

    def functions(self) -> Functions:
        table: dict[str, tuple[str, Callable[..., int]]] = {
            "load": ("iiiii", self._load),
            "load_by_name": ("iii", self._load_by_name),
            "init_execution_context": ("ii", self._init_execution_context),
            "set_input": ("iii", self._set_input),
            "compute": ("i", self._compute),
            "get_output": ("iiiii", self._get_output),
        }
        return {
            (NAME, name): HostFunction(parameters, self._told(name, call), MISSING_MEMORY)
            for name, (parameters, call) in table.items()
        }

    def close(self) -> None:
        for graph in self._graphs:
            graph.close()

    def _told(self, name: str, call: Callable[..., int]) -> Callable[..., int]:
        """The function, with errors that are the same on every machine as numbers."""

        def function(*arguments: int) -> int:
            try:
                return call(*arguments)
            except tuple(_CODES) as error:
                self.reasons.append(f"{name}: {error.message}")
                return _CODES[type(error)]

        return function

    def _load(self, builders: int, count: int, encoding: int, target: int, result: int) -> int:
        if encoding > _LAST_ENCODING or target > _LAST_TARGET or count != 1:
            return INVALID_ARGUMENT
        if encoding not in (_ONNX, _AUTODETECT):
            raise MalformedModel(f"graph encoding {encoding} is not ONNX ({_ONNX})")
        if target != _CPU:
            raise UnsupportedModel("the execution target must be the CPU (0)")
        address, size = struct.unpack("<II", self._sandbox.read(builders, 8))
        self._sandbox.charge(size * LOAD_FUEL_PER_BYTE)
        data = self._sandbox.read(address, size)
        return self._add_graph(self._load_onnx(data), result)

    def _load_by_name(self, address: int, size: int, result: int) -> int:
        name = self._sandbox.read(address, min(size, _MAX_NAME_BYTES + 1)).decode(
            "utf-8", "replace"
        )
        graph = self._named.get(name)
        if graph is None:
            known = ", ".join(sorted(self._named)) or "none"
            self.reasons.append(f"load_by_name: no graph {name[:80]!a}; there is: {known}")
            return NOT_FOUND
        return self._add_graph(graph, result)

    def _add_graph(self, graph: Graph, result: int) -> int:
        if len(self._graphs) >= _MAX_HANDLES:
            return TOO_LARGE
        self._write_word(result, len(self._graphs))
        self._graphs.append(graph)
        return SUCCESS

    def _init_execution_context(self, graph: int, result: int) -> int:
        if graph >= len(self._graphs):
            return INVALID_ARGUMENT
        if len(self._contexts) >= _MAX_HANDLES:
            return TOO_LARGE
        self._write_word(result, len(self._contexts))
        self._contexts.append(_Context(self._graphs[graph]))
        return SUCCESS

    def _set_input(self, context: int, index: int, tensor: int) -> int:
        if context >= len(self._contexts):
            return INVALID_ARGUMENT
        inputs = self._contexts[context].inputs
        self._contexts[context].graph.check_index(index)
        given = self._read_tensor(tensor)
        replaced = inputs[index].array.nbytes if index in inputs else 0
        held = self._held_bytes - replaced + given.array.nbytes
        if held > self._sandbox.limits.memory_bytes:
            self.reasons.append(f"set_input: the inputs of all contexts would be {held} bytes")
            return TOO_LARGE
        self._held_bytes = held
        inputs[index] = given
        return SUCCESS

    def _read_tensor(self, address: int) -> Tensor:
        fields = _TENSOR.unpack(self._sandbox.read(address, _TENSOR.size))
        dimensions, rank, code, data, size = fields
        if code == _F64:
            raise UnsupportedModel("F64 tensors have no definition in numerics 1")
        dtype = _TENSOR_TYPES.get(code)
        if dtype is None or rank > MAX_RANK:
            raise WrongTensor(f"a tensor of type {code} and rank {rank}")
        shape = struct.unpack(f"<{rank}I", self._sandbox.read(dimensions, 4 * rank))
        if prod(shape) * dtype.size_bytes != size:
            raise WrongTensor(f"{size} bytes are not a {dtype.name} tensor of shape {shape}")
        self._sandbox.charge(size)
        content = self._sandbox.read(data, size)
        return Tensor(dtype, np.frombuffer(content, numpy_dtype(dtype)).reshape(shape))

    def _compute(self, context: int) -> int:
        if context >= len(self._contexts):
            return INVALID_ARGUMENT
        found = self._contexts[context]
        found.outputs = None
        found.outputs = found.graph.compute(found.inputs, self._sandbox.charge)
        return SUCCESS

    def _get_output(self, context: int, index: int, buffer: int, room: int, written: int) -> int:
        if context >= len(self._contexts):
            return INVALID_ARGUMENT
        outputs = self._contexts[context].outputs
        if outputs is None:
            self.reasons.append("get_output: nothing has been computed")
            return RUNTIME_ERROR
        if index >= len(outputs):
            return INVALID_ARGUMENT
        data = np.ascontiguousarray(outputs[index].array).tobytes()
        if len(data) > room:
            self.reasons.append(f"get_output: {len(data)} bytes do not fit in {room}")
            return TOO_LARGE
        self._sandbox.charge(len(data))
        self._sandbox.write(buffer, data)
        self._write_word(written, len(data))
        return SUCCESS

    def _write_word(self, address: int, word: int) -> None:
        self._sandbox.write(address, struct.pack("<I", word))
