"""Local use, with no network at all: load a model, run it, check it.

    >>> model = aivm.load("model.onnx", engine="native")
    >>> model.run({"x": array})["y"]

A program is derived for each set of input shapes and kept, so any shape that the model allows runs.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from aivm import host
from aivm.commitments import bundle_root, program_root, shown, tensor_root
from aivm.compiler import compile_model, external_files, inspect_model, load_model
from aivm.engines.base import Engine, Executable, checked_inputs, open_engine
from aivm.errors import NotFound, TooLarge, WrongTensor
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program
from aivm.market.entries import in_order
from aivm.packages import Package, Programs, compiler_version, files_beside, open_package
from aivm.receipts import ZERO_ADDRESS, Domain, Receipt, SignedReceipt, local_receipt

Array = np.ndarray[Any, Any]
MAX_MODEL_BYTES = 2 * 2**30  # the ONNX protobuf limit
# Each keeps its memory, in the sandbox a copy of the weights too; the least recently used one goes.
KEPT_PROGRAMS = 8


@dataclass(frozen=True)
class Prepared:
    """A program ready to run, with the names of what goes in and comes out.

    `derived`: from the model in a package that does not list it; None where there is no package.
    """

    program: Program
    root: bytes
    executable: Executable
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    derived: bool | None = None

    @cached_property
    def output_types(self) -> list[TensorType]:
        types = self.program.value_types
        return [types[value] for value in self.program.outputs]


@dataclass(frozen=True)
class Execution:
    """One run of a program: its inputs and outputs in the program's order, F16 as bits."""

    prepared: Prepared
    inputs: Sequence[Array]
    outputs: Sequence[Array]

    @property
    def named_outputs(self) -> dict[str, Array]:
        """Outputs by name; F16 as numpy's float16."""
        named = zip(
            self.prepared.output_names, self.outputs, self.prepared.output_types, strict=True
        )
        return {name: shown(array, kind.dtype) for name, array, kind in named}


class Source(Protocol):
    """Where programs come from: an ONNX file or a package."""

    @property
    def model_id(self) -> bytes: ...

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared: ...


class OnnxSource:
    """Programs derived from an ONNX file and the files beside it in which it keeps weights.

    Its model id is the SHA-256 of the file, followed by those of the other files, if there are any.
    """

    def __init__(self, data: bytes, path: Path | None = None) -> None:
        self._model = load_model(data) if path is None else load_model(data, files_beside(path))
        self.interface = inspect_model(self._model)
        digest = sha256(data)
        for location in external_files(self._model):
            digest.update(sha256(self._model.files(location)).digest())
        self.model_id = digest.digest()

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        names = [tensor.name for tensor in self.interface.inputs]
        if missing := [name for name in names if name not in shapes]:
            hint = f"Inputs: {', '.join(names)}"
            raise WrongTensor(f"input {missing[0]!r} is missing", hint=hint)
        compiled = compile_model(self._model, shapes)
        return Prepared(
            program=compiled.program,
            root=program_root(compiled.program),
            executable=engine.load(compiled.program, compiled.constants),
            input_names=compiled.input_names,
            output_names=compiled.output_names,
        )


class PackageSource:
    """The programs of a package: listed by its publisher, or derived from the model in it."""

    def __init__(self, package: Package) -> None:
        self._programs = Programs(package)
        self.model_id = package.model_id

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        found = self._programs.find(shapes)
        return Prepared(
            program=found.program,
            root=found.root,
            executable=engine.load(found.program, found.constants),
            input_names=found.input_names,
            output_names=found.output_names,
            derived=found.derived,
        )


class LocalModel:
    """A model on this machine; equal inputs give equal bits, whatever the engine.

    Threads may share it: their runs take turns. Close it, or use it in a `with` statement, to give
    its memory back early; a closed one raises ValueError.
    """

    def __init__(self, source: Source, engine: Engine) -> None:
        self._source = source
        self._engine = engine
        self._prepared: dict[tuple[tuple[str, tuple[int, ...]], ...], Prepared] = {}
        self._turn = threading.Lock()
        self._closed = False

    @property
    def model_id(self) -> bytes:
        """32 bytes: the digest of the manifest, or of the ONNX file where there is no package."""
        return self._source.model_id

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises WrongTensor, UnsupportedModel, InvalidIndex, TooLarge."""
        return self.execute(inputs).named_outputs

    def run_with_receipt(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Receipt]:
        """Outputs, and an unsigned local receipt that names program, inputs and outputs."""
        done = self.execute(inputs)
        return done.named_outputs, self.receipt_of(done).receipt

    def receipt_of(self, done: Execution) -> SignedReceipt:
        """The unsigned local receipt of a run, as `receipt.json` holds it."""
        receipt = local_receipt(
            model=self.model_id,
            program=done.prepared.root,
            inputs=roots_of(done.inputs, done.prepared.program.inputs),
            outputs=roots_of(done.outputs, done.prepared.output_types),
            time=host.now(),
        )
        derived = compiler_version() if done.prepared.derived else None
        return SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None, derived=derived)

    def execute(self, inputs: Mapping[str, Array]) -> Execution:
        """One run, and what a receipt about it is made of; raises as `run` does."""
        arrays = {name: _as_array(name, value) for name, value in inputs.items()}
        with self._turn:
            if self._closed:
                raise ValueError("this model is closed")
            try:
                return self._execute(arrays)
            except MemoryError as error:
                raise TooLarge(f"the run does not fit into memory: {error}") from None

    @contextmanager
    def tracing(
        self, inputs: Mapping[str, Array]
    ) -> Iterator[tuple[Prepared, Iterator[tuple[int, Array]]]]:
        """The program, and every input and result of one run, by value id, as they come.

        Raises as `run` does. The arrays are to be read only, F16 as its bits; other runs wait.
        """
        arrays = {name: _as_array(name, value) for name, value in inputs.items()}
        with self._turn:
            if self._closed:
                raise ValueError("this model is closed")
            prepared, ordered = self._ready(arrays)
            first = prepared.program.first_instruction
            # A generator, so that closing it ends the run.
            with closing(_generated(prepared.executable.trace(ordered))) as results:
                yield prepared, chain(enumerate(ordered), enumerate(results, start=first))

    def close(self) -> None:
        """Give the engines' memory back; closing twice is harmless."""
        with self._turn:
            self._closed = True
            for prepared in self._prepared.values():
                prepared.executable.close()
            self._prepared.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _execute(self, arrays: Mapping[str, Array]) -> Execution:
        prepared, ordered = self._ready(arrays)
        return Execution(prepared, ordered, prepared.executable.run(ordered))

    def _ready(self, arrays: Mapping[str, Array]) -> tuple[Prepared, list[Array]]:
        """The loaded program, and its inputs as it reads them; the caller holds the turn."""
        prepared = self._prepare({name: array.shape for name, array in arrays.items()})
        names = prepared.input_names
        return prepared, checked_inputs(prepared.program, in_order(names, arrays), names)

    def _prepare(self, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        """The loaded program for these input shapes; the caller holds the turn."""
        key = tuple(sorted(shapes.items()))
        found = self._prepared.pop(key, None)
        if found is None:
            while len(self._prepared) >= KEPT_PROGRAMS:
                self._prepared.pop(next(iter(self._prepared))).executable.close()
            found = self._source.prepare(self._engine, shapes)
        self._prepared[key] = found  # the last one is the most recently used
        return found


def load(
    model: str | Path | bytes | Package, *, engine: str = "wasm", threads: int = 1
) -> LocalModel:
    """Load an ONNX file (path or bytes) or a package (its folder, or opened) for local use.

    `engine` is "wasm" (sandboxed, default), "native", "cuda" or "reference"; an unknown or
    unavailable one is refused, never replaced. Raises NotFound, MalformedModel, UnsupportedModel,
    MalformedPackage.
    """
    chosen = open_engine(engine, threads=threads)
    return LocalModel(_source(model), chosen)


def _source(model: str | Path | bytes | Package) -> Source:
    if isinstance(model, bytes):
        return OnnxSource(model)
    if isinstance(model, Package):
        return PackageSource(model)
    path = Path(model)
    if path.is_dir():
        return PackageSource(open_package(path))
    if not path.is_file():
        raise NotFound(f"no model at {path}")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise TooLarge(f"{path} is larger than an ONNX file can be ({MAX_MODEL_BYTES} bytes)")
    return OnnxSource(path.read_bytes(), path)


def _generated(arrays: Iterator[Array]) -> Generator[Array, None, None]:
    yield from arrays


def _as_array(name: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise WrongTensor(f"input {name!r} is not an array: {error}") from None


def roots_of(arrays: Sequence[Array], types: Sequence[TensorType]) -> bytes:
    """The bundle root of arrays under their declared dtypes."""
    return bundle_root(
        tensor_root(array, kind.dtype) for array, kind in zip(arrays, types, strict=True)
    )
