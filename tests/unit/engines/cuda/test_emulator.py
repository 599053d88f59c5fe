"""The emulator finds what hardware would leave undefined: it is what the other tests rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aivm.engines.cuda.kernel import Kernel
from aivm.errors import InternalError
from aivm.testing.gpu import EmulatedDevice, EmulatedGpu


def kernel(name: str, body: str, threads: int = 64) -> Kernel:
    return Kernel(name, threads, 1, "addresses<1>", f"    u32 *x = (u32 *)a.at[0];\n{body}")


REVERSED = kernel(
    "reversed",
    """    __shared__ u32 held[64];
    held[threadIdx.x] = threadIdx.x;
    __syncthreads();
    x[threadIdx.x] = held[63 - threadIdx.x];
""",
)
UNSAFE = kernel(  # as REVERSED, without the barrier
    "unsafe",
    """    __shared__ u32 held[64];
    held[threadIdx.x] = threadIdx.x + 1000 * blockIdx.x;
    x[threadIdx.x] = held[63 - threadIdx.x];
""",
)
DIVERGENT = kernel("divergent", "    if (threadIdx.x < 63) __syncthreads();\n    x[0] = 1;\n")
LONELY = kernel(
    "lonely",
    "    if (threadIdx.x != 5) x[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 1, 16);\n",
)
EXCHANGED = kernel(
    "exchanged",
    "    x[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 8, 16);\n",
)
OUTSIDE = kernel("outside", "    x[64 + threadIdx.x] = 7;\n")
ALL = (REVERSED, UNSAFE, DIVERGENT, LONELY, EXCHANGED, OUTSIDE)


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> EmulatedGpu:
    made = EmulatedGpu(tmp_path_factory.mktemp("emulator"))
    made.prepare(ALL)
    return made


def run(gpu: EmulatedGpu, kernel: Kernel, blocks: int = 1) -> list[int]:
    """What the kernel leaves in 64 words."""
    device = EmulatedDevice(gpu)
    address = device.allocate(256)
    function = device.compiled({kernel.name: kernel})[kernel.name]
    function(blocks, np.array([address], np.int64))
    words = np.zeros(64, np.uint32)
    device.download(address, words)
    device.release(address)
    return [int(word) for word in words]


def test_a_barrier_separates_what_is_before_and_after(gpu: EmulatedGpu) -> None:
    assert run(gpu, REVERSED) == list(range(63, -1, -1))


def test_a_missing_barrier_shows(gpu: EmulatedGpu) -> None:
    run(gpu, UNSAFE)
    assert run(gpu, UNSAFE, blocks=2) != list(range(63, -1, -1))


def test_lanes_exchange(gpu: EmulatedGpu) -> None:
    assert run(gpu, EXCHANGED) == [thread ^ 8 for thread in range(64)]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [(DIVERGENT, "barrier"), (LONELY, "lacks lanes"), (OUTSIDE, "outside the device memory")],
    ids=["divergent", "lonely", "outside"],
)
def test_undefined_behaviour_is_an_error(gpu: EmulatedGpu, kernel: Kernel, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        run(gpu, kernel)


def test_what_does_not_compile_is_said(tmp_path: Path) -> None:
    broken = kernel("broken", "    undefined_thing();\n")
    with pytest.raises(InternalError, match="undefined_thing"):
        EmulatedGpu(tmp_path).prepare([broken])
