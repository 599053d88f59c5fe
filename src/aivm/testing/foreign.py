"""The kernels on machines that are not this process: V8, and CPUs that qemu emulates.

The planner, the tape and all else are those of the other engines; only `aivm_run` is called
elsewhere, in a child process that gets the block of memory and gives it back. Slow, and for tests.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from aivm import kernels
from aivm.commitments import Array
from aivm.engines import Engine
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.plan.products import Target
from aivm.errors import EngineUnavailable, InternalError
from aivm.isa.program import Program

GUESTS = Path(__file__).parents[3] / "kernels" / "test"
_RESERVE, _RUN = 1, 2
_NUMBER = struct.Struct("<q")
AARCH64_LIBRARIES = Path("/usr/aarch64-linux-gnu")


class ChildMachine:
    """A `Machine` (see `plan.executable`) behind a pipe; `command` starts the guest."""

    reads_host_memory = False
    workers = 1

    def __init__(self, command: Sequence[str]) -> None:
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._block: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.target = Target(*(self._number() for _ in range(4)))
        if wrong := self._number():
            self.close()
            raise EngineUnavailable(f"{command[0]} does not compute as numerics 1 wants ({wrong})")

    def reserve(self, size_bytes: int) -> int:
        self._block = np.zeros(size_bytes, np.uint8)
        self._say(_RESERVE, size_bytes)
        return self._number()

    def block(self) -> npt.NDArray[np.uint8]:
        return self._block

    def run(self, state: int, tape: int, end: int, scratch: int, scratch_bytes: int) -> int:
        del scratch_bytes  # of further workers; there is one
        self._say(_RUN, state, tape, end, scratch, content=self._block.tobytes())
        status = self._number()
        self._block[:] = np.frombuffer(self._read(self._block.size), np.uint8)
        return status

    def close(self) -> None:
        self._child.communicate()

    def _say(self, *numbers: int, content: bytes = b"") -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(struct.pack(f"<{len(numbers)}q", *numbers) + content)
        self._child.stdin.flush()

    def _number(self) -> int:
        return int(_NUMBER.unpack(self._read(_NUMBER.size))[0])

    def _read(self, size: int) -> bytes:
        assert self._child.stdout is not None
        content = self._child.stdout.read(size)
        if len(content) < size:
            raise InternalError(f"the guest ended with status {self._child.wait()}")
        return content


class ChildEngine:
    """An `Engine` whose kernels run in children, one an executable."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = command

    def load(self, program: Program, constants: Sequence[Array]) -> TapeExecutable:
        return TapeExecutable(program, constants, lambda: ChildMachine(self._command), None)


@contextmanager
def foreign_engines() -> Iterator[dict[str, Engine]]:
    """Those that this machine can start: "V8" with node, "aarch64" with qemu and its libraries."""
    with TemporaryDirectory() as folder:
        commands = {"V8": _v8(), "aarch64": _aarch64(Path(folder))}
        yield {name: ChildEngine(name, found) for name, found in commands.items() if found}


def _v8() -> list[str]:
    """Relaxed SIMD is behind a flag in node 20, and on in later ones."""
    node = shutil.which("node")
    if node is None:
        return []
    flag = "--experimental-wasm-relaxed-simd"
    options = subprocess.run([node, "--v8-options"], capture_output=True, text=True, check=True)
    flags = [flag] if flag in options.stdout else []
    return [node, *flags, str(GUESTS / "guest.mjs"), str(kernels.wasm_path())]


def _aarch64(folder: Path) -> list[str]:
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None or not AARCH64_LIBRARIES.is_dir():
        return []
    guest = folder / "guest"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu"]
    subprocess.run([*compiler, "-O2", "-o", guest, GUESTS / "guest.c"], check=True)
    library = kernels.artifact_path("native-aarch64")
    return [qemu, "-L", str(AARCH64_LIBRARIES), str(guest), str(library)]
