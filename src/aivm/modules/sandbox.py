"""The sandbox: one instance of a module in a store of its own, for one job.

Nothing that could differ between two machines is switched on: relaxed SIMD, threads, 64-bit and
shared memories are refused when the module is compiled, every NaN that arithmetic makes is the
canonical one, and fuel is counted the same way each time. What remains is the native stack: how
deep calls may go depends on the compiler, so a module that recurses without bound traps everywhere,
though not at the same depth. A trap is never a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import wasmtime

from aivm.engines.wasm.compiled import cached_module
from aivm.errors import (
    AivmError,
    EngineUnavailable,
    MalformedModule,
    ModuleFailed,
    OutOfFuel,
    TooLarge,
)
from aivm.modules.limits import Limits

# Compiling is not metered; the worst modules known cost some 10 us of CPU a byte.
MAX_MODULE_BYTES = 4 << 20
_STACK_BYTES = 1 << 20
_TABLE_ELEMENTS = 1 << 16
_REASON_CHARACTERS = 300
# Everything that decides the machine code: the cache on disk is keyed by it.
_CONFIGURATION = ("module", "fuel", "nan-canonical", "opt-speed", f"stack-{_STACK_BYTES}")
_OFF = (
    "component_model",
    "custom_page_sizes",
    "exceptions",
    "function_references",
    "gc",
    "memory64",
    "multi_memory",
    "relaxed_simd",
    "stack_switching",
    "tail_call",
    "threads",
    "wide_arithmetic",
)


@cache
def engine() -> wasmtime.Engine:
    """The engine of all modules: metered and deterministic."""
    config = wasmtime.Config()
    for feature in _OFF:
        setattr(config, f"wasm_{feature}", False)
    config.consume_fuel = True
    config.cranelift_nan_canonicalization = True
    config.cranelift_opt_level = "speed"
    config.max_wasm_stack = _STACK_BYTES
    return wasmtime.Engine(config)


def compile_module(wasm: bytes) -> wasmtime.Module:
    """The module as code. Raises MalformedModule, TooLarge."""
    if len(wasm) > MAX_MODULE_BYTES:
        raise TooLarge(f"a module of {len(wasm)} bytes is over {MAX_MODULE_BYTES}")
    try:
        return cached_module(engine(), wasm, _CONFIGURATION)
    except wasmtime.WasmtimeError as error:
        raise MalformedModule(f"the module cannot be used: {_reason(error)}") from None


def require_function(module: wasmtime.Module, name: str, parameters: int, results: int) -> None:
    """Raises MalformedModule unless `name` is an exported function of so many i32."""
    type_ = next((item.type for item in module.exports if item.name == name), None)
    if not isinstance(type_, wasmtime.FuncType):
        raise MalformedModule(f"the module exports no function {name!a}")
    takes, gives = ([str(kind) for kind in kinds] for kinds in (type_.params, type_.results))
    if (takes, gives) != (["i32"] * parameters, ["i32"] * results):
        raise MalformedModule(
            f"{name} takes ({', '.join(takes)}) and gives ({', '.join(gives)}),"
            f" not {parameters} and {results} i32"
        )


def require_memory(module: wasmtime.Module) -> None:
    """Raises MalformedModule unless the module exports its memory as `memory`."""
    kinds = {item.name: item.type for item in module.exports}
    if not isinstance(kinds.get("memory"), wasmtime.MemoryType):
        raise MalformedModule("the module does not export its memory as 'memory'")


class Sandbox:
    """A store with its fuel and memory cap, and at most one instance in it."""

    def __init__(self, limits: Limits) -> None:
        _check_float_mode()
        self.limits = limits
        self.store = wasmtime.Store(engine())
        self.store.set_fuel(limits.fuel)
        self.store.set_limits(
            memory_size=limits.memory_bytes,
            table_elements=_TABLE_ELEMENTS,
            instances=1,
            tables=8,
            memories=1,
        )
        self._exports: Mapping[str, Any] | None = None
        self._memory: wasmtime.Memory | None = None

    def instantiate(self, module: wasmtime.Module, imports: Sequence[Any] = ()) -> None:
        """Makes the instance and runs its start function, if it has one.

        Raises TooLarge where its memory or tables are over the limit, and as `call` does.
        """
        try:
            instance = wasmtime.Instance(self.store, module, list(imports))
        except wasmtime.Trap as trap:
            raise self._failure(trap) from None
        except wasmtime.WasmtimeError as error:
            raise TooLarge(f"the module does not fit its limits: {_reason(error)}") from None
        self._exports = dict(instance.exports(self.store))
        self.use_memory(self._exports["memory"])

    def use_memory(self, memory: Any) -> None:
        """`memory` is the instance's export of that name, which `require_memory` has checked."""
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory

    def function(self, name: str) -> wasmtime.Func:
        """An exported function, whose presence and type `require_function` has checked."""
        assert self._exports is not None
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        return function

    def call(self, function: wasmtime.Func, *arguments: int) -> int:
        """Calls it; an i32 result comes back unsigned, no result as 0.

        Raises OutOfFuel and ModuleFailed (any other trap).
        """
        try:
            result = function(self.store, *(_signed(argument) for argument in arguments))
        except wasmtime.Trap as trap:
            raise self._failure(trap) from None
        return 0 if result is None else int(result) & 0xFFFFFFFF

    @property
    def fuel_used(self) -> int:
        return self.limits.fuel - self.store.get_fuel()

    def charge(self, fuel: int) -> None:
        """Takes fuel for what the host does on the module's behalf. Raises OutOfFuel."""
        left = self.store.get_fuel()
        if fuel > left:
            self.store.set_fuel(0)
            raise self._out_of_fuel()
        self.store.set_fuel(left - fuel)

    def read(self, address: int, size: int) -> bytes:
        """A copy of guest memory. Raises ModuleFailed outside it."""
        self._check_range(address, size)
        assert self._memory is not None
        return bytes(self._memory.read(self.store, address, address + size))

    def write(self, address: int, data: bytes | memoryview) -> None:
        """Copies into guest memory. Raises ModuleFailed outside it."""
        self._check_range(address, len(data))
        assert self._memory is not None
        if len(data):
            self._memory.write(self.store, bytearray(data), address)

    def close(self) -> None:
        self.store.close()

    def _check_range(self, address: int, size: int) -> None:
        assert self._memory is not None
        length = self._memory.data_len(self.store)
        if address + size > length:
            raise ModuleFailed(
                f"the module named {size} bytes at {address}, its memory has {length}"
            )

    def _failure(self, trap: wasmtime.Trap) -> AivmError:
        if trap.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
            return self._out_of_fuel()
        if trap.trap_code is wasmtime.TrapCode.STACK_OVERFLOW:
            return ModuleFailed("the module trapped: calls are nested too deeply")
        return ModuleFailed(f"the module trapped: {_reason(trap)}")

    def _out_of_fuel(self) -> OutOfFuel:
        return OutOfFuel(
            f"the module did not end within its {self.limits.fuel} units of fuel",
            hint="Give it less input, or ask the publisher for a higher limit.",
        )


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def _reason(error: Exception) -> str:
    """The last line, which says why; the lines before it are a backtrace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:_REASON_CHARACTERS] if lines else "no reason given"


def _check_float_mode() -> None:
    """Refuses a thread in which arithmetic is not IEEE-754's default: code cannot set it back."""
    tiny, half_ulp = 2.0**-1022, 2.0**-53
    subnormals = _product(tiny, 0.5) != 0.0 and _product(tiny / 2, 2.0) == tiny
    to_nearest = _sum(1.0, half_ulp) == 1.0 and _sum(1.0, 3 * half_ulp) == 1.0 + 4 * half_ulp
    if not (subnormals and to_nearest):
        raise EngineUnavailable(
            "this thread does not compute as IEEE 754's default mode demands",
            hint="Some library set MXCSR / FPCR (flush-to-zero); run in a thread of your own.",
        )


def _product(left: float, right: float) -> float:
    return left * right


def _sum(left: float, right: float) -> float:
    return left + right
