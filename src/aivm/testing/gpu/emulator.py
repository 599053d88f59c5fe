"""A `Device` of the CUDA engine whose kernels run on this CPU; emulator.h says what it checks."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aivm import kernels as kernel_sources
from aivm.engines.cuda.device import Function, Words
from aivm.engines.cuda.kernel import Kernel, source
from aivm.engines.cuda.products import GpuTarget
from aivm.errors import InternalError, TooLarge

SHIM = Path(__file__).with_name("emulator.h")
ALIGNMENT = 256
GARBAGE = 0xA5  # what fresh device memory holds
GUARD_BYTES = 256
KERNELS_PER_LIBRARY = 48  # a compiler's time grows faster than its input
_STATUS = {
    1: "a barrier was reached by some threads of the block only",
    2: "an exchange within a warp lacks lanes",
}
# Misaligned, out-of-range and oversized operations end the process: a GPU would go on with garbage.
_FLAGS = (
    *(
        "-xc++",
        "-std=c++17",
        "-fno-exceptions",
        "-fno-rtti",
        "-O1",
        "-g0",
        "-fPIC",
        "-shared",
        "-mcpu=native",
        "-ffp-contract=off",
    ),
    "-fsanitize=alignment,bounds,shift,integer-divide-by-zero,float-cast-overflow",
    *("-fsanitize-trap=all", "-Wno-unknown-pragmas", "-Wno-pass-failed"),
)


class EmulatedGpu:
    """Compiled kernels, shared by all devices; `folder` keeps them between runs of the tests."""

    def __init__(self, folder: Path, target: GpuTarget | None = None, seed: int = 1) -> None:
        self.target = target or GpuTarget((9, 0), 8)
        self.seed = seed
        self._folder = folder
        self._functions: dict[str, Any] = {}

    def prepare(self, kernels: Iterable[Kernel]) -> None:
        """Compiles what is missing, many kernels at a time: that is what takes long."""
        missing = {k.name: k for k in kernels if k.name not in self._functions}
        names = sorted(missing)
        parts = [names[at : at + KERNELS_PER_LIBRARY] for at in range(0, len(names), 48)]
        for part in parts:
            library = ctypes.CDLL(str(self._compiled([missing[name] for name in part])))
            for name in part:
                function = getattr(library, f"{name}_run")
                function.argtypes = (ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint)
                self._functions[name] = function

    def function(self, name: str) -> Any:
        return self._functions[name]

    def _compiled(self, kernels: list[Kernel]) -> Path:
        shim = SHIM.read_text(encoding="utf-8")
        text = source(shim + kernel_sources.cuda_source(), kernels)
        digest = hashlib.sha256(f"{_FLAGS}{text}".encode()).hexdigest()
        library = self._folder / f"emulated-{digest[:32]}.so"
        if library.exists():
            return library
        self._folder.mkdir(parents=True, exist_ok=True)
        own = f"{os.getpid()}-{library.stem}"
        code, built = self._folder / f"{own}.cpp", self._folder / f"{own}.so"
        code.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-o", str(built), str(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InternalError(f"the kernels do not compile for the emulator: {done.stderr}")
        code.unlink()
        built.replace(library)
        return library


class EmulatedDevice:
    """A `Device` of an emulated GPU. Every run takes the threads in another order."""

    def __init__(self, gpu: EmulatedGpu, memory_bytes: int | None = None) -> None:
        self._gpu = gpu
        self._memory_bytes = memory_bytes
        self._blocks: dict[int, tuple[npt.NDArray[np.uint8], int]] = {}  # with their size
        self._seed = gpu.seed
        self.launches = 0

    @property
    def target(self) -> GpuTarget:
        return self._gpu.target

    def enter(self) -> None:
        return

    def allocate(self, size_bytes: int) -> int:
        if self._memory_bytes is not None and size_bytes > self._memory_bytes:
            raise TooLarge("the GPU has no memory left (emulated)")
        whole = np.full(size_bytes + ALIGNMENT + GUARD_BYTES, GARBAGE, np.uint8)
        address = whole.ctypes.data + -whole.ctypes.data % ALIGNMENT
        self._blocks[address] = whole, size_bytes
        return int(address)

    def release(self, address: int) -> None:
        whole, size = self._blocks.pop(address)
        start = address - whole.ctypes.data
        if (whole[:start] != GARBAGE).any() or (whole[start + size :] != GARBAGE).any():
            raise InternalError("a kernel wrote outside the device memory it was given")

    def compiled(self, kernels: Mapping[str, Kernel]) -> Mapping[str, Function]:
        self._gpu.prepare(kernels.values())
        return {name: self._function(name) for name in kernels}

    def _function(self, name: str) -> Function:
        run = self._gpu.function(name)

        def launch(blocks: int, words: Words) -> None:
            self._seed += 1
            self.launches += 1
            status = run(blocks, words.ctypes.data, self._seed)
            if status:
                raise InternalError(f"{name}: {_STATUS[status]}")

        return launch

    def upload(self, address: int, content: npt.NDArray[Any]) -> None:
        assert content.flags.c_contiguous
        ctypes.memmove(address, content.ctypes.data, content.nbytes)

    def download(self, address: int, content: npt.NDArray[Any]) -> None:
        assert content.flags.c_contiguous
        ctypes.memmove(content.ctypes.data, address, content.nbytes)

    def keep_pace(self, ahead: int) -> None:
        """Every launch here is done when it returns."""

    def close(self) -> None:
        self._blocks.clear()
