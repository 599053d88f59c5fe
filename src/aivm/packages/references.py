"""What must hold inside a manifest beyond the form of each field: that references resolve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aivm.commitments.cid import Cid
from aivm.errors import MalformedPackage
from aivm.packages.entries import Interface, Port, Role
from aivm.packages.files import Chunking
from aivm.packages.modules import check_modules
from aivm.packages.paths import check_paths, check_unique
from aivm.packages.session import check_session

if TYPE_CHECKING:
    from aivm.packages.manifest import Manifest


def check_references(manifest: Manifest) -> None:
    """Raises MalformedPackage for the first reference that leads nowhere."""
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
    _check_interfaces(manifest)
    _check_files(manifest)
    _check_examples(manifest, roles)
    _check_claims(manifest, roles)
    try:
        datetime.strptime(manifest.created, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise MalformedPackage(f"created: {manifest.created} is no date") from None


def _check_interfaces(manifest: Manifest) -> None:
    """What the model takes and gives is what its programs take and give, in some shape."""
    session = manifest.session
    for entry in manifest.entries:
        if session is not None and entry.name != session.step:
            continue
        if not (_fit(entry.inputs, manifest.inputs) and _fit(entry.outputs, manifest.outputs)):
            raise MalformedPackage(
                f"entry {entry.name}: its inputs or outputs are not those of the model"
            )


def _fit(ports: Sequence[Port], described: Sequence[Interface]) -> bool:
    return len(ports) == len(described) and all(map(_fits, ports, described))


def _fits(port: Port, described: Interface) -> bool:
    if (port.name, port.dtype) != (described.name, described.dtype):
        return False
    sizes = list(zip(port.shape, described.shape, strict=False))
    fixed = all(size == told for size, told in sizes if isinstance(told, int))
    return fixed and len(port.shape) == len(described.shape)


def _check_files(manifest: Manifest) -> None:
    """A file that programs or modules come from is there for one of them."""
    used = {entry.path for entry in manifest.entries}
    used |= {module.path for module in manifest.modules}
    used |= {example.inputs for example in manifest.examples}
    for file in manifest.files:
        if file.role in (Role.PROGRAM, Role.MODULE, Role.EXAMPLE) and file.path not in used:
            raise MalformedPackage(f"file {file.path!a} of role {file.role} is used by nothing")
        if file.chunking is Chunking.TENSORS and file.role is not Role.WEIGHTS:
            raise MalformedPackage(f"file {file.path!a}: only weights are cut at their tensors")
    if len(manifest.paths(Role.SOURCE)) > 1:
        raise MalformedPackage("there is more than one file of role source")


def _check_examples(manifest: Manifest, roles: Mapping[str, Role]) -> None:
    outputs = {entry.name: len(entry.outputs) for entry in manifest.entries}
    check_unique("example", (example.inputs for example in manifest.examples))
    for example in manifest.examples:
        where = f"example {example.inputs!a}"
        if roles.get(example.inputs) is not Role.EXAMPLE:
            raise MalformedPackage(f"{where} is no example file")
        if outputs.get(example.entry) != len(example.outputs):
            raise MalformedPackage(f"{where}: no entry {example.entry} gives so many outputs")


def _check_claims(manifest: Manifest, roles: Mapping[str, Role]) -> None:
    claims = manifest.claims
    reports = [metric.report for metric in claims.metrics]
    reports += [] if claims.quantization is None else [claims.quantization.report]
    for path in filter(None, reports):
        if roles.get(path) is not Role.REPORT:
            raise MalformedPackage(f"claims: {path!a} is no report file")
    named = [base.manifest for base in claims.base_models]
    named += [dependency.manifest for dependency in claims.dependencies]
    for cid in filter(None, named):
        Cid.parse(cid)
