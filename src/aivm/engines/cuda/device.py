"""What the engine asks of a GPU: memory, compiled kernels, launches in order.

`driver.NvidiaDevice` is the real one. Tests put an emulator in its place, which compiles the same
kernels for the CPU; nothing else in this package knows which of them it talks to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aivm.engines.cuda.kernel import Kernel
from aivm.engines.cuda.products import GpuTarget

Words = npt.NDArray[np.int64]


class Function(Protocol):
    """A compiled kernel, ready to be launched on its device."""

    def __call__(self, blocks: int, words: Words) -> None:
        """Queues a launch; `words` is the kernel's argument, and is copied at once."""
        ...


class Device(Protocol):
    """One queue of work on one GPU. Everything queued happens in order."""

    @property
    def target(self) -> GpuTarget: ...

    def enter(self) -> None:
        """To be called by a thread before its first call of anything else."""
        ...

    def allocate(self, size_bytes: int) -> int:
        """The address of memory that starts at a multiple of 256 bytes. Raises TooLarge."""
        ...

    def release(self, address: int) -> None: ...

    def compiled(self, kernels: Mapping[str, Kernel]) -> Mapping[str, Function]:
        """The kernels, by name, as functions. Raises EngineUnavailable."""
        ...

    def upload(self, address: int, content: npt.NDArray[Any]) -> None:
        """Queues a copy of a dense array to the device; the array may change afterwards."""
        ...

    def download(self, address: int, content: npt.NDArray[Any]) -> None:
        """Fills a dense array from the device, once all that was queued is done."""
        ...

    def keep_pace(self, ahead: int) -> None:
        """Waits until at most the last `ahead` calls of this are not yet reached by the device."""
        ...

    def close(self) -> None:
        """Gives everything back; closing twice is harmless."""
        ...
