"""The worker process: holds one engine and the loaded programs, answers frames on its pipes.

Run by the pool as `python -m aivm.workers.worker ENGINE THREADS`. It has no keys, no network use
and no state: when it dies, the pool starts another and runs the job again, with the same bits.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.dispute.values import Executed
from aivm.engines.base import Engine, Executable, open_engine
from aivm.engines.batches import SIZES, Batches
from aivm.errors import AivmError, InternalError, NotFound
from aivm.isa.instructions import TensorType
from aivm.packages import Package, PackageProgram, Programs, open_package
from aivm.workers import frames

Array = np.ndarray[Any, Any]
KEPT_PROGRAMS = 16  # each has working memory, in the sandbox a copy of the weights too


@dataclass(frozen=True)
class _Traced:
    """A program that was loaded to be asked for its values."""

    key: tuple[str, bytes]
    constants: Sequence[Array]
    executable: Executable


class Worker:
    """Packages opened and verified by this process, and their programs, loaded on first use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._programs: dict[str, Programs] = {}
        self._loaded: OrderedDict[tuple[str, bytes], Batches] = OrderedDict()
        self._traced: _Traced | None = None
        # In the sandbox every size of batch would copy the weights.
        self._sizes = () if engine.name == "wasm" else SIZES

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
        match header["op"]:
            case "describe":
                return frames.pack({"program": described(found)})
            case "roots":
                return frames.pack({}, self._executed(header["model"], found, blobs).roots())
            case "values":
                values = self._executed(header["model"], found, blobs)
                return frames.pack({}, _blobs(values, header["wanted"]))
            case _:
                return self._run(header["model"], found, header["requests"], blobs)

    def open(self, path: Path, model: str) -> Package:
        """Verify every byte again: the files may have changed since the node looked."""
        return open_package(path, expected_model_id=bytes.fromhex(model))

    def constants(self, found: PackageProgram) -> Sequence[Array]:
        """What the program is loaded with."""
        return found.constants

    def _run(
        self, model: str, found: PackageProgram, requests: int, blobs: Sequence[bytes]
    ) -> bytes:
        """Answers requests whose blobs follow one another; each has its outputs or its error."""
        count = len(found.program.inputs)
        arrays = _arrays(found.program.inputs * requests, blobs)
        inputs = [arrays[count * n : count * (n + 1)] for n in range(requests)]
        answers: list[dict[str, Any]] = []
        results: list[bytes] = []
        for outcome in self._batches(model, found).run(inputs):
            if isinstance(outcome, AivmError):
                answers.append({"error": outcome.as_json()})
            else:
                answers.append({"outputs": len(outcome)})
                results += [np.ascontiguousarray(output).tobytes() for output in outcome]
        return frames.pack({"answers": answers}, results)

    def _executed(self, model: str, found: PackageProgram, blobs: Sequence[bytes]) -> Executed:
        """Every value of one run. The program that was asked about last stays loaded."""
        key = model, found.root
        if self._traced is None or self._traced.key != key:
            if self._traced is not None:
                self._traced.executable.close()
            constants = self.constants(found)
            self._traced = _Traced(key, constants, self._engine.load(found.program, constants))
        arrays = _arrays(found.program.inputs, blobs)
        return Executed(self._traced.executable, self._traced.constants, arrays)

    def _batches(self, model: str, found: PackageProgram) -> Batches:
        """The loaded program; of too many, the one that was used longest ago makes room."""
        batches = self._loaded.pop((model, found.root), None)
        if batches is None:
            while len(self._loaded) >= KEPT_PROGRAMS:
                self._loaded.popitem(last=False)[1].close()
            constants = self.constants(found)
            batches = Batches(self._engine, found.program, constants, self._sizes)
        self._loaded[(model, found.root)] = batches
        return batches


def _arrays(kinds: Sequence[TensorType], blobs: Sequence[bytes]) -> list[Array]:
    return [
        np.frombuffer(blob, numpy_dtype(kind.dtype)).reshape(kind.shape)
        for blob, kind in zip(blobs, kinds, strict=True)
    ]


def _blobs(values: Executed, wanted: Sequence[int]) -> list[bytes]:
    found = values.arrays(wanted)
    return [np.ascontiguousarray(found[value]).tobytes() for value in wanted]


def described(found: PackageProgram) -> dict[str, Any]:
    """What a node must know of a program that its manifest does not list."""
    inputs = zip(found.input_names, found.program.inputs, strict=True)
    outputs = zip(found.output_names, found.output_types, strict=True)
    return {
        "root": found.root.hex(),
        "gas": found.gas,
        "inputs": [[name, kind.dtype.name, list(kind.shape)] for name, kind in inputs],
        "outputs": [[name, kind.dtype.name, list(kind.shape)] for name, kind in outputs],
    }


def serve(worker: Worker, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer frames until the node goes away."""
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
