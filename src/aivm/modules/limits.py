"""How much a module may use: the manifest says it, and every runner enforces the same."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.errors import BadInput

PAGE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Limits:
    """`fuel` is the most WebAssembly instructions (and bytes moved) of one call, instantiation
    included; `memory_bytes` the most linear memory, whole pages of 64 KiB.

    Raises BadInput outside what a runner must be able to give.
    """

    fuel: int
    memory_bytes: int

    def __post_init__(self) -> None:
        if not 1 <= self.fuel <= MAX_FUEL:
            raise BadInput(f"a fuel limit of {self.fuel} is not within 1..{MAX_FUEL}")
        whole = self.memory_bytes % PAGE_BYTES == 0
        if not (whole and PAGE_BYTES <= self.memory_bytes <= MAX_MEMORY_BYTES):
            raise BadInput(
                f"a memory limit of {self.memory_bytes} bytes is not whole pages of {PAGE_BYTES}"
                f" up to {MAX_MEMORY_BYTES}"
            )


MAX_FUEL = 10**12
MAX_MEMORY_BYTES = 1 << 30
DEFAULT_LIMITS = Limits(fuel=10**9, memory_bytes=64 << 20)
MAX_LIMITS = Limits(MAX_FUEL, MAX_MEMORY_BYTES)
