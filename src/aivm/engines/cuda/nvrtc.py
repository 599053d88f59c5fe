"""CUDA C to machine code, by NVIDIA's run-time compiler. Needs no GPU.

A cubin for the very GPU is made where the compiler knows its architecture: the driver need not be
as new as the compiler then, only of the same major version. For a GPU newer than the compiler it is
PTX of the newest architecture before it, which the driver translates.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aivm.errors import EngineUnavailable, InternalError

# --fmad=false and the rest are the compiler's defaults or do not touch intrinsics; they are said
# anyway, so that nothing depends on a default.
OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")
PACKAGE_HINT = "Install the compiler: pip install 'aivm[cuda]' (or nvidia-cuda-nvrtc-cu12)."
_SUCCESS, _COMPILATION_FAILED = 0, 6
_SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")


@dataclass(frozen=True, slots=True)
class Code:
    """What the driver loads, and for which architecture it was made ("sm_90", "compute_90")."""

    image: bytes
    architecture: str


class Nvrtc:
    """One loaded libnvrtc."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = (major.value, minor.value)

    @staticmethod
    def find() -> Nvrtc:
        """The compiler of the installed wheel, else the system's. Raises EngineUnavailable."""
        return _found()

    def architectures(self) -> list[int]:
        """The compute capabilities (as 10 * major + minor) that it has machine code for."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return sorted(numbers)

    def target_of(self, capability: tuple[int, int]) -> str:
        """What to compile for on a GPU of this compute capability. Raises EngineUnavailable."""
        wanted, known = 10 * capability[0] + capability[1], self.architectures()
        if wanted in known:
            return f"sm_{wanted}"
        older = [number for number in known if number < wanted]
        if not older:
            raise EngineUnavailable(
                f"NVRTC {self._name()} has dropped compute capability {capability[0]}."
                f"{capability[1]}",
                hint="Install an older compiler: pip install nvidia-cuda-nvrtc-cu12.",
            )
        return f"compute_{older[-1]}"

    def compile(self, source: str, architecture: str) -> Code:
        """Machine code or PTX. A source that does not compile is a defect of ours."""
        program = ctypes.c_void_p()
        text, name = source.encode(), b"aivm.cu"
        self._call("nvrtcCreateProgram", ctypes.byref(program), text, name, 0, None, None)
        try:
            options = [f"--gpu-architecture={architecture}".encode()]
            options += [option.encode() for option in OPTIONS]
            array = (ctypes.c_char_p * len(options))(*options)
            status = self._library.nvrtcCompileProgram(program, len(options), array)
            if status == _COMPILATION_FAILED:
                log = self._read(program, "ProgramLog").decode(errors="replace")
                raise InternalError(f"the kernels do not compile for {architecture}: {log}")
            self._check("nvrtcCompileProgram", status)
            kind = "CUBIN" if architecture.startswith("sm_") else "PTX"
            return Code(self._read(program, kind), architecture)
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, content)
        return content.raw

    def _call(self, name: str, *arguments: object) -> None:
        self._check(name, getattr(self._library, name)(*arguments))

    def _check(self, name: str, status: int) -> None:
        if status != _SUCCESS:
            describe = self._library.nvrtcGetErrorString
            describe.restype = ctypes.c_char_p
            text = describe(status).decode()
            raise EngineUnavailable(f"NVRTC failed in {name}: {text}", hint=PACKAGE_HINT)

    def _name(self) -> str:
        return ".".join(map(str, self.version))


@cache
def _found() -> Nvrtc:
    for candidate in _candidates():
        try:
            return Nvrtc(ctypes.CDLL(candidate))
        except OSError:
            continue
    raise EngineUnavailable("CUDA's run-time compiler (NVRTC) is not installed", hint=PACKAGE_HINT)


def _candidates() -> Iterator[str]:
    """Paths in NVIDIA's wheels, newest first, then names for the system's loader."""
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = sorted(Path(folder).glob("*/lib/libnvrtc.so.*"), reverse=True)
        found += sorted(Path(folder).glob("*/bin/**/nvrtc64_*.dll"), reverse=True)
        yield from (str(path) for path in found if ".alt" not in path.name)
    yield from _SONAMES
    named = ctypes.util.find_library("nvrtc")
    if named:
        yield named
