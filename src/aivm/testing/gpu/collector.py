"""An engine that only notes which kernels programs need on a GPU, so that a test can compile all of
them at once; its results are those of the wasm engine."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.commitments import Array
from aivm.engines import Executable, open_engine
from aivm.engines.cuda.kernel import Kernel
from aivm.engines.cuda.plan import plan_inference, plan_trace
from aivm.engines.cuda.products import GpuTarget
from aivm.isa.program import Program


class KernelCollector:
    """An `Engine` for a rehearsal: `kernels` is what all programs loaded so far need."""

    name = "kernel collector"

    def __init__(self, target: GpuTarget, *, traces: bool = False) -> None:
        self.kernels: dict[str, Kernel] = {}
        self._target = target
        self._traces = traces

    def load(self, program: Program, constants: Sequence[Array]) -> Executable:
        self.kernels |= plan_inference(program, self._target).kernels
        if self._traces:
            self.kernels |= plan_trace(program, self._target).kernels
        return open_engine("wasm").load(program, constants)
