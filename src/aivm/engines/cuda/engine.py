"""The engine: one device for every loaded program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aivm.commitments import Array
from aivm.engines.cuda.device import Device
from aivm.engines.cuda.driver import NvidiaDevice, NvidiaGpu
from aivm.engines.cuda.executable import CudaExecutable
from aivm.isa.program import Program


def create(
    *, threads: int, memory_limit_bytes: int | None, deadline_seconds: float | None
) -> CudaEngine:
    """The engine on the first GPU that the driver shows (CUDA_VISIBLE_DEVICES chooses among them).

    `threads` is a most, of the host's; one feeds the GPU. Raises EngineUnavailable.
    """
    del threads
    gpu = NvidiaGpu.find()
    return CudaEngine(lambda: NvidiaDevice(gpu), memory_limit_bytes, deadline_seconds)


class CudaEngine:
    """An `Engine`. Its memory limit counts all GPU memory of an executable, weights included."""

    name = "cuda"

    def __init__(
        self,
        open_device: Callable[[], Device],
        memory_limit_bytes: int | None,
        deadline_seconds: float | None,
    ) -> None:
        self._open_device = open_device
        self._memory_limit_bytes = memory_limit_bytes
        self._deadline_seconds = deadline_seconds

    def load(self, program: Program, constants: Sequence[Array]) -> CudaExecutable:
        device = self._open_device()
        try:
            return CudaExecutable(
                program, constants, device, self._memory_limit_bytes, self._deadline_seconds
            )
        except BaseException:
            device.close()
            raise
