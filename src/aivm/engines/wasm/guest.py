"""One instance of the guest: its memory, and calls into it that cost a microsecond."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
import wasmtime
from wasmtime import _bindings as bindings

from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.products import Target
from aivm.engines.wasm.compiled import guest_module
from aivm.errors import EngineUnavailable, InternalError, TooLarge

PAGE_BYTES = 65536
ADDRESS_SPACE_BYTES = 1 << 32  # of a wasm32 guest
LARGEST_VALUE_BYTES = (1 << 31) - 1  # the guest's sizes and strides have signs
HINT = "The native engine maps weights of any size from disk: --engine native."

_CANARY_BITS = {
    1: "multiply-add is not fused",
    2: "subnormal results are flushed to zero",
    4: "subnormal operands are read as zero",
    8: "rounding is not to nearest",
}


class Guest:
    """A `Machine` (see `plan.executable`) in a sandbox."""

    reads_host_memory = False
    workers = 1

    def __init__(self, memory_limit_bytes: int | None) -> None:
        engine, module = guest_module()
        self._limit_bytes = memory_limit_bytes
        self._store = wasmtime.Store(engine)
        if memory_limit_bytes is not None:
            self._store.set_limits(memory_size=memory_limit_bytes)
        try:
            exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        except wasmtime.WasmtimeError as error:
            raise TooLarge(f"the guest does not fit in {memory_limit_bytes} bytes") from error
        self._exports = exports
        memory = exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory
        self._run = FastCall(self._store, exports["aivm_run"], "i32 i32 i32 i32 i32 i32")
        self._canary = FastCall(self._store, exports["aivm_canary"], "")
        self.target = Target(
            panel_columns=self._constant("aivm_panel_columns"),
            matmul_scratch_bytes=self._constant("aivm_matmul_scratch_bytes"),
            bytes_group=self._constant("aivm_bytes_group"),
            bytes_scratch_rows=self._constant("aivm_bytes_scratch_rows"),
        )
        self._start = self._end = 0

    def _constant(self, name: str) -> int:
        """What an export without arguments returns."""
        return FastCall(self._store, self._exports[name], "")()

    def reserve(self, size_bytes: int) -> int:
        start = self._memory.data_len(self._store)
        pages = -(-(size_bytes + ALIGNMENT) // PAGE_BYTES)
        total = start + pages * PAGE_BYTES
        limit = min(self._limit_bytes or ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES)
        if total > limit:
            raise TooLarge(
                f"the program needs {total} bytes of memory, the limit is {limit}", hint=HINT
            )
        try:
            self._memory.grow(self._store, pages)
        except wasmtime.WasmtimeError as error:
            raise TooLarge(f"no {total} bytes of memory for the program: {error}") from error
        self._start, self._end = start, start + size_bytes
        return start

    def block(self) -> npt.NDArray[np.uint8]:
        buffer = self._memory.get_buffer_ptr(self._store)
        whole: npt.NDArray[np.uint8] = np.ctypeslib.as_array(buffer)
        return whole[self._start : self._end]

    def run(self, state: int, tape: int, end: int, scratch: int, scratch_bytes: int) -> int:
        del scratch_bytes  # of further workers; there is one
        self._check_arithmetic()
        return self._run(state, tape, end, scratch, 0, 1)

    def _check_arithmetic(self) -> None:
        """Refuses a thread whose floating-point mode changes results: a guest cannot set it."""
        wrong = self._canary()
        if wrong:
            found = "; ".join(text for bit, text in _CANARY_BITS.items() if wrong & bit)
            raise EngineUnavailable(
                f"this thread does not compute as numerics 1 demands: {found}",
                hint="Some library set MXCSR / FPCR (flush-to-zero); run in a thread of your own.",
            )

    def close(self) -> None:
        self._store.close()


class FastCall:
    """A guest function called without wasmtime-py's checks of every argument (130 microseconds).

    The types are checked once, here: integer parameters, as `i32 i32 ...`, and one i32 result.
    """

    def __init__(self, store: wasmtime.Store, function: Any, parameters: str) -> None:
        assert isinstance(function, wasmtime.Func)
        type_ = function.type(store)
        found = (" ".join(map(str, type_.params)), " ".join(map(str, type_.results)))
        if found != (parameters, "i32"):
            raise InternalError(f"a guest function has type {found}, expected {parameters} -> i32")
        self._size = max(len(type_.params), 1)
        self._values = (bindings.wasmtime_val_raw_t * self._size)()
        # A raw value is 16 bytes; integers are its first 4 or 8.
        self._words = (ctypes.c_int64 * (2 * self._size)).from_buffer(self._values)
        self._store = store
        self._function = function
        self._trap = ctypes.POINTER(bindings.wasm_trap_t)()

    def __call__(self, *arguments: int) -> int:
        for index, argument in enumerate(arguments):
            self._words[2 * index] = argument
        error = bindings._wasmtime_func_call_unchecked(
            self._store._context(),
            ctypes.byref(self._function._func),
            self._values,
            self._size,
            ctypes.byref(self._trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if self._trap:
            trap, self._trap = self._trap, ctypes.POINTER(bindings.wasm_trap_t)()
            raise InternalError(f"the guest trapped: {wasmtime.Trap._from_ptr(trap)}")
        return ctypes.c_int32(self._words[0] & 0xFFFFFFFF).value
