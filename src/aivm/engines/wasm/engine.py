"""Runs tapes inside the wasm guest."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.commitments import Array
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.wasm.guest import Guest
from aivm.isa.program import Program


def create(
    *, threads: int, memory_limit_bytes: int | None, deadline_seconds: float | None
) -> WasmEngine:
    """The wasm engine; `threads` is a most, and a guest uses one."""
    del threads
    return WasmEngine(memory_limit_bytes, deadline_seconds)


class WasmEngine:
    """An `Engine`. Its memory limit counts the whole memory of the guest, weights included."""

    name = "wasm"

    def __init__(self, memory_limit_bytes: int | None, deadline_seconds: float | None) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._deadline_seconds = deadline_seconds

    def load(self, program: Program, constants: Sequence[Array]) -> TapeExecutable:
        def machine() -> Guest:
            return Guest(self._memory_limit_bytes)

        return TapeExecutable(program, constants, machine, self._deadline_seconds)
