"""Local use, with no network at all: load a model, run it, check it.

    >>> model = aivm.load("model.onnx", engine="native")
    >>> model.run({"x": array})["y"]

A program is derived for each set of input shapes and kept, so any shape that the model allows runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aivm import host
from aivm.commitments import bundle_root, program_root, tensor_root
from aivm.compiler import compile_model, inspect_model
from aivm.engines.base import Engine, Executable, open_engine
from aivm.errors import NotFound, TooLarge
from aivm.isa.program import Program
from aivm.market.entries import find_entry, in_order
from aivm.packages import Package, open_package
from aivm.receipts import Receipt, local_receipt

Array = np.ndarray[Any, Any]
MAX_MODEL_BYTES = 2 * 2**30  # the ONNX protobuf limit


@dataclass(frozen=True)
class Prepared:
    """A program ready to run, with the names of what goes in and comes out."""

    program: Program
    root: bytes
    executable: Executable
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


class Source(Protocol):
    """Where programs come from: an ONNX file or a package."""

    @property
    def model_id(self) -> bytes: ...

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared: ...


class OnnxSource:
    """Programs derived from an ONNX file; its model id is the SHA-256 of the file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.interface = inspect_model(data)
        self.model_id = sha256(data).digest()

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        compiled = compile_model(self._data, shapes)
        return Prepared(
            program=compiled.program,
            root=program_root(compiled.program),
            executable=engine.load(compiled.program, compiled.constants),
            input_names=compiled.input_names,
            output_names=compiled.output_names,
        )


class PackageSource:
    """The programs that a publisher committed to; other shapes are refused."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self.model_id = package.model_id

    def prepare(self, engine: Engine, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        entry = find_entry(self._package, shapes)
        program = self._package.program(entry.name)
        return Prepared(
            program=program,
            root=entry.program,
            executable=engine.load(program, self._package.constants(entry.name)),
            input_names=tuple(port.name for port in entry.inputs),
            output_names=tuple(port.name for port in entry.outputs),
        )


class LocalModel:
    """A model on this machine; equal inputs give equal bits, whatever the engine."""

    def __init__(self, source: Source, engine: Engine) -> None:
        self._source = source
        self._engine = engine
        self._prepared: dict[tuple[tuple[str, tuple[int, ...]], ...], Prepared] = {}

    @property
    def model_id(self) -> bytes:
        """32 bytes: the digest of the manifest, or of the ONNX file where there is no package."""
        return self._source.model_id

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises WrongTensor, UnsupportedModel, InvalidIndex."""
        return self.run_with_receipt(inputs)[0]

    def run_with_receipt(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Receipt]:
        """Outputs, and an unsigned local receipt that names program, inputs and outputs."""
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        prepared = self.prepare({name: array.shape for name, array in arrays.items()})
        ordered = in_order(prepared.input_names, arrays)
        results = prepared.executable.run(ordered)
        receipt = local_receipt(
            model=self.model_id,
            program=prepared.root,
            inputs=roots_of(ordered, prepared.program.inputs),
            outputs=roots_of(
                results, [prepared.program.value_types[i] for i in prepared.program.outputs]
            ),
            time=host.now(),
        )
        return dict(zip(prepared.output_names, results, strict=True)), receipt

    def prepare(self, shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
        """The loaded program for these input shapes, compiled once."""
        key = tuple(sorted(shapes.items()))
        if key not in self._prepared:
            self._prepared[key] = self._source.prepare(self._engine, shapes)
        return self._prepared[key]

    def close(self) -> None:
        """Give the engines' memory back."""
        for prepared in self._prepared.values():
            prepared.executable.close()
        self._prepared.clear()


def load(
    model: str | Path | bytes | Package, *, engine: str = "wasm", threads: int = 1
) -> LocalModel:
    """Load an ONNX file (path or bytes) or a package (its folder, or opened) for local use.

    `engine` is "wasm" (sandboxed, default), "native" or "reference"; an unknown or unavailable one
    is refused, never replaced. Raises NotFound, MalformedModel, UnsupportedModel, MalformedPackage.
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
    return OnnxSource(path.read_bytes())


def roots_of(arrays: Sequence[Array], types: Sequence[Any]) -> bytes:
    """The bundle root of arrays under their declared dtypes."""
    return bundle_root(
        tensor_root(array, kind.dtype) for array, kind in zip(arrays, types, strict=True)
    )
