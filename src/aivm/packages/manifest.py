"""The manifest: one canonical JSON document that describes a package and names the model.

`parse_manifest` is the only way from bytes to a `Manifest`, and everything that can be checked
without the other files has then been checked: canonical bytes, the published JSON Schema
(`schema/manifest.v1.json`), paths, and that every reference inside the document resolves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from importlib.resources import files as resource_files
from typing import Any

from aivm.commitments import canonical_json
from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedAddress, MalformedPackage, NotFound, TooLarge
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.packages.modules import ModuleEntry, check_modules, module_from_document
from aivm.packages.paths import check_paths, check_unique
from aivm.packages.session import (
    SessionEntry,
    check_session,
    session_from_document,
    session_to_document,
)
from aivm.receipts.addresses import checked_address

SCHEMA = "aivm.manifest.v1"
MAX_MANIFEST_BYTES = 256 * 1024
_MAX_REASON = 300  # characters

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
    """One file of the package: size in bytes, SHA-256 of its content, and its CID."""

    path: str
    size: int
    sha256: bytes
    cid: Cid
    role: Role


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says about itself. Bytes, digests and programs are checked when the package is
    opened; description, task and licence are the publisher's word.
    """

    name: str
    version: str
    publisher: str
    license: str
    description: str
    task: str
    created: str
    numerics: int
    memory_bytes: int
    inputs: tuple[Interface, ...]
    outputs: tuple[Interface, ...]
    entries: tuple[ProgramEntry, ...]
    constants: tuple[ConstantEntry, ...]
    files: tuple[FileEntry, ...]
    session: SessionEntry | None = None
    supersedes: bytes | None = None
    modules: tuple[ModuleEntry, ...] = ()

    def to_json(self) -> bytes:
        """The canonical bytes. Raises MalformedPackage or TooLarge if nobody could read them."""
        data = canonical_json.dumps(_to_document(self), MalformedPackage)
        parse_manifest(data)
        return data

    def entry(self, name: str) -> ProgramEntry:
        """The program of that name. Raises NotFound."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries)
        raise NotFound(f"{self.name} has no entry {name!a}", hint=f"It has: {known}.")


def model_id(manifest: bytes) -> bytes:
    """The model's name: the SHA-256 digest of the manifest's bytes."""
    return sha256(manifest).digest()


def manifest_cid(model: bytes) -> Cid:
    """The CID of the manifest itself: it is one raw block, whose digest is the model id."""
    return Cid(Codec.RAW, model)


def parse_manifest(data: bytes) -> Manifest:
    """Reads a manifest. Raises MalformedPackage with the place and the reason, or TooLarge."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise TooLarge(f"a manifest of {len(data)} bytes is over {MAX_MANIFEST_BYTES}")
    document = canonical_json.parse_canonical(data, MalformedPackage)
    _check_schema(document)
    _check_text(document)
    try:
        manifest = _from_document(document)
    except MalformedAddress as problem:
        raise MalformedPackage(f"manifest: {problem.message}") from None
    _check_references(manifest)
    return manifest


@cache
def _validator() -> Any:
    # Slow to import, and few commands need it.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schema = resource_files("aivm.packages").joinpath("schema/manifest.v1.json").read_bytes()
    return Draft202012Validator(json.loads(schema))


def _check_schema(document: Any) -> None:
    error = next(_validator().iter_errors(document), None)
    if error is None:
        return
    reason = error.message  # begins with the value, whatever its length, and ends with the rule
    if len(reason) > _MAX_REASON:
        reason = f"{reason[: _MAX_REASON // 2]}...{reason[-_MAX_REASON // 2 :]}"
    fields = _validator().schema["properties"]
    meaning = fields.get(error.path[0], {}).get("description") if len(error.path) == 1 else None
    raise MalformedPackage(
        f"manifest, {error.json_path}: {reason}", hint=f"It is: {meaning}." if meaning else None
    )


def _check_text(document: dict[str, Any]) -> None:
    """No control characters; the schema's `$` alone would let a final line break pass."""
    for key, text in _strings("", document):
        allowed = "\n" if key == "description" else ""
        if any(ord(character) < 0x20 and character not in allowed for character in text):
            raise MalformedPackage(f"manifest: {key} {text[:80]!a} has control characters")


def _strings(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(key, item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(name, item)


def _check_references(manifest: Manifest) -> None:
    check_paths(file.path for file in manifest.files)
    roles = {file.path: file.role for file in manifest.files}
    check_unique("entry name", (entry.name for entry in manifest.entries))
    check_unique("program", (entry.program.hex() for entry in manifest.entries))
    check_unique("constant", (constant.root.hex() for constant in manifest.constants))
    for entry in manifest.entries:
        if roles.get(entry.path) is not Role.PROGRAM:
            raise MalformedPackage(f"entry {entry.name}: {entry.path!a} is no program file")
        check_unique(f"input name of {entry.name}", (port.name for port in entry.inputs))
        check_unique(f"output name of {entry.name}", (port.name for port in entry.outputs))
    for constant in manifest.constants:
        if roles.get(constant.file) is not Role.WEIGHTS:
            raise MalformedPackage(f"constant: {constant.file!a} is no weights file")
    check_modules(manifest.modules, {file.path: file.sha256 for file in manifest.files})
    for module in manifest.modules:
        if roles[module.path] is not Role.MODULE:
            raise MalformedPackage(f"module {module.name}: {module.path!a} is no module file")
    if manifest.session is not None:
        check_session(manifest.session, manifest.entries)
    try:
        datetime.strptime(manifest.created, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise MalformedPackage(f"created: {manifest.created} is no date") from None


def _from_document(document: dict[str, Any]) -> Manifest:
    session, supersedes = document.get("session"), document.get("supersedes")
    publisher = checked_address(document["publisher"])
    if publisher != document["publisher"]:
        raise MalformedPackage("publisher is not in its EIP-55 spelling")
    return Manifest(
        name=document["name"],
        version=document["version"],
        publisher=publisher,
        license=document["license"],
        description=document["description"],
        task=document["task"],
        created=document["created"],
        numerics=document["runtime"]["numerics"],
        memory_bytes=document["runtime"]["memory_bytes"],
        inputs=tuple(Interface(*_tensor(item)) for item in document["inputs"]),
        outputs=tuple(Interface(*_tensor(item)) for item in document["outputs"]),
        entries=tuple(_entry(item) for item in document["entries"]),
        constants=tuple(
            ConstantEntry(_bytes32(item["root"]), item["file"], item["tensor"])
            for item in document["constants"]
        ),
        files=tuple(_file(item) for item in document["files"]),
        session=None if session is None else session_from_document(session),
        supersedes=None if supersedes is None else _bytes32(supersedes),
        modules=tuple(module_from_document(item) for item in document.get("modules", ())),
    )


def _entry(item: dict[str, Any]) -> ProgramEntry:
    return ProgramEntry(
        name=item["name"],
        program=_bytes32(item["program"]),
        path=item["path"],
        inputs=tuple(Port(*_tensor(port)) for port in item["inputs"]),
        outputs=tuple(Port(*_tensor(port)) for port in item["outputs"]),
        gas_units=item["gas_units"],
    )


def _tensor(item: dict[str, Any]) -> tuple[str, DType, tuple[Any, ...]]:
    return item["name"], DType[item["dtype"].upper()], tuple(item["shape"])


def _file(item: dict[str, Any]) -> FileEntry:
    digest = bytes.fromhex(item["sha256"])
    cid = Cid.parse(item["cid"])
    return FileEntry(item["path"], item["size"], digest, cid, Role(item["role"]))


def _bytes32(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _to_document(manifest: Manifest) -> dict[str, Any]:
    document = {
        "schema": SCHEMA,
        "name": manifest.name,
        "version": manifest.version,
        "publisher": manifest.publisher,
        "license": manifest.license,
        "description": manifest.description,
        "task": manifest.task,
        "created": manifest.created,
        "runtime": {"numerics": manifest.numerics, "memory_bytes": manifest.memory_bytes},
        "inputs": [_tensor_document(tensor) for tensor in manifest.inputs],
        "outputs": [_tensor_document(tensor) for tensor in manifest.outputs],
        "entries": [_entry_document(entry) for entry in manifest.entries],
        "constants": [
            {"root": f"0x{constant.root.hex()}", "file": constant.file, "tensor": constant.tensor}
            for constant in manifest.constants
        ],
        "files": [_file_document(file) for file in manifest.files],
    }
    if manifest.modules:
        document["modules"] = [module.to_document() for module in manifest.modules]
    if manifest.session is not None:
        document["session"] = session_to_document(manifest.session)
    if manifest.supersedes is not None:
        document["supersedes"] = f"0x{manifest.supersedes.hex()}"
    return document


def _entry_document(entry: ProgramEntry) -> dict[str, Any]:
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


def _file_document(file: FileEntry) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256.hex(),
        "cid": str(file.cid),
        "role": file.role.value,
    }
