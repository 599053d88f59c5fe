"""Runs tapes in this process, by ctypes calls into the shared library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from aivm import kernels
from aivm.commitments import Array
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.prepared import PreparedUnits
from aivm.engines.plan.products import Target
from aivm.errors import TooLarge
from aivm.isa.program import Program


def create(
    *, threads: int, memory_limit_bytes: int | None, deadline_seconds: float | None
) -> NativeEngine:
    """The native engine with the library for this CPU; EngineUnavailable where there is none."""
    prepared = PreparedUnits.of_kernels(kernels.digest(kernels.native_targets()[0]))
    return NativeEngine(kernels.library(), threads, memory_limit_bytes, deadline_seconds, prepared)


class NativeEngine:
    """An `Engine`. Its memory limit does not count constants, which stay where they are, nor what
    is shared of what was made from them.
    """

    name = "native"

    def __init__(
        self,
        library: ctypes.CDLL,
        threads: int,
        memory_limit_bytes: int | None,
        deadline_seconds: float | None,
        prepared: PreparedUnits | None = None,
    ) -> None:
        self._library = library
        self._prepared = prepared
        self._threads = threads
        self._memory_limit_bytes = memory_limit_bytes
        self._deadline_seconds = deadline_seconds
        _declare(library)

    def load(self, program: Program, constants: Sequence[Array]) -> TapeExecutable:
        def machine() -> NativeMachine:
            return NativeMachine(self._library, self._threads, self._memory_limit_bytes)

        return TapeExecutable(program, constants, machine, self._deadline_seconds, self._prepared)


class NativeMachine:
    """A block of memory of this process, and threads that share the work on it."""

    reads_host_memory = True

    def __init__(self, library: ctypes.CDLL, workers: int, memory_limit_bytes: int | None) -> None:
        self._run = library.aivm_run
        self.workers = workers
        self._limit_bytes = memory_limit_bytes
        self._block: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._threads = ThreadPoolExecutor(workers - 1, "aivm") if workers > 1 else None
        self.target = Target(
            panel_columns=library.aivm_panel_columns(),
            matmul_scratch_bytes=library.aivm_matmul_scratch_bytes(),
            bytes_group=library.aivm_bytes_group(),
            bytes_scratch_rows=library.aivm_bytes_scratch_rows(),
            workers=workers,
        )

    def reserve(self, size_bytes: int) -> int:
        if self._limit_bytes is not None and size_bytes > self._limit_bytes:
            raise TooLarge(
                f"the program needs {size_bytes} bytes of memory, the limit is {self._limit_bytes}"
            )
        try:
            whole = np.empty(size_bytes + ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise TooLarge(f"no {size_bytes} bytes of memory for the program") from error
        skip = -whole.ctypes.data % ALIGNMENT
        self._block = whole[skip : skip + size_bytes]
        return int(self._block.ctypes.data)

    def block(self) -> npt.NDArray[np.uint8]:
        return self._block

    def run(self, state: int, tape: int, end: int, scratch: int, scratch_bytes: int) -> int:
        def work(worker: int) -> int:
            at = scratch + worker * scratch_bytes
            return int(self._run(state, tape, end, at, worker, self.workers))

        if self._threads is None:
            return work(0)
        others = [self._threads.submit(work, worker) for worker in range(1, self.workers)]
        stopped = work(0)
        for other in others:
            other.result()
        return stopped

    def close(self) -> None:
        self._block = np.zeros(0, np.uint8)
        if self._threads is not None:
            self._threads.shutdown()


def _declare(library: ctypes.CDLL) -> None:
    library.aivm_run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int32] * 2
    library.aivm_run.restype = ctypes.c_int32
