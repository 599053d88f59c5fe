"""The real GPU, through the CUDA driver API (libcuda, which comes with NVIDIA's driver)."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy.typing as npt

from aivm import kernels as kernel_sources
from aivm.engines.cuda.device import Function, Words
from aivm.engines.cuda.kernel import Kernel, source
from aivm.engines.cuda.nvrtc import PACKAGE_HINT, Code, Nvrtc
from aivm.engines.cuda.products import GpuTarget
from aivm.errors import EngineUnavailable, TooLarge

OLDEST_CAPABILITY = (7, 5)
_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_DRIVER_HINT = "Install NVIDIA's driver (nvidia-smi must list the GPU), or use --engine native."

# CUresult
_SUCCESS, _OUT_OF_MEMORY, _NO_DEVICE = 0, 2, 100
_UNSUPPORTED_PTX, _NO_BINARY = 222, 209
# CUdevice_attribute
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
_NON_BLOCKING, _NO_TIMING = 1, 2


class Driver:
    """Calls into libcuda; a status other than success is an error of ours."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def __call__(self, name: str, *arguments: object) -> None:
        """Raises TooLarge (out of memory) or EngineUnavailable."""
        status = getattr(self._library, name)(*arguments)
        if status != _SUCCESS:
            self._refuse(name, status)

    def attempt(self, name: str, *arguments: object) -> None:
        """For giving back: where the GPU has failed, every call fails again and says no more."""
        getattr(self._library, name)(*arguments)

    def _refuse(self, name: str, status: int) -> None:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(status, ctypes.byref(text))
        reason = f"{name}: {(text.value or b'unknown error').decode()} ({status})"
        if status == _OUT_OF_MEMORY:
            raise TooLarge(
                f"the GPU has no memory left ({reason})",
                hint="Run a smaller batch, or free the memory other programs hold (nvidia-smi).",
            )
        if status == _NO_DEVICE:
            raise EngineUnavailable(f"there is no NVIDIA GPU here ({reason})", hint=_DRIVER_HINT)
        if status in (_UNSUPPORTED_PTX, _NO_BINARY):
            hint = f"Update the driver, or take an older compiler. {PACKAGE_HINT}"
            raise EngineUnavailable(f"the driver does not take the kernels ({reason})", hint=hint)
        raise EngineUnavailable(f"the GPU failed ({reason})", hint=_DRIVER_HINT)


@cache
def _driver() -> Driver:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise EngineUnavailable(
            f"NVIDIA's driver is not installed ({_LIBRARY} is missing)", hint=_DRIVER_HINT
        ) from error
    driver = Driver(library)
    driver("cuInit", 0)
    return driver


@dataclass(frozen=True, slots=True)
class NvidiaGpu:
    """The first visible GPU, its driver and a compiler for it."""

    driver: Driver
    compiler: Nvrtc
    number: int
    name: str
    target: GpuTarget
    architecture: str

    @staticmethod
    def find() -> NvidiaGpu:
        """Raises EngineUnavailable: no driver, no GPU, too old a GPU, no compiler that fits."""
        driver = _driver()
        device = ctypes.c_int()
        driver("cuDeviceGet", ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(256)
        driver("cuDeviceGetName", name, len(name), device)

        def attribute(which: int) -> int:
            value = ctypes.c_int()
            driver("cuDeviceGetAttribute", ctypes.byref(value), which, device)
            return value.value

        target = GpuTarget((attribute(_MAJOR), attribute(_MINOR)), attribute(_MULTIPROCESSORS))
        compiler = Nvrtc.find()
        title = name.value.decode(errors="replace")
        _check_fit(driver, compiler, target, title)
        architecture = compiler.target_of(target.capability)
        return NvidiaGpu(driver, compiler, device.value, title, target, architecture)


def _check_fit(driver: Driver, compiler: Nvrtc, target: GpuTarget, name: str) -> None:
    """Raises EngineUnavailable where GPU, driver and compiler cannot work together."""
    if target.capability < OLDEST_CAPABILITY:
        have, need = (".".join(map(str, each)) for each in (target.capability, OLDEST_CAPABILITY))
        raise EngineUnavailable(
            f"{name} has compute capability {have}, {need} is needed",
            hint="Use --engine native.",
        )
    version = ctypes.c_int()
    driver("cuDriverGetVersion", ctypes.byref(version))
    major = version.value // 1000
    if compiler.version[0] > major:
        raise EngineUnavailable(
            f"the driver is for CUDA {major}, the compiler (NVRTC) for {compiler.version[0]}",
            hint=f"Update the driver, or: pip install nvidia-cuda-nvrtc-cu{major}"
            f" and remove nvidia-cuda-nvrtc.",
        )


@cache
def _code(compiler: Nvrtc, text: str, architecture: str) -> Code:
    """Compiled once a process: workers load the same program many times."""
    return compiler.compile(text, architecture)


class NvidiaDevice:
    """A `Device`: a stream in the GPU's primary context."""

    def __init__(self, gpu: NvidiaGpu) -> None:
        self._gpu = gpu
        self._driver = gpu.driver
        self._context = ctypes.c_void_p()
        self._stream = ctypes.c_void_p()
        self._modules: list[ctypes.c_void_p] = []
        self._marks: deque[ctypes.c_void_p] = deque()
        self._driver("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), gpu.number)
        self._is_open = True
        self.enter()
        self._driver("cuStreamCreate", ctypes.byref(self._stream), _NON_BLOCKING)

    @property
    def target(self) -> GpuTarget:
        return self._gpu.target

    @property
    def stream(self) -> ctypes.c_void_p:
        """For measurements: what else is queued here runs in turn with the launches."""
        return self._stream

    def enter(self) -> None:
        self._driver("cuCtxSetCurrent", self._context)

    def allocate(self, size_bytes: int) -> int:
        address = ctypes.c_uint64()
        self._driver("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size_bytes))
        return address.value

    def release(self, address: int) -> None:
        self._driver.attempt("cuStreamSynchronize", self._stream)
        self._driver.attempt("cuMemFree_v2", ctypes.c_uint64(address))

    def compiled(self, kernels: Mapping[str, Kernel]) -> Mapping[str, Function]:
        text = source(kernel_sources.cuda_source(), kernels.values())
        code = _code(self._gpu.compiler, text, self._gpu.architecture)
        module = ctypes.c_void_p()
        self._driver("cuModuleLoadData", ctypes.byref(module), code.image)
        self._modules.append(module)
        return {name: self._function(module, kernel) for name, kernel in kernels.items()}

    def _function(self, module: ctypes.c_void_p, kernel: Kernel) -> Function:
        function = ctypes.c_void_p()
        name = kernel.name.encode()
        self._driver("cuModuleGetFunction", ctypes.byref(function), module, name)
        driver, stream, threads = self._driver, self._stream, kernel.threads

        def launch(blocks: int, words: Words) -> None:
            arguments = (ctypes.c_void_p * 1)(words.ctypes.data)
            grid, block = (blocks, 1, 1), (threads, 1, 1)
            driver("cuLaunchKernel", function, *grid, *block, 0, stream, arguments, None)

        return launch

    def upload(self, address: int, content: npt.NDArray[Any]) -> None:
        # From pageable memory, the call returns once the content has been taken.
        size = ctypes.c_size_t(content.nbytes)
        source_at = ctypes.c_void_p(content.ctypes.data)
        self._driver(
            "cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source_at, size, self._stream
        )

    def download(self, address: int, content: npt.NDArray[Any]) -> None:
        size = ctypes.c_size_t(content.nbytes)
        target_at = ctypes.c_void_p(content.ctypes.data)
        self._driver(
            "cuMemcpyDtoHAsync_v2", target_at, ctypes.c_uint64(address), size, self._stream
        )
        self._driver("cuStreamSynchronize", self._stream)

    def keep_pace(self, ahead: int) -> None:
        mark = ctypes.c_void_p()
        self._driver("cuEventCreate", ctypes.byref(mark), _NO_TIMING)
        self._driver("cuEventRecord", mark, self._stream)
        self._marks.append(mark)
        while len(self._marks) > ahead:
            oldest = self._marks.popleft()
            self._driver("cuEventSynchronize", oldest)
            self._driver("cuEventDestroy_v2", oldest)

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        attempt = self._driver.attempt
        attempt("cuCtxSetCurrent", self._context)
        attempt("cuStreamSynchronize", self._stream)
        for mark in self._marks:
            attempt("cuEventDestroy_v2", mark)
        for module in self._modules:
            attempt("cuModuleUnload", module)
        attempt("cuStreamDestroy_v2", self._stream)
        attempt("cuDevicePrimaryCtxRelease_v2", self._gpu.number)
