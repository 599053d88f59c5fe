"""Runs tapes inside the wasm guest."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.commitments import Array
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.wasm.guest import ADDRESS_SPACE_BYTES, HINT, LARGEST_VALUE_BYTES, Guest
from aivm.errors import TooLarge
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
        _check_sizes(program)

        def machine() -> Guest:
            return Guest(self._memory_limit_bytes)

        return TapeExecutable(program, constants, machine, self._deadline_seconds)


def _check_sizes(program: Program) -> None:
    """Refuses, before anything is read, what no guest can address. Raises TooLarge."""
    weights = sum(constant.type.size_bytes for constant in program.constants)
    largest = max((type_.size_bytes for type_ in program.value_types), default=0)
    for what, found, limit in (
        ("weights of", weights, ADDRESS_SPACE_BYTES),
        ("a tensor of", largest, LARGEST_VALUE_BYTES),
    ):
        if found > limit:
            raise TooLarge(
                f"the program has {what} {found} bytes, the sandbox's memory takes {limit}",
                hint=HINT,
            )
