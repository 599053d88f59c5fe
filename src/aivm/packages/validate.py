"""Everything about a package that can be checked without a network, check by check.

    report = validate(directory)
    report.ok, report.error, [finding.name for finding in report.findings]

Opening a package proves that its bytes are those its publisher signed. Validating it also proves
that the programs come from the model in it, and that engines give what its examples state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aivm.engines import engine_names, open_engine
from aivm.errors import AivmError, EngineUnavailable, MalformedPackage, TooLarge, UnknownEngine
from aivm.packages.entries import ExampleEntry, Role
from aivm.packages.envelope import verify_envelope
from aivm.packages.examples import rerun_example
from aivm.packages.licences import check_license
from aivm.packages.model_signature import MAX_BUNDLE_BYTES, read_key, verify_model
from aivm.packages.modules import load_code
from aivm.packages.package import Package, Stage, open_package, read_small
from aivm.packages.paths import MANIFEST, MODEL_SIGNATURE, SIGNATURE
from aivm.packages.rebuild import rebuild

MAX_REFERENCE_GAS = 100_000_000
"""What the slow engine is asked for without being named: some seconds."""


class Status(StrEnum):
    """How a check ended; `ABSENT`: what it is about is not there, and need not be."""

    HOLDS = "holds"
    FAILS = "fails"
    SKIPPED = "skipped"
    ABSENT = "absent"


@dataclass(frozen=True)
class Finding:
    """One check; `error` is why it fails."""

    name: str
    status: Status
    detail: str
    error: AivmError | None = None

    def to_document(self) -> dict[str, Any]:
        document = {"name": self.name, "status": self.status.value, "detail": self.detail}
        return document if self.error is None else document | {"error": self.error.as_json()}


Check = tuple[str, Callable[[], Finding]]


@dataclass
class Report:
    """What was found, in the order of the checks; no `package` where it could not be opened."""

    findings: list[Finding] = field(default_factory=list)
    package: Package | None = None
    signers: tuple[str, ...] = ()

    @property
    def error(self) -> AivmError | None:
        """The first check that fails."""
        return next((found.error for found in self.findings if found.error is not None), None)

    @property
    def ok(self) -> bool:
        return self.error is None

    def to_document(self) -> dict[str, Any]:
        """As JSON, for `aivm validate --json`."""
        document: dict[str, Any] = {"ok": self.ok}
        if self.package is not None:
            manifest = self.package.manifest
            document |= {"model": self.package.model_id.hex(), "signers": list(self.signers)}
            document |= {"name": manifest.name, "version": manifest.version}
        if self.error is not None:
            document["error"] = self.error.as_json()
        return document | {"checks": [found.to_document() for found in self.findings]}


def validate(
    directory: Path,
    expected_model_id: bytes | None = None,
    *,
    engines: Sequence[str] = (),
    model_key: bytes | None = None,
    entering: Callable[[str], None] = lambda _check: None,
) -> Report:
    """Makes every check that the package allows; whatever is wrong with it is in the report.

    `engines` are those to run examples on: by default all that work here, the slow reference engine
    only where it takes seconds. `model_key` is the public key (PEM) of an OpenSSF model signature.
    `entering` is told of every check that begins. Raises UnknownEngine, BadInput for a bad key.
    """
    if unknown := [name for name in engines if name not in engine_names()]:
        raise UnknownEngine(
            f"there is no engine {unknown[0]!a}", hint=f"Engines: {', '.join(engine_names())}."
        )
    if model_key is not None:
        read_key(model_key)
    report = Report()
    opened = _open(directory, expected_model_id, report, entering)
    if opened is None:
        return report
    report.package = opened
    checks: list[Check] = [
        ("licence", lambda: _licence(opened)),
        ("modules", lambda: _modules(opened)),
        ("rebuild", lambda: _rebuild(opened, entering)),
        (MODEL_SIGNATURE, lambda: _model_signature(opened, model_key)),
    ]
    checks += _examples(opened, engines)
    for name, check in checks:
        entering(name)
        try:
            report.findings.append(check())
        except AivmError as problem:
            report.findings.append(Finding(name, Status.FAILS, problem.message, problem))
    return report


def _open(
    directory: Path,
    expected: bytes | None,
    report: Report,
    entering: Callable[[str], None],
) -> Package | None:
    begun: list[Stage] = []

    def enter(stage: Stage) -> None:
        begun.append(stage)
        entering(stage.value)

    opened, problem = None, None
    try:
        opened = open_package(directory, expected, entering=enter)
    except AivmError as refusal:
        problem = refusal
    passed = begun if problem is None else begun[:-1]
    details = {} if opened is None else dict(_details(opened, report))
    report.findings += [
        Finding(stage.value, Status.HOLDS, details.get(stage, "")) for stage in passed
    ]
    if problem is not None:
        failed = Finding(begun[-1].value, Status.FAILS, problem.message, problem)
        report.findings.append(failed)
    return opened


def _details(package: Package, report: Report) -> Iterator[tuple[Stage, str]]:
    manifest, directory = package.manifest, package.directory
    envelope = (directory / SIGNATURE).read_bytes()
    report.signers = verify_envelope(envelope, (directory / MANIFEST).read_bytes())
    yield Stage.MANIFEST, f"canonical, of schema version 1; model {package.model_id.hex()}"
    others = [signer for signer in report.signers if signer != manifest.publisher]
    yield (
        Stage.SIGNATURES,
        f"by the publisher {manifest.publisher}"
        + "".join(f", and by {signer}" for signer in others),
    )
    size = sum(file.size for file in manifest.files)
    yield Stage.FILES, f"{len(manifest.files)} files, {size:,} bytes: SHA-256 and CID of each"
    yield Stage.PROGRAMS, f"{len(manifest.entries)} programs: roots, types, gas and memory"
    yield Stage.CONSTANTS, f"{len(manifest.constants)} tensors: the root of each"


def _licence(package: Package) -> Finding:
    check_license(package.manifest.license)
    paths = package.manifest.paths(Role.LICENSE)
    text = f"its text is {', '.join(paths)}" if paths else "its text is not in the package"
    return Finding("licence", Status.HOLDS, f"{package.manifest.license}; {text}")


def _rebuild(package: Package, entering: Callable[[str], None]) -> Finding:
    count = rebuild(package, lambda entry: entering(f"rebuild {entry}"))
    if count is None:
        detail = "the package does not ship the model that its programs were made from"
        return Finding("rebuild", Status.ABSENT, detail)
    return Finding("rebuild", Status.HOLDS, f"{count} programs from the source, equal bytes")


def _model_signature(package: Package, key: bytes | None) -> Finding:
    path = package.directory / MODEL_SIGNATURE
    if not path.exists():
        if key is not None:
            raise MalformedPackage(f"the package has no {MODEL_SIGNATURE} to check with the key")
        return Finding(MODEL_SIGNATURE, Status.ABSENT, "no OpenSSF model signature")
    digests = {file.path: file.sha256 for file in package.manifest.files}
    digests[MANIFEST] = package.model_id
    bundle = read_small(package.directory, MODEL_SIGNATURE, MAX_BUNDLE_BYTES)
    verify_model(bundle, digests, key)
    if key is None:
        detail = "is about these files; who signed it was not checked: give the public key"
        return Finding(MODEL_SIGNATURE, Status.SKIPPED, detail)
    return Finding(MODEL_SIGNATURE, Status.HOLDS, "about these files, by this key")


def _modules(package: Package) -> Finding:
    modules = package.manifest.modules
    if not modules:
        return Finding("modules", Status.ABSENT, "no custom code")
    for entry in modules:
        load_code(entry, package.read(entry.path))
    return Finding("modules", Status.HOLDS, f"{len(modules)} load in the sandbox")


def _examples(package: Package, engines: Sequence[str]) -> list[Check]:
    if not package.manifest.examples:
        nothing = Finding("examples", Status.ABSENT, "the publisher ships no example")
        return [("examples", lambda: nothing)]
    return [
        (f"examples on {name}", _on_engine(package, name, asked=bool(engines)))
        for name in engines or engine_names()
    ]


def _on_engine(package: Package, name: str, *, asked: bool) -> Callable[[], Finding]:
    examples = package.manifest.examples
    what = f"examples on {name}"

    def check() -> Finding:
        gas = max(package.manifest.entry(each.entry).gas_units for each in examples)
        if name == "reference" and not asked and gas > MAX_REFERENCE_GAS:
            return Finding(what, Status.SKIPPED, f"{gas:,} gas units take it long; name it to run")
        try:
            _rerun(package, examples, name)
        except EngineUnavailable as problem:
            if asked:
                raise
            return Finding(what, Status.SKIPPED, problem.message)
        return Finding(what, Status.HOLDS, f"{len(examples)} runs, the stated outputs")

    return check


def _rerun(package: Package, examples: Sequence[ExampleEntry], name: str) -> None:
    engine = open_engine(name)
    for example in examples:
        try:
            rerun_example(package, example, engine)
        except MemoryError as problem:
            raise TooLarge(f"{example.inputs} does not fit into memory: {problem}") from None
