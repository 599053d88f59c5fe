"""Opening a package: every byte is verified before anything of it is used.

    manifest.json        the manifest; the SHA-256 of its bytes is the model id
    manifest.sig.json    its DSSE envelope
    ...                  the files that the manifest lists, and nothing else

    model.sig            perhaps: an OpenSSF model signature over the same files

In order: model id, signature, list of files, each file's size, SHA-256, CID and kind, each
program's records and root, each constant's tensor root. A package that lies is refused as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from hashlib import file_digest, sha256
from pathlib import Path

from aivm.commitments import Array, VerifiedTensors, program_root_of_records, tensor_root
from aivm.errors import (
    BadInput,
    BadSignature,
    MalformedPackage,
    MalformedProgram,
    NotFound,
    TamperedContent,
    TooLarge,
)
from aivm.isa.gas import gas_units
from aivm.isa.instructions import TensorType
from aivm.isa.program import Constant, Program
from aivm.isa.records import decode
from aivm.modules import Module, Tensor
from aivm.modules.wasi import App
from aivm.packages import files
from aivm.packages.contents import check_content
from aivm.packages.entries import FileEntry, Port, ProgramEntry
from aivm.packages.envelope import MAX_ENVELOPE_BYTES, verify_envelope
from aivm.packages.files import Chunkings
from aivm.packages.manifest import MAX_MANIFEST_BYTES, Manifest, model_id, parse_manifest
from aivm.packages.modules import LoadedApp, LoadedModule, ModuleEntry, load_code
from aivm.packages.paths import MANIFEST, MODEL_SIGNATURE, SIGNATURE
from aivm.packages.resources import memory_bytes
from aivm.packages.safetensors import SafeTensors
from aivm.receipts import StageRole

_THREADS = min(8, os.cpu_count() or 1)


class Package:
    """A verified package. `model_id` is 32 bytes; weights are mapped from disk, not copied.

    The folder must not be changed while the package is in use.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        model: bytes,
        programs: dict[str, Program],
        constants: dict[bytes, Array],
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.model_id = model
        self._programs = programs
        self._constants = constants
        self._modules: dict[str, LoadedModule] = {}

    def program(self, entry: str) -> Program:
        """The program of an entry. Raises NotFound if there is none of that name."""
        return self._programs[self.manifest.entry(entry).name]

    def constants(self, entry: str) -> VerifiedTensors:
        """The constants of an entry's program, in its order; read-only views of the weights."""
        program = self.program(entry)
        return VerifiedTensors(self._constants[constant.root] for constant in program.constants)

    @property
    def constants_by_root(self) -> Mapping[bytes, Array]:
        """Every constant of the listed programs, by its tensor root."""
        return self._constants

    def module(self, *roles: StageRole) -> LoadedModule | None:
        """The package's module of one of these roles, ready to run; None if it has none.

        Raises MalformedModule, TooLarge, TamperedContent.
        """
        for entry in self.manifest.modules:
            if entry.role in roles:
                return self._load_module(entry)
        return None

    def app(self, name: str | None = None) -> LoadedApp:
        """The app of that name, or the only one, ready to run. Raises NotFound, as `module`."""
        apps = {e.name: e for e in self.manifest.modules if e.role is StageRole.APP}
        known = ", ".join(apps) or "none"
        if name is None and len(apps) != 1:
            raise NotFound(f"{self.manifest.name} has {len(apps)} apps: {known}")
        if name is not None and name not in apps:
            raise NotFound(f"{self.manifest.name} has no app {name!a}", hint=f"Apps: {known}.")
        entry = next(iter(apps.values())) if name is None else apps[name]
        code = load_code(entry, self.read(entry.path))
        assert isinstance(code, App)
        return LoadedApp(entry, entry.stage(self._digests()), code)

    def _load_module(self, entry: ModuleEntry) -> LoadedModule:
        loaded = self._modules.get(entry.name)
        if loaded is None:
            data = tuple(Tensor.of_bytes(self.read(path)) for path in entry.data)
            code = load_code(entry, self.read(entry.path))
            assert isinstance(code, Module)
            loaded = LoadedModule(entry, entry.stage(self._digests()), code, data)
            self._modules[entry.name] = loaded
        return loaded

    def _digests(self) -> dict[str, bytes]:
        return {file.path: file.sha256 for file in self.manifest.files}

    def file(self, path: str) -> Path:
        """Where a file that the manifest lists lies on disk. Raises NotFound."""
        return self.directory / self._entry(path).path

    def read(self, path: str) -> bytes:
        """The content of a listed file, verified once more. Raises NotFound, TamperedContent."""
        entry = self._entry(path)
        content = (self.directory / path).read_bytes()
        if sha256(content).digest() != entry.sha256:
            raise TamperedContent(f"{path} was changed after the package had been opened")
        return content

    def _entry(self, path: str) -> FileEntry:
        for entry in self.manifest.files:
            if entry.path == path:
                return entry
        raise NotFound(f"package {self.manifest.name} has no file {path!a}")


class Stage(StrEnum):
    """What opening a package checks, in this order."""

    MANIFEST = "manifest"
    SIGNATURES = "signatures"
    FILES = "files"
    PROGRAMS = "programs"
    CONSTANTS = "constants"


def open_package(
    directory: Path,
    expected_model_id: bytes | None = None,
    *,
    entering: Callable[[Stage], None] = lambda _stage: None,
) -> Package:
    """Verifies the package in `directory` and opens it.

    With `expected_model_id` it must be exactly that model; without, it is whatever its publisher
    signed. `entering` is told of every stage that begins. Raises NotFound, TamperedContent,
    BadSignature, MalformedPackage, MalformedProgram, TooLarge.
    """
    entering(Stage.MANIFEST)
    manifest_bytes = read_small(directory, MANIFEST, MAX_MANIFEST_BYTES)
    model = model_id(manifest_bytes)
    if expected_model_id is not None and model != expected_model_id:
        raise TamperedContent(
            f"{directory / MANIFEST} is model {model.hex()}, not {expected_model_id.hex()}"
        )
    manifest = parse_manifest(manifest_bytes)
    entering(Stage.SIGNATURES)
    envelope = read_small(directory, SIGNATURE, MAX_ENVELOPE_BYTES)
    if manifest.publisher not in verify_envelope(envelope, manifest_bytes):
        raise BadSignature(f"the manifest is not signed by its publisher {manifest.publisher}")
    entering(Stage.FILES)
    _check_listing(directory, manifest)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda entry: _check_file(directory, entry), manifest.files))
    entering(Stage.PROGRAMS)
    programs = {entry.name: _load_program(directory, entry) for entry in manifest.entries}
    _check_memory(manifest, programs)
    entering(Stage.CONSTANTS)
    constants = _load_constants(directory, manifest, programs)
    return Package(directory, manifest, model, programs, constants)


def chunkings_of(directory: Path) -> Chunkings:
    """How the files of a folder are cut: as its manifest says, where it is a package."""
    try:
        return parse_manifest(read_small(directory, MANIFEST, MAX_MANIFEST_BYTES)).chunkings
    except (NotFound, BadInput):
        return files.NO_CHUNKINGS


def read_small(directory: Path, name: str, limit: int) -> bytes:
    """A file that nothing vouches for yet. Raises NotFound, MalformedPackage, TooLarge."""
    path = directory / name
    if path.is_symlink():
        raise MalformedPackage(f"{path} is a symbolic link")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{directory} is not a package: it has no {name}") from None
    except OSError as problem:
        raise MalformedPackage(f"{path} cannot be read: {problem.strerror}") from None
    if len(data) > limit:
        raise TooLarge(f"{path} is over {limit} bytes")
    return data


def _check_listing(directory: Path, manifest: Manifest) -> None:
    """Exactly the listed files are there, all of them regular."""
    listed = {file.path for file in manifest.files} | {MANIFEST, SIGNATURE}
    try:
        found = set(_walk(directory, directory, 0))
    except BadInput as problem:
        raise MalformedPackage(f"package: {problem.message}") from None
    for path in sorted(listed - found):
        raise MalformedPackage(f"the package lacks its file {path!a}")
    for path in sorted(found - listed - {MODEL_SIGNATURE}):
        raise MalformedPackage(
            f"the package has a file {path!a} that its manifest does not list",
            hint="Delete it, or pack the model again with it.",
        )


def _walk(root: Path, directory: Path, depth: int) -> Iterator[str]:
    if depth > files.MAX_DEPTH:
        raise MalformedPackage(f"{directory} is nested more than {files.MAX_DEPTH} deep")
    for child in files.children(directory):
        if child.is_dir():
            yield from _walk(root, child, depth + 1)
        else:
            yield child.relative_to(root).as_posix()


def _check_file(directory: Path, entry: FileEntry) -> None:
    path = directory / entry.path
    size = path.stat().st_size
    if size != entry.size:
        raise TamperedContent(f"{entry.path} has {size} bytes, the manifest says {entry.size}")
    with path.open("rb") as file:
        if file_digest(file, "sha256").digest() != entry.sha256:
            raise TamperedContent(f"{entry.path} does not hash to the manifest's SHA-256")
    if files.file_dag(path, threads=1, chunking=entry.chunking).entry.cid != entry.cid:
        raise TamperedContent(f"{entry.path} does not hash to the manifest's CID {entry.cid}")
    check_content(path, entry)


def _load_program(directory: Path, entry: ProgramEntry) -> Program:
    records = (directory / entry.path).read_bytes()
    if program_root_of_records(records) != entry.program:
        raise TamperedContent(f"{entry.path} is not program 0x{entry.program.hex()}")
    try:
        program = decode(records)
    except MalformedProgram as problem:
        raise MalformedProgram(f"{entry.path}: {problem.message}") from None
    types = program.value_types
    outputs = tuple(types[value] for value in program.outputs)
    if _port_types(entry.inputs) != program.inputs or _port_types(entry.outputs) != outputs:
        raise MalformedPackage(f"entry {entry.name}: inputs or outputs differ from its program's")
    if gas_units(program) != entry.gas_units:
        raise MalformedPackage(f"entry {entry.name}: gas is {gas_units(program)}")
    return program


def _check_memory(manifest: Manifest, programs: Mapping[str, Program]) -> None:
    needed = max(map(memory_bytes, programs.values()))
    if manifest.memory_bytes != needed:
        raise MalformedPackage(
            f"the programs need {needed} bytes of memory, the manifest says {manifest.memory_bytes}"
        )


def _port_types(ports: tuple[Port, ...]) -> tuple[TensorType, ...]:
    return tuple(port.type for port in ports)


def _load_constants(
    directory: Path, manifest: Manifest, programs: dict[str, Program]
) -> dict[bytes, Array]:
    """Every constant of every program, checked against its tensor root."""
    needed = {
        constant.root: constant for program in programs.values() for constant in program.constants
    }
    places = {constant.root: constant for constant in manifest.constants}
    if needed.keys() != places.keys():
        raise MalformedPackage("the manifest's constants are not those of its programs")
    opened: dict[str, SafeTensors] = {}
    loaded = {}
    for root, constant in needed.items():
        place = places[root]
        if place.file not in opened:
            opened[place.file] = SafeTensors(directory / place.file)
        loaded[root] = _load_constant(opened[place.file], place.tensor, constant)
        opened[place.file].forget_pages()
    return loaded


def _load_constant(weights: SafeTensors, name: str, constant: Constant) -> Array:
    if weights.types.get(name) != constant.type:
        raise MalformedPackage(f"the weights have no tensor {name!a} of type {constant.type}")
    array = weights[name]
    if tensor_root(array, constant.type.dtype) != constant.root:
        raise TamperedContent(f"tensor {name!a} is not constant 0x{constant.root.hex()}")
    return array
