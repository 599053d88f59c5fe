"""Writing a package: programs, weights, further files, manifest, signature; then all of it at once.

The package is built in a folder beside its destination, opened there as a reader would, and only
then renamed (`whole_folder`), so that what appears under its name is whole and verifies.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path

from aivm.commitments import Array, program_root_of_records
from aivm.commitments.cid import Cid
from aivm.compiler import CompiledModel, Detached
from aivm.errors import MalformedPackage
from aivm.isa.gas import gas_units
from aivm.isa.program import NUMERICS_VERSION
from aivm.isa.records import encode
from aivm.modules import DEFAULT_LIMITS, Limits, shipped
from aivm.packages import files
from aivm.packages.claims import NO_CLAIMS, Claims
from aivm.packages.entries import ConstantEntry, FileEntry, Interface, Port, ProgramEntry, Role
from aivm.packages.envelope import sign_manifest
from aivm.packages.examples import write_examples
from aivm.packages.files import Chunking
from aivm.packages.folder import whole_folder
from aivm.packages.manifest import Manifest, manifest_cid, model_id
from aivm.packages.model_signature import sign_model
from aivm.packages.modules import TEXT, ModuleEntry, load_code
from aivm.packages.package import open_package
from aivm.packages.paths import MANIFEST, MODEL_SIGNATURE, SIGNATURE, check_path
from aivm.packages.resources import memory_bytes
from aivm.packages.safetensors import SafeTensors, write_safetensors
from aivm.packages.session import SessionEntry
from aivm.packages.weights import SOURCE, WEIGHTS, Weights
from aivm.receipts import Signer, StageRole


@dataclass(frozen=True)
class Description:
    """What the publisher says about a model, and decides: `created` is Unix time in seconds,
    `chunking` says where the weights are cut.
    """

    name: str
    version: str
    license: str
    inputs: tuple[Interface, ...]
    outputs: tuple[Interface, ...]
    created: int
    description: str = ""
    task: str = ""
    session: SessionEntry | None = None
    supersedes: bytes | None = None
    compiler: str | None = None
    claims: Claims = NO_CLAIMS
    chunking: Chunking = Chunking.UNIXFS


@dataclass(frozen=True)
class ExtraFile:
    """A file to ship with the model, by its content or by where it lies now."""

    path: str
    role: Role
    source: bytes | Path


@dataclass(frozen=True)
class ModuleSource:
    """A module to ship; `data` are paths of files that the package has anyway."""

    name: str
    role: StageRole
    wasm: bytes
    entry: str
    limits: Limits = DEFAULT_LIMITS
    data: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def wordpiece_module(vocabulary: str) -> ModuleSource:
    """The shipped tokeniser of BERT's uncased models, over the package's file `vocabulary`."""
    return ModuleSource(
        name="wordpiece",
        role=StageRole.TOKENIZER,
        wasm=shipped.wordpiece(),
        entry=shipped.WORDPIECE_ENTRY,
        data=(vocabulary,),
        inputs=(TEXT, "max_tokens"),
        outputs=("input_ids", "attention_mask", "token_type_ids"),
    )


@dataclass(frozen=True)
class PackageInfo:
    """A package on disk: `directory_cid` names the whole folder, `manifest_cid` the manifest."""

    directory: Path
    manifest: Manifest
    model_id: bytes
    manifest_cid: Cid
    directory_cid: Cid


def write_package(
    out_dir: Path,
    description: Description,
    entries: Mapping[str, CompiledModel],
    signer: Signer,
    extra_files: Sequence[ExtraFile] = (),
    modules: Sequence[ModuleSource] = (),
    source: Detached | None = None,
    examples: Sequence[Mapping[str, Array]] = (),
    model_key: bytes | None = None,
) -> PackageInfo:
    """Writes, signs and verifies a package; `entries` are the compiled programs by entry name.

    With `source`, the model that they were compiled from, readers can derive further programs.
    `examples` are inputs by name, in the shapes of an entry; what it makes of them is stated.
    `model_key` (PEM, EC P-256) signs the whole once more, for OpenSSF tools.
    `out_dir` must not exist or be empty. The same arguments give the same bytes. Raises BadInput,
    MalformedPackage, MalformedModule, TooLarge; then nothing is left behind.
    """
    out_dir = out_dir.absolute()
    with whole_folder(out_dir) as building:
        manifest = _write_files(
            building, description, entries, signer.address, extra_files, modules, source, examples
        )
        data = manifest.to_json()
        (building / MANIFEST).write_bytes(data)
        (building / SIGNATURE).write_bytes(sign_manifest(data, signer))
        if model_key is not None:
            digests = {file.path: file.sha256 for file in manifest.files}
            bundle = sign_model(manifest.name, digests | {MANIFEST: model_id(data)}, model_key)
            (building / MODEL_SIGNATURE).write_bytes(bundle)
        open_package(building, model_id(data))
    return describe_package(out_dir, manifest, model_id(data))


def describe_package(directory: Path, manifest: Manifest, model: bytes) -> PackageInfo:
    """The names by which a package that was written or opened is known."""
    whole = files.cid_of_directory(directory, manifest.chunkings)
    return PackageInfo(directory, manifest, model, manifest_cid(model), whole)


def _write_files(
    root: Path,
    description: Description,
    compiled: Mapping[str, CompiledModel],
    publisher: str,
    extra_files: Sequence[ExtraFile],
    modules: Sequence[ModuleSource],
    source: Detached | None,
    examples: Sequence[Mapping[str, Array]],
) -> Manifest:
    entries = tuple(_write_program(root, name, model) for name, model in compiled.items())
    roles = {entry.path: Role.PROGRAM for entry in entries}
    weights = Weights()
    constants = _constant_entries(weights, compiled.values())
    names = [] if source is None else [weights.add_bytes_of(array) for array in source.arrays]
    if weights.tensors:
        write_safetensors(root / WEIGHTS, weights.tensors)
        roles[WEIGHTS] = Role.WEIGHTS
    if source is not None:
        places = _places(root / WEIGHTS, names) if names else []
        (root / SOURCE).write_bytes(source.to_bytes(places))
        roles[SOURCE] = Role.SOURCE
    for extra in extra_files:
        _write_extra(root, extra)
        roles[extra.path] = extra.role
    listed = tuple(_write_module(root, module) for module in modules)
    roles |= dict.fromkeys((module.path for module in listed), Role.MODULE)
    runs = write_examples(root, compiled, examples)
    roles |= dict.fromkeys((run.inputs for run in runs), Role.EXAMPLE)
    return Manifest(
        name=description.name,
        version=description.version,
        publisher=publisher,
        license=description.license,
        description=description.description,
        task=description.task,
        created=datetime.fromtimestamp(description.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        numerics=NUMERICS_VERSION,
        memory_bytes=max(memory_bytes(model.program) for model in compiled.values()),
        inputs=description.inputs,
        outputs=description.outputs,
        entries=entries,
        constants=constants,
        files=tuple(
            _file_entry(root, path, roles[path], description.chunking) for path in sorted(roles)
        ),
        session=description.session,
        supersedes=description.supersedes,
        modules=listed,
        compiler=description.compiler,
        examples=runs,
        claims=description.claims,
    )


def _write_module(root: Path, module: ModuleSource) -> ModuleEntry:
    """Writes a module that can be called as its entry says."""
    path = f"modules/{module.name}.wasm"
    _write_extra(root, ExtraFile(path, Role.MODULE, module.wasm))
    entry = ModuleEntry(
        name=module.name,
        role=module.role,
        path=path,
        module=sha256(module.wasm).digest(),
        entry=module.entry,
        limits=module.limits,
        data=module.data,
        inputs=module.inputs,
        outputs=module.outputs,
    )
    load_code(entry, module.wasm)
    return entry


def _write_extra(root: Path, extra: ExtraFile) -> None:
    check_path(extra.path)
    path = root / extra.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise MalformedPackage(f"path {extra.path!a} is taken by another file of the package")
    if isinstance(extra.source, bytes):
        path.write_bytes(extra.source)
    else:
        shutil.copyfile(extra.source, path)


def _write_program(root: Path, name: str, model: CompiledModel) -> ProgramEntry:
    path = f"programs/{name}.aivm"
    check_path(path)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    program = model.program
    records = encode(program)
    with (root / path).open("xb") as file:
        file.write(records)
    types = program.value_types
    outputs = [types[value] for value in program.outputs]
    return ProgramEntry(
        name=name,
        program=program_root_of_records(records),
        path=path,
        inputs=tuple(
            Port(port, type_.dtype, type_.shape)
            for port, type_ in zip(model.input_names, program.inputs, strict=True)
        ),
        outputs=tuple(
            Port(port, type_.dtype, type_.shape)
            for port, type_ in zip(model.output_names, outputs, strict=True)
        ),
        gas_units=gas_units(program),
    )


def _constant_entries(
    weights: Weights, compiled: Iterable[CompiledModel]
) -> tuple[ConstantEntry, ...]:
    """The constants of all programs, each once: programs of one model share their weights."""
    names: dict[bytes, str] = {}
    for model in compiled:
        for constant, array in zip(model.program.constants, model.constants, strict=True):
            if constant.root not in names:
                names[constant.root] = weights.add(
                    f"constant.{len(names)}", array, constant.type.dtype
                )
    return tuple(ConstantEntry(root, WEIGHTS, name) for root, name in names.items())


def _places(weights: Path, names: Sequence[str]) -> list[tuple[str, int]]:
    """Where the tensors of the source lie."""
    written = SafeTensors(weights)
    return [(weights.name, written.offset_of(name)) for name in names]


def _file_entry(root: Path, path: str, role: Role, of_weights: Chunking) -> FileEntry:
    with (root / path).open("rb") as file:
        digest = file_digest(file, "sha256").digest()
    chunking = of_weights if role is Role.WEIGHTS else Chunking.UNIXFS
    entry = files.file_dag(root / path, chunking=chunking).entry
    return FileEntry(path, entry.size, digest, entry.cid, role, chunking)
