"""A kernel to be compiled, and a launch of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aivm.engines.plan.tape import Address, Word

MAX_BLOCKS = 2**31 - 1  # of a one-dimensional grid, on every GPU


@dataclass(frozen=True, slots=True)
class Kernel:
    """`body` is C in terms of `kernels/cuda`; two kernels with the same text are one kernel.

    `threads` make a block, `together` blocks are to fit on one multiprocessor, `arguments` is the
    C type of the one parameter `a`: a struct of 64-bit words.
    """

    family: str
    threads: int
    together: int
    arguments: str
    body: str

    @property
    def name(self) -> str:
        """A C identifier that no other kernel has."""
        rest = f"{self.threads} {self.together} {self.arguments} {self.body}"
        return f"{self.family}_{hashlib.sha256(rest.encode()).hexdigest()[:16]}"

    @property
    def text(self) -> str:
        """Its definition."""
        head = f"KERNEL({self.name}, {self.threads}, {self.together}, {self.arguments})"
        return f"{head} {{\n{self.body}}}\n"


@dataclass(frozen=True, slots=True)
class Launch:
    """`blocks` blocks of a kernel, with these words as its argument."""

    kernel: Kernel
    blocks: int
    words: tuple[Word, ...]

    @property
    def buffers(self) -> set[int]:
        """Every buffer that the launch reads or writes."""
        return {word.buffer for word in self.words if isinstance(word, Address)}


def source(prelude: str, kernels: Iterable[Kernel]) -> str:
    """One translation unit; the order of the kernels does not matter."""
    texts = {kernel.name: kernel.text for kernel in kernels}
    return "\n".join([prelude, *(texts[name] for name in sorted(texts))])


def distinct(launches: Sequence[Launch]) -> dict[str, Kernel]:
    """The kernels of the launches, by name."""
    return {launch.kernel.name: launch.kernel for launch in launches}
