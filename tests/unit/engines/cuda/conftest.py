"""The engine on an emulated GPU, and a way to compare it with the wasm engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from aivm.commitments import Array
from aivm.engines import open_engine
from aivm.engines.cuda import CudaEngine
from aivm.engines.cuda.products import GpuTarget
from aivm.isa.program import Program
from aivm.testing.gpu import EmulatedDevice, EmulatedGpu

Check = Callable[..., list[Array]]


@pytest.fixture(scope="session")
def gpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[GpuTarget], EmulatedGpu]:
    """Emulated GPUs by what they are, with their compiled kernels."""
    made: dict[GpuTarget, EmulatedGpu] = {}

    def gpu(target: GpuTarget) -> EmulatedGpu:
        if target not in made:
            made[target] = EmulatedGpu(tmp_path_factory.mktemp("emulated"), target)
        return made[target]

    return gpu


@pytest.fixture
def check(gpus: Callable[[GpuTarget], EmulatedGpu]) -> Check:
    """Runs a program twice on an emulated GPU, and demands the bytes of the wasm engine."""

    def run(
        program: Program,
        constants: Sequence[Array],
        inputs: Sequence[Array],
        target: GpuTarget | None = None,
    ) -> list[Array]:
        gpu = gpus(target or GpuTarget((9, 0), 8))
        engine = CudaEngine(lambda: EmulatedDevice(gpu), None, None)
        wasm = open_engine("wasm").load(program, constants)
        expected = wasm.run(inputs)
        wasm.close()
        executable = engine.load(program, constants)
        for _ in range(2):
            found = executable.run(inputs)
            for ours, theirs in zip(found, expected, strict=True):
                assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
                assert ours.tobytes() == theirs.tobytes()
        executable.close()
        return found

    return run
