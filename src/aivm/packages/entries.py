"""The parts that a manifest lists: files, programs, constants, examples; and their JSON.

Documents are read only after the manifest's schema has accepted them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aivm.commitments.cid import Cid
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.packages.files import Chunking

Dimension = int | str
"""A size, or the name of one that differs between entries."""


class Role(StrEnum):
    """What a file of a package is for."""

    PROGRAM = "program"
    WEIGHTS = "weights"
    TOKENIZER = "tokenizer"
    MODULE = "module"
    LICENSE = "license"
    CARD = "card"
    SOURCE = "source"
    REPORT = "report"
    EXAMPLE = "example"
    PROVENANCE = "provenance"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of one program: its shape is fixed."""

    name: str
    dtype: DType
    shape: tuple[int, ...]

    @property
    def type(self) -> TensorType:
        return TensorType(self.dtype, self.shape)


@dataclass(frozen=True, slots=True)
class Interface:
    """An input or output of the model, before its shape is fixed."""

    name: str
    dtype: DType
    shape: tuple[Dimension, ...]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """One program of the package, for one set of input shapes; `program` is its root."""

    name: str
    program: bytes
    path: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    gas_units: int


@dataclass(frozen=True, slots=True)
class ConstantEntry:
    """Where the constant with tensor root `root` is stored: a tensor of a safetensors file."""

    root: bytes
    file: str
    tensor: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the package: size in bytes, SHA-256 of its content, its CID and how it is cut."""

    path: str
    size: int
    sha256: bytes
    cid: Cid
    role: Role
    chunking: Chunking = Chunking.UNIXFS


@dataclass(frozen=True, slots=True)
class ExampleEntry:
    """A run that everybody can repeat: `inputs` is a safetensors file, `outputs` tensor roots."""

    entry: str
    inputs: str
    outputs: tuple[bytes, ...]


def entry_from_document(item: dict[str, Any]) -> ProgramEntry:
    """A program of `entries`."""
    return ProgramEntry(
        name=item["name"],
        program=bytes32(item["program"]),
        path=item["path"],
        inputs=tuple(Port(*_tensor(port)) for port in item["inputs"]),
        outputs=tuple(Port(*_tensor(port)) for port in item["outputs"]),
        gas_units=item["gas_units"],
    )


def interface_from_document(item: dict[str, Any]) -> Interface:
    """A tensor of `inputs` or `outputs`."""
    return Interface(*_tensor(item), meaning=item.get("meaning", ""))


def _tensor(item: dict[str, Any]) -> tuple[str, DType, tuple[Any, ...]]:
    return item["name"], DType[item["dtype"].upper()], tuple(item["shape"])


def file_from_document(item: dict[str, Any]) -> FileEntry:
    """A file of `files`. Raises MalformedAddress for its CID."""
    digest = bytes.fromhex(item["sha256"])
    cid = Cid.parse(item["cid"])
    role, chunking = Role(item["role"]), Chunking(item["chunking"])
    return FileEntry(item["path"], item["size"], digest, cid, role, chunking)


def example_from_document(item: dict[str, Any]) -> ExampleEntry:
    """A run of `examples`."""
    return ExampleEntry(item["entry"], item["inputs"], tuple(map(bytes32, item["outputs"])))


def bytes32(text: str) -> bytes:
    """The bytes of `0x` and 64 hexadecimal digits."""
    return bytes.fromhex(text[2:])


def entry_to_document(entry: ProgramEntry) -> dict[str, Any]:
    """As `entry_from_document` reads it."""
    return {
        "name": entry.name,
        "program": f"0x{entry.program.hex()}",
        "path": entry.path,
        "inputs": [_tensor_document(port) for port in entry.inputs],
        "outputs": [_tensor_document(port) for port in entry.outputs],
        "gas_units": entry.gas_units,
    }


def _tensor_document(tensor: Port | Interface) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype.name.lower(), "shape": list(tensor.shape)}


def interface_to_document(tensor: Interface) -> dict[str, Any]:
    """As `interface_from_document` reads it."""
    document = _tensor_document(tensor)
    return document | {"meaning": tensor.meaning} if tensor.meaning else document


def example_to_document(example: ExampleEntry) -> dict[str, Any]:
    """As `example_from_document` reads it."""
    return {
        "entry": example.entry,
        "inputs": example.inputs,
        "outputs": [f"0x{root.hex()}" for root in example.outputs],
    }


def file_to_document(file: FileEntry) -> dict[str, Any]:
    """As `file_from_document` reads it."""
    return {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256.hex(),
        "cid": str(file.cid),
        "chunking": file.chunking.value,
        "role": file.role.value,
    }
