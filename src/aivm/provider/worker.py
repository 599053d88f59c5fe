"""The worker process: holds one engine and the loaded programs, answers frames on its pipes.

Run by the agent as `python -m aivm.provider.worker ENGINE THREADS`. It has no keys, no network use
and no state: when it dies, the agent starts another and runs the job again, with the same bits.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.engines.base import Engine, Executable, open_engine
from aivm.errors import AivmError, InternalError, NotFound
from aivm.packages import Package, PackageProgram, Programs, open_package
from aivm.provider import frames

Array = np.ndarray[Any, Any]
KEPT_EXECUTABLES = 16  # each has working memory, in the sandbox a copy of the weights too


class Worker:
    """Packages opened and verified by this process, and their executables, loaded on first use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._programs: dict[str, Programs] = {}
        self._executables: OrderedDict[tuple[str, bytes], Executable] = OrderedDict()

    def answer(self, header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
        """The frame that answers one request; every failure becomes an error frame."""
        try:
            return self._dispatch(header, blobs)
        except AivmError as error:
            return frames.pack({"error": error.as_json()})
        except Exception as error:  # a worker must answer, whatever happened
            defect = InternalError(f"the worker failed: {type(error).__name__}: {error}")
            return frames.pack({"error": defect.as_json()})

    def _dispatch(self, header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
        if header["op"] == "open":
            package = self.open(Path(header["path"]), header["model"])
            self._programs[header["model"]] = Programs(package)
            return frames.pack({})
        if header["model"] not in self._programs:
            raise NotFound(f"model {header['model']} is not open in this worker")
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        found = self._programs[header["model"]].find(shapes)
        if header["op"] == "describe":
            return frames.pack({"program": described(found)})
        return self._run(header["model"], found, blobs)

    def open(self, path: Path, model: str) -> Package:
        """Verify every byte again: the files may have changed since the agent looked."""
        return open_package(path, expected_model_id=bytes.fromhex(model))

    def constants(self, found: PackageProgram) -> Sequence[Array]:
        """What the program is loaded with."""
        return found.constants

    def _run(self, model: str, found: PackageProgram, blobs: Sequence[bytes]) -> bytes:
        executable = self._executable(model, found)
        inputs = [
            np.frombuffer(blob, numpy_dtype(kind.dtype)).reshape(kind.shape)
            for blob, kind in zip(blobs, executable.program.inputs, strict=True)
        ]
        outputs = executable.run(inputs)
        return frames.pack({}, [np.ascontiguousarray(output).tobytes() for output in outputs])

    def _executable(self, model: str, found: PackageProgram) -> Executable:
        """The loaded program; of too many, the one that was used longest ago makes room."""
        executable = self._executables.pop((model, found.root), None)
        if executable is None:
            while len(self._executables) >= KEPT_EXECUTABLES:
                self._executables.popitem(last=False)[1].close()
            executable = self._engine.load(found.program, self.constants(found))
        self._executables[(model, found.root)] = executable
        return executable


def described(found: PackageProgram) -> dict[str, Any]:
    """What the agent must know of a program that its manifest does not list."""
    inputs = zip(found.input_names, found.program.inputs, strict=True)
    outputs = zip(found.output_names, found.output_types, strict=True)
    return {
        "root": found.root.hex(),
        "gas": found.gas,
        "inputs": [[name, kind.dtype.name, list(kind.shape)] for name, kind in inputs],
        "outputs": [[name, kind.dtype.name, list(kind.shape)] for name, kind in outputs],
    }


def serve(worker: Worker, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer frames until the agent goes away."""
    while True:
        try:
            header, blobs = frames.read(requests)
        except EOFError:
            return
        answers.write(worker.answer(header, blobs))
        answers.flush()


def main(make: type[Worker] = Worker) -> None:
    """Take over the pipes; whatever a library prints goes to standard error instead."""
    engine, threads = sys.argv[1], int(sys.argv[2])
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(make(open_engine(engine, threads=threads)), requests, answers)


if __name__ == "__main__":
    main()
