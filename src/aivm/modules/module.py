"""Modules before and after a model: module interface 1, tensors in and tensors out.

A module is a WebAssembly core module without imports. It exports

    memory
    aivm_abi_1     func ()                    marks the interface; never called
    aivm_alloc     func (size i32) -> i32     the address of `size` bytes, or 0 if there are none
    <entry>        func (tensors i32, count i32) -> i32         the address of a result

where `tensors` is the address of `count` tensor records, and the result is as in `tensors.py`.
Every run has an instance of its own, so no run can leave anything behind for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from aivm.errors import MalformedModule, ModuleFailed, TooLarge
from aivm.modules.limits import Limits
from aivm.modules.sandbox import Sandbox, compile_module, require_function, require_memory
from aivm.modules.tensors import MAX_TENSORS, Tensor, read_result, records

ABI = 1
_MARK = "aivm_abi_"
_ALLOC = "aivm_alloc"


@dataclass(frozen=True)
class Outcome:
    """What a run gave, and the fuel that it used: the same on every machine."""

    outputs: list[Tensor]
    fuel: int


class Module:
    """A compiled module. Threads may share it; `digest` is the SHA-256 of its bytes.

    Raises MalformedModule for a module that imports something, speaks another interface or lacks
    `entry`, and TooLarge.
    """

    def __init__(self, wasm: bytes, entry: str, limits: Limits) -> None:
        self.digest = sha256(wasm).digest()
        self.entry = entry
        self.limits = limits
        self._module = compile_module(wasm)
        if imports := [f"{item.module}.{item.name}" for item in self._module.imports]:
            raise MalformedModule(
                f"the module imports {imports[0][:80]!a}; a module of interface 1 imports nothing",
                hint="Programs that need WASI are packed as apps.",
            )
        require_memory(self._module)
        marks = [item.name for item in self._module.exports if item.name.startswith(_MARK)]
        if marks != [f"{_MARK}{ABI}"]:
            raise MalformedModule(
                f"the module exports {', '.join(marks) or 'no mark of an interface'}; it must"
                f" export the function {_MARK}{ABI}"
            )
        require_function(self._module, f"{_MARK}{ABI}", 0, 0)
        require_function(self._module, _ALLOC, 1, 1)
        require_function(self._module, entry, 2, 1)

    def run(self, inputs: Sequence[Tensor]) -> Outcome:
        """One call in a fresh instance. Raises ModuleFailed, OutOfFuel, TooLarge.

        EngineUnavailable says that the thread's floating-point mode is not IEEE 754's default.
        """
        if len(inputs) > MAX_TENSORS:
            raise TooLarge(f"{len(inputs)} tensors for a module, {MAX_TENSORS} are allowed")
        sandbox = Sandbox(self.limits)
        try:
            sandbox.instantiate(self._module)
            addresses = [_put(sandbox, _bytes_of(tensor)) for tensor in inputs]
            table = _put(sandbox, records(inputs, addresses))
            result = sandbox.call(sandbox.function(self.entry), table, len(inputs))
            return Outcome(read_result(sandbox, result), sandbox.fuel_used)
        finally:
            sandbox.close()


def _put(sandbox: Sandbox, data: bytes | memoryview) -> int:
    """Copies `data` to memory that the module has allocated for it."""
    sandbox.charge(len(data))
    if len(data) > sandbox.limits.memory_bytes:
        raise TooLarge(f"an input of {len(data)} bytes does not fit in the module's memory")
    address = sandbox.call(sandbox.function(_ALLOC), len(data))
    if address == 0 and len(data):
        raise ModuleFailed(f"the module has no memory for {len(data)} bytes of input")
    sandbox.write(address, data)
    return address


def _bytes_of(tensor: Tensor) -> memoryview:
    return np.ascontiguousarray(tensor.array).reshape(-1).view(np.uint8).data
