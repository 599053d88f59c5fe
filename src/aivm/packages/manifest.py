"""The manifest: one canonical JSON document that describes a package and names the model.

`parse_manifest` is the only way from bytes to a `Manifest`, and everything that can be checked
without the other files has then been checked: canonical bytes, the published JSON Schema
(`schema/manifest.v1.json`), paths, and that every reference inside the document resolves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files as resource_files
from typing import Any

from aivm.commitments import canonical_json
from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedAddress, MalformedPackage, NotFound, TooLarge
from aivm.packages.claims import NO_CLAIMS, Claims, claims_from_document, claims_to_document
from aivm.packages.entries import (
    ConstantEntry,
    ExampleEntry,
    FileEntry,
    Interface,
    ProgramEntry,
    Role,
    bytes32,
    entry_from_document,
    entry_to_document,
    example_from_document,
    example_to_document,
    file_from_document,
    file_to_document,
    interface_from_document,
    interface_to_document,
)
from aivm.packages.files import Chunking, Chunkings
from aivm.packages.modules import ModuleEntry, module_from_document
from aivm.packages.references import check_references
from aivm.packages.session import SessionEntry, session_from_document, session_to_document
from aivm.receipts.addresses import checked_address

SCHEMA = "aivm.manifest.v1"
MAX_MANIFEST_BYTES = 256 * 1024
_MAX_REASON = 300  # characters
# Fields of several lines; all others have one.
_TEXTS = frozenset(
    {"description", "meaning", "statement", "note", "ethics"}
    | {"intended_use", "out_of_scope", "limitations"}
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says about itself. Bytes, digests and programs are checked when the package is
    opened; description, task, licence and `claims` are the publisher's word.
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
    compiler: str | None = None
    examples: tuple[ExampleEntry, ...] = ()
    claims: Claims = NO_CLAIMS

    def to_json(self) -> bytes:
        """The canonical bytes. Raises MalformedPackage or TooLarge if nobody could read them."""
        data = canonical_json.dumps(_to_document(self), MalformedPackage)
        parse_manifest(data)
        return data

    def paths(self, role: Role) -> list[str]:
        """The files of a role, in order."""
        return [file.path for file in self.files if file.role is role]

    @property
    def chunkings(self) -> Chunkings:
        """How the package's files are cut, for those that are not cut as `ipfs add` does."""
        return {f.path: f.chunking for f in self.files if f.chunking is not Chunking.UNIXFS}

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
    _check_schema(document, _validator())
    _check_text(document)
    try:
        manifest = _from_document(document)
        check_references(manifest)
    except MalformedAddress as problem:
        raise MalformedPackage(f"manifest: {problem.message}") from None
    return manifest


def check_claims(document: Any) -> None:
    """Checks the part `claims` alone. Raises MalformedPackage with the place and the reason."""
    _check_schema({"claims": document}, _validator(only_claims=True))


@cache
def _validator(*, only_claims: bool = False) -> Any:
    """For the published schema, or for a document that has only its field `claims`."""
    # Slow to import, and few commands need it.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    path = resource_files("aivm.packages").joinpath("schema/manifest.v1.json")
    schema = json.loads(path.read_bytes())
    return Draft202012Validator(schema | {"required": ["claims"]} if only_claims else schema)


def _check_schema(document: Any, validator: Any) -> None:
    error = next(validator.iter_errors(document), None)
    if error is None:
        return
    reason = error.message  # begins with the value, whatever its length, and ends with the rule
    if len(reason) > _MAX_REASON:
        reason = f"{reason[: _MAX_REASON // 2]}...{reason[-_MAX_REASON // 2 :]}"
    fields = validator.schema["properties"]
    meaning = fields.get(error.path[0], {}).get("description") if len(error.path) == 1 else None
    raise MalformedPackage(
        f"manifest, {error.json_path}: {reason}", hint=f"It is: {meaning}." if meaning else None
    )


def _check_text(document: dict[str, Any]) -> None:
    """No control characters; the schema's `$` alone would let a final line break pass."""
    for key, text in _strings("", document):
        allowed = "\n" if key in _TEXTS else ""
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


def _from_document(document: dict[str, Any]) -> Manifest:
    session, supersedes = document.get("session"), document.get("supersedes")
    claims = claims_from_document(Claims, document.get("claims", {}))
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
        inputs=tuple(interface_from_document(item) for item in document["inputs"]),
        outputs=tuple(interface_from_document(item) for item in document["outputs"]),
        entries=tuple(entry_from_document(item) for item in document["entries"]),
        constants=tuple(
            ConstantEntry(bytes32(item["root"]), item["file"], item["tensor"])
            for item in document["constants"]
        ),
        files=tuple(file_from_document(item) for item in document["files"]),
        session=None if session is None else session_from_document(session),
        supersedes=None if supersedes is None else bytes32(supersedes),
        modules=tuple(module_from_document(item) for item in document.get("modules", ())),
        compiler=document["runtime"].get("compiler"),
        examples=tuple(example_from_document(item) for item in document.get("examples", ())),
        claims=claims,
    )


def _to_document(manifest: Manifest) -> dict[str, Any]:
    runtime: dict[str, Any] = {
        "numerics": manifest.numerics,
        "memory_bytes": manifest.memory_bytes,
    }
    if manifest.compiler is not None:
        runtime["compiler"] = manifest.compiler
    document = {
        "schema": SCHEMA,
        "name": manifest.name,
        "version": manifest.version,
        "publisher": manifest.publisher,
        "license": manifest.license,
        "description": manifest.description,
        "task": manifest.task,
        "created": manifest.created,
        "runtime": runtime,
        "inputs": [interface_to_document(tensor) for tensor in manifest.inputs],
        "outputs": [interface_to_document(tensor) for tensor in manifest.outputs],
        "entries": [entry_to_document(entry) for entry in manifest.entries],
        "constants": [
            {"root": f"0x{constant.root.hex()}", "file": constant.file, "tensor": constant.tensor}
            for constant in manifest.constants
        ],
        "files": [file_to_document(file) for file in manifest.files],
    }
    if manifest.modules:
        document["modules"] = [module.to_document() for module in manifest.modules]
    if manifest.session is not None:
        document["session"] = session_to_document(manifest.session)
    if manifest.supersedes is not None:
        document["supersedes"] = f"0x{manifest.supersedes.hex()}"
    if manifest.examples:
        document["examples"] = [example_to_document(example) for example in manifest.examples]
    if claims := claims_to_document(manifest.claims):
        document["claims"] = claims
    return document
