"""Running an app: one instance, from `_start` to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import wasmtime

from aivm.errors import MalformedModule
from aivm.modules.limits import Limits
from aivm.modules.sandbox import Sandbox, compile_module, require_function, require_memory
from aivm.modules.wasi.graphs import Graph
from aivm.modules.wasi.host import Functions, bind
from aivm.modules.wasi.nn import NeuralNetworks
from aivm.modules.wasi.preview1 import Exit, Preview1


@dataclass(frozen=True)
class Run:
    """How an app ended, and what it wrote. `reasons` are its wasi-nn errors in words."""

    status: int
    stdout: bytes
    stderr: bytes
    fuel: int
    reasons: tuple[str, ...]


class App:
    """A compiled WASI program; `digest` is the SHA-256 of its bytes.

    Raises MalformedModule for one that is no command, or imports other functions than those of
    WASI preview 1 and wasi-nn, and TooLarge.
    """

    def __init__(self, wasm: bytes, entry: str, limits: Limits) -> None:
        self.digest = sha256(wasm).digest()
        self.entry = entry
        self.limits = limits
        self._module = compile_module(wasm)
        require_memory(self._module)
        require_function(self._module, entry, 0, 0)
        known = _functions_known()
        for item in self._module.imports:
            function, type_ = known.get((item.module, item.name or "")), item.type
            if not (function and isinstance(type_, wasmtime.FuncType) and function.has_type(type_)):
                raise MalformedModule(
                    f"the app imports {f'{item.module}.{item.name}'[:120]!a}, which is neither WASI"
                    " preview 1 nor wasi-nn",
                    hint="Build it for wasm32-wasi (wasm32-wasip1).",
                )

    def run(
        self,
        arguments: Sequence[bytes],
        stdin: bytes,
        seed: bytes,
        *,
        named: Mapping[str, Graph],
        load: Callable[[bytes], Graph],
    ) -> Run:
        """Runs the app on its arguments (the first is its name), standard input and seed.

        `named` are the graphs for `load_by_name`, `load` makes one of an ONNX file. Raises
        ModuleFailed (a trap), OutOfFuel, TooLarge, and what the machine's engines raise.
        """
        sandbox = Sandbox(self.limits)
        system = Preview1(sandbox, arguments, stdin, seed)
        networks = NeuralNetworks(sandbox, named, load)
        functions = {**system.functions(), **networks.functions()}
        try:
            imports = [
                bind(sandbox, functions[item.module, item.name or ""])
                for item in self._module.imports
            ]
            status = self._started(sandbox, imports)
            return Run(
                status=status,
                stdout=bytes(system.stdout.data),
                stderr=bytes(system.stderr.data),
                fuel=sandbox.fuel_used,
                reasons=tuple(networks.reasons),
            )
        finally:
            networks.close()
            sandbox.close()

    def _started(self, sandbox: Sandbox, imports: Sequence[wasmtime.Func]) -> int:
        try:
            sandbox.instantiate(self._module, imports)
            sandbox.call(sandbox.function(self.entry))
        except Exit as end:
            return end.status
        return 0


def _functions_known() -> Functions:
    """All functions that an app may import; of this instance only their types are used."""
    sandbox = Sandbox(Limits(1, 65536))
    try:
        system = Preview1(sandbox, [], b"", bytes(32))
        networks = NeuralNetworks(sandbox, {}, _nothing)
        return {**system.functions(), **networks.functions()}
    finally:
        sandbox.close()


def _nothing(_data: bytes) -> Graph:
    raise AssertionError("only the types of functions are of interest here")
