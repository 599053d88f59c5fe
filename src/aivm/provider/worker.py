"""The worker process: holds one engine and the loaded programs, answers frames on its pipes.

Run by the agent as `python -m aivm.provider.worker ENGINE THREADS`. It has no keys, no network use
and no state: when it dies, the agent starts another and runs the job again, with the same bits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.engines.base import Engine, Executable, open_engine
from aivm.errors import AivmError, InternalError, NotFound
from aivm.packages import Package, open_package
from aivm.provider import frames

Array = np.ndarray[Any, Any]


class Worker:
    """Packages opened and verified by this process, and their executables, loaded on first use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._packages: dict[str, Package] = {}
        self._executables: dict[tuple[str, str], Executable] = {}

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
            self._packages[header["model"]] = self.open(Path(header["path"]), header["model"])
            return frames.pack({})
        return self._run(header["model"], header["entry"], blobs)

    def open(self, path: Path, model: str) -> Package:
        """Verify every byte again: the files may have changed since the agent looked."""
        return open_package(path, expected_model_id=bytes.fromhex(model))

    def constants(self, package: Package, entry: str) -> Sequence[Array]:
        return package.constants(entry)

    def _run(self, model: str, entry: str, blobs: Sequence[bytes]) -> bytes:
        executable = self._executable(model, entry)
        inputs = [
            np.frombuffer(blob, numpy_dtype(kind.dtype)).reshape(kind.shape)
            for blob, kind in zip(blobs, executable.program.inputs, strict=True)
        ]
        outputs = executable.run(inputs)
        return frames.pack({}, [np.ascontiguousarray(output).tobytes() for output in outputs])

    def _executable(self, model: str, entry: str) -> Executable:
        found = self._executables.get((model, entry))
        if found is None:
            package = self._packages.get(model)
            if package is None:
                raise NotFound(f"model {model} is not open in this worker")
            constants = self.constants(package, entry)
            found = self._engine.load(package.program(entry), constants)
            self._executables[(model, entry)] = found
        return found


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
