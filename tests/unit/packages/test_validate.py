"""Validation: every lie about a package is refused, with the code that says what kind of lie."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rfc8785
from Crypto.PublicKey import ECC
from onnx import TensorProto, helper, numpy_helper
from tests.unit.packages.conftest import Publisher
from tests.unit.packages.test_claims import EVERYTHING

from aivm.errors import (
    AivmError,
    BadInput,
    BadSignature,
    MalformedModule,
    MalformedPackage,
    MalformedProgram,
    Mismatch,
    NotFound,
    TamperedContent,
    TooLarge,
    UnknownEngine,
)
from aivm.packages import ExtraFile, Role, pack_model, wordpiece_module
from aivm.packages.envelope import add_signature, sign_manifest
from aivm.packages.files import cid_of_bytes
from aivm.packages.model_signature import sign_model
from aivm.packages.validate import Report, Status, validate

PUBLISHER, VALIDATOR = Publisher(b"\x11" * 32), Publisher(b"\x22" * 32)
KEY = ECC.construct(curve="P-256", d=7)
PRIVATE = KEY.export_key(format="PEM").encode()
PUBLIC = KEY.public_key().export_key(format="PEM").encode()
OTHER = ECC.construct(curve="P-256", d=8).public_key().export_key(format="PEM").encode()
P384 = ECC.construct(curve="P-384", d=7).export_key(format="DER")
Document = dict[str, Any]


def onnx_model(factor: float) -> bytes:
    """y = x @ w + b, with an open number of rows."""
    w = np.linspace(-factor, factor, 12, dtype=np.float32).reshape(3, 4)
    b = np.arange(4, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["p"]),
            helper.make_node("Add", ["p", "b"], ["y"]),
        ],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with one of everything, signed by its publisher and a validator."""
    folder = tmp_path_factory.mktemp("honest") / "package"
    pack_model(
        onnx_model(1),
        name="demo/line",
        version="1.0.0",
        license="Apache-2.0",
        shapes=[{"x": (1, 3)}, {"x": (2, 3)}],
        out_dir=folder,
        signer=PUBLISHER,
        created=1_800_000_000,
        extra_files=[
            ExtraFile("LICENSE", Role.LICENSE, b"free"),
            ExtraFile("README.md", Role.CARD, b"# A line\n"),
            ExtraFile("r.json", Role.REPORT, b"{}"),
            ExtraFile("made.json", Role.PROVENANCE, b"{}"),
            ExtraFile("vocab.txt", Role.TOKENIZER, b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"),
        ],
        modules=[wordpiece_module("vocab.txt")],
        examples=[{"x": np.array([[1, -2, 0.5]], dtype=np.float32)}],
        claims=EVERYTHING,
        meanings={"x": "Where."},
    )
    sign(folder, (folder / "manifest.json").read_bytes())
    return folder


def sign(folder: Path, manifest: bytes) -> None:
    (folder / "manifest.json").write_bytes(manifest)
    envelope = add_signature(sign_manifest(manifest, PUBLISHER), manifest, VALIDATOR)
    (folder / "manifest.sig.json").write_bytes(envelope)
    files = {file["path"]: file["sha256"] for file in json.loads(manifest)["files"]}
    digests = {path: bytes.fromhex(digest) for path, digest in files.items()}
    digests["manifest.json"] = sha256(manifest).digest()
    (folder / "model.sig").write_bytes(sign_model("line", digests, PRIVATE))


@pytest.fixture
def package(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "package"))


@pytest.fixture
def document(package: Path) -> Document:
    return json.loads((package / "manifest.json").read_bytes())


def publish(package: Path, document: Document) -> None:
    """Signs a changed manifest as its publisher would."""
    sign(package, rfc8785.dumps(document))


def put(package: Path, document: Document, path: str, content: bytes) -> None:
    """Another content for a file, and a manifest that says the same."""
    (package / path).write_bytes(content)
    entry = next(file for file in document["files"] if file["path"] == path)
    entry |= {"size": len(content), "sha256": sha256(content).hexdigest()}
    entry["cid"] = str(cid_of_bytes(content))


def check(package: Path, **options: Any) -> Report:
    return validate(package, engines=["wasm"], **options)


def refused(package: Path, *kinds: type[AivmError], **options: Any) -> str:
    report = check(package, **options)
    assert report.error is not None, "a lie was believed"
    assert type(report.error) in kinds, report.error
    (failed, *_) = [found for found in report.findings if found.status is Status.FAILS]
    assert failed.error is report.error and report.to_document()["error"]["code"]
    return failed.name


def statuses(report: Report) -> dict[str, str]:
    return {found.name: found.status.value for found in report.findings}


# --- the honest one -------------------------------------------------------------------------------


def test_an_honest_package_holds(package: Path) -> None:
    begun: list[str] = []
    report = validate(package, model_key=PUBLIC, entering=begun.append)
    assert report.ok and report.signers == (PUBLISHER.address, VALIDATOR.address)
    found = statuses(report)
    # An engine may lack its device here; it is then told, not left out.
    assert found.pop("examples on cuda") in ("holds", "skipped")
    assert found.pop("examples on native") in ("holds", "skipped")
    assert set(found.values()) == {"holds"} and len(found) == 11
    assert {"manifest", "rebuild", "rebuild 1x3", "examples on wasm"} <= set(begun)
    json.dumps(report.to_document())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    pack_model(
        onnx_model(1),
        name="demo/line",
        version="1.0.0",
        license="MIT",
        shapes=[{"x": (1, 3)}],
        out_dir=tmp_path / "out",
        signer=PUBLISHER,
        created=0,
        with_source=False,
    )
    report = check(tmp_path / "out")
    assert report.ok
    found = statuses(report)
    absent = {name for name, status in found.items() if status == "absent"}
    assert absent == {"modules", "rebuild", "model.sig", "examples"}


def test_without_the_key_a_model_signature_is_not_vouched_for(package: Path) -> None:
    assert statuses(check(package))["model.sig"] == "skipped"


def test_the_wished_for_model_id_is_compared(package: Path) -> None:
    assert refused(package, TamperedContent, expected_model_id=bytes(32)) == "manifest"


def test_no_package_at_all(tmp_path: Path) -> None:
    refused(tmp_path, NotFound)
    with pytest.raises(UnknownEngine):
        validate(tmp_path, engines=["abacus"])


# --- files ----------------------------------------------------------------------------------------

FILES = [
    "LICENSE", "README.md", "examples/0.safetensors", "made.json", "modules/wordpiece.wasm",
    "programs/1x3.aivm", "programs/2x3.aivm", "r.json", "source.onnx", "vocab.txt",
    "weights.safetensors",
]  # fmt: skip
UNSIGNED = ["manifest.json", "manifest.sig.json", "model.sig"]


def test_these_are_all_files(document: Document) -> None:
    assert [file["path"] for file in document["files"]] == FILES


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("change", ["flip", "append", "cut", "empty", "swap"])
def test_another_content_is_tampered(package: Path, path: str, change: str) -> None:
    content = (package / path).read_bytes()
    other = next(name for name in FILES if name != path)
    changed = {
        "flip": bytes([content[0] ^ 1]) + content[1:],
        "append": content + b"\0",
        "cut": content[:-1],
        "empty": b"",
        "swap": (package / other).read_bytes(),
    }
    (package / path).write_bytes(changed[change])
    assert refused(package, TamperedContent) == "files"


@pytest.mark.parametrize("path", [*FILES, *UNSIGNED])
@pytest.mark.parametrize("change", ["gone", "link", "folder"])
def test_a_file_that_is_none_is_refused(package: Path, path: str, change: str) -> None:
    target = package / path
    (package.parent / "aside").write_bytes(target.read_bytes())
    target.unlink()
    if change == "link":
        target.symlink_to(package.parent / "aside")
    elif change == "folder":
        target.mkdir()
    kinds = (NotFound,) if change == "gone" and path in UNSIGNED else (MalformedPackage,)
    if (change, path) == ("gone", "model.sig"):
        kinds = (MalformedPackage,)
    refused(package, *kinds, model_key=PUBLIC)


@pytest.mark.parametrize(
    "path", ["extra", "programs/3x3.aivm", ".hidden", "a/b/c", "model.sig.bak"]
)
def test_a_file_that_nobody_lists_is_refused(package: Path, path: str) -> None:
    (package / path).parent.mkdir(parents=True, exist_ok=True)
    (package / path).write_bytes(b"")
    assert refused(package, MalformedPackage) == "files"


def test_a_fifo_is_refused(package: Path) -> None:
    os.mkfifo(package / "pipe")
    refused(package, MalformedPackage)


def test_folders_without_end_are_refused(package: Path) -> None:
    (package / "/".join("d" * 40)).mkdir(parents=True)
    refused(package, MalformedPackage)


# --- the manifest, signed by its publisher --------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        if isinstance(child, dict | list) and child:
            yield from leaves(child, (*path, key))
        else:
            yield (*path, key)


def holders(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        if isinstance(child, dict | list):
            yield from holders(child, (*path, key))


def at(document: Document, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize("wrong", [None, True, -1, [], {}, "\0", "x" * 5000], ids=repr)
def test_no_field_takes_a_value_of_another_kind(
    package: Path, document: Document, wrong: Any
) -> None:
    """Every field of the document in turn; an empty list is a value of some."""
    fields = list(leaves(document))
    assert len(fields) > 150
    for path in fields:
        changed = copy.deepcopy(document)
        at(changed, path[:-1])[path[-1]] = wrong
        if wrong == [] and path[-1] in ("data", "outputs", "shape", "inputs"):
            continue
        data = rfc8785.dumps(changed)
        (package / "manifest.json").write_bytes(data)
        refused(package, MalformedPackage)


def test_no_object_takes_a_field_more_or_less(package: Path, document: Document) -> None:
    optional = {"modules", "examples", "claims", "compiler", "meaning"}
    for path in holders(document):
        inside_claims = path[:1] == ("claims",)
        for key in [*at(document, path), "unknown"]:
            changed = copy.deepcopy(document)
            holder = at(changed, path)
            if key == "unknown":
                holder[key] = 1
            elif inside_claims or key in optional:
                continue
            else:
                del holder[key]
            (package / "manifest.json").write_bytes(rfc8785.dumps(changed))
            refused(package, MalformedPackage)


def always(content: bytes) -> Callable[[bytes], bytes]:
    return lambda _before: content


BYTES: dict[str, tuple[type[AivmError], Callable[[bytes], bytes]]] = {
    "a key twice": (MalformedPackage, lambda b: b[:-1] + b',"version":"1.0.0"}'),
    "a float": (MalformedPackage, lambda b: b.replace(b'"gas_units":', b'"gas_units":0.', 1)),
    "NaN": (MalformedPackage, lambda b: b.replace(b'"numerics":1', b'"numerics":NaN')),
    "infinity": (MalformedPackage, lambda b: b.replace(b'"numerics":1', b'"numerics":Infinity')),
    "2^53": (MalformedPackage, lambda b: b.replace(b'numerics":1', b'numerics":9007199254740992')),
    "a decomposed letter": (MalformedPackage, lambda b: b.replace(b"Where.", b"Whe\xcc\x81re.")),
    "half a pair": (MalformedPackage, lambda b: b.replace(b"Where.", b"\\ud800")),
    "no UTF-8": (MalformedPackage, lambda b: b.replace(b"Where.", b"\xff")),
    "a byte order mark": (MalformedPackage, lambda b: b"\xef\xbb\xbf" + b),
    "a blank": (MalformedPackage, lambda b: b.replace(b":", b": ", 1)),
    "a line break at the end": (MalformedPackage, lambda b: b + b"\n"),
    "an escape too many": (MalformedPackage, lambda b: b.replace(b"Where.", b"\\u0057here.")),
    "another order": (MalformedPackage, lambda b: json.dumps(json.loads(b)).encode()),
    "depth": (MalformedPackage, always(b"[" * 100_000)),
    "size": (TooLarge, lambda b: b + b" " * 300_000),
    "nothing": (MalformedPackage, always(b"")),
    "no object": (MalformedPackage, always(b"[]")),
}  # fmt: skip


@pytest.mark.parametrize("case", BYTES)
def test_a_manifest_that_parsers_could_read_differently(package: Path, case: str) -> None:
    kind, change = BYTES[case]
    data = change((package / "manifest.json").read_bytes())
    (package / "manifest.json").write_bytes(data)
    assert refused(package, kind) == "manifest"


PATHS = [
    "../up", "/etc/passwd", "a/../b", "./a", "a//b", "a/", "a\\b", "C:a", "nul ", "dot.", "x" * 256,
    "*", "MANIFEST.JSON", "manifest.sig.json", "model.sig", "manifest.json/x", "readme.MD",
    "README.md/x", "programs/1X3.aivm",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leaves_or_clashes(package: Path, document: Document, path: str) -> None:
    entry = next(file for file in document["files"] if file["path"] == "LICENSE")
    entry["path"] = path
    document["files"].sort(key=lambda file: file["path"])
    publish(package, document)
    assert refused(package, MalformedPackage) == "manifest"


def lie(path: str, value: Any) -> Callable[[Document], None]:
    """Sets a field, or changes it by a function of what it was."""
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(document: Document) -> None:
        holder = at(document, tuple(steps[:-1]))
        holder[steps[-1]] = value(holder[steps[-1]]) if callable(value) else value

    return change


def swap(path: str, key: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        first, second = at(document, tuple(path.split(".")))[:2]
        first[key], second[key] = second[key], first[key]

    return change


ROOT = "0x" + "11" * 32
LIES: list[tuple[str, type[AivmError], Callable[[Document], None]]] = [
    ("files", TamperedContent, lie("files.0.size", lambda size: size + 1)),
    ("files", TamperedContent, lie("files.0.sha256", "00" * 32)),
    ("files", TamperedContent, swap("files", "cid")),
    ("files", TamperedContent, lie("files.10.size", 2**53 - 1)),
    ("files", MalformedPackage, lambda d: d["files"].pop(0)),
    ("manifest", MalformedPackage, lambda d: d["files"].append(d["files"][0])),
    ("manifest", MalformedPackage, lambda d: d["files"].reverse()),
    ("manifest", MalformedPackage, lie("files.0.role", "program")),
    ("manifest", MalformedPackage, lie("files.0.role", "source")),
    ("files", MalformedPackage, lie("files.0.role", "weights")),
    ("manifest", MalformedPackage, lie("files.5.role", "other")),
    ("manifest", MalformedPackage, lie("files.3.chunking", "rabin")),
    ("manifest", MalformedPackage, lie("files.3.chunking", "tensors-v1")),
    ("files", TamperedContent, lie("files.10.chunking", "tensors-v1")),
    ("programs", TamperedContent, lie("entries.0.program", ROOT)),
    ("programs", TamperedContent, swap("entries", "program")),
    ("programs", TamperedContent, swap("entries", "path")),
    ("manifest", MalformedPackage, lie("entries.1.path", "programs/1x3.aivm")),
    ("programs", MalformedPackage, lie("entries.0.gas_units", lambda gas: gas - 1)),
    ("programs", MalformedPackage, lie("entries.0.inputs.0.shape", [9, 3])),
    ("manifest", MalformedPackage, lie("entries.0.inputs.0.name", "z")),
    ("manifest", MalformedPackage, lie("entries.0.outputs.0.dtype", "i32")),
    ("manifest", MalformedPackage, lie("entries.1.name", "1x3")),
    ("manifest", MalformedPackage, lambda d: d["entries"].append(d["entries"][0])),
    ("manifest", MalformedPackage, lambda d: d["entries"].pop()),
    ("manifest", MalformedPackage, lie("inputs.0.shape", ["rows", 4])),
    ("manifest", MalformedPackage, lie("outputs.0.name", "z")),
    ("rebuild", Mismatch, lie("inputs.0.shape", ["lines", 3])),
    ("rebuild", Mismatch, lie("outputs.0.shape", ["rows", "four"])),
    ("programs", MalformedPackage, lie("runtime.memory_bytes", lambda size: size - 4)),
    ("manifest", MalformedPackage, lie("runtime.numerics", 2)),
    ("constants", MalformedPackage, lie("constants.0.root", ROOT)),
    ("constants", MalformedPackage, swap("constants", "tensor")),
    ("constants", MalformedPackage, lambda d: d["constants"].pop()),
    ("manifest", MalformedPackage, lie("constants.0.file", "LICENSE")),
    ("manifest", MalformedPackage, lie("modules.0.module", ROOT)),
    ("manifest", MalformedPackage, lie("modules.0.data", ["nowhere"])),
    ("manifest", MalformedPackage, lie("modules.0.path", "LICENSE")),
    ("modules", MalformedModule, lie("modules.0.entry", "nothing")),
    ("licence", MalformedPackage, lie("license", "Free Beer")),
    ("licence", MalformedPackage, lie("license", "apache-2.0")),
    ("examples on wasm", Mismatch, lie("examples.0.outputs", [ROOT])),
    ("manifest", MalformedPackage, lie("examples.0.outputs", [])),
    ("manifest", MalformedPackage, lie("examples.0.entry", "9x9")),
    ("examples on wasm", MalformedPackage, lie("examples.0.entry", "2x3")),
    ("manifest", MalformedPackage, lie("examples.0.inputs", "weights.safetensors")),
    ("manifest", MalformedPackage, lie("claims.metrics.0.report", "LICENSE")),
    ("manifest", MalformedPackage, lie("claims.base_models.0.manifest", "bafkrei" + "7" * 52)),
    ("manifest", MalformedPackage, lie("publisher", lambda address: address.lower())),
    ("signatures", BadSignature, lie("publisher", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")),
    ("manifest", MalformedPackage, lie("schema", "aivm.manifest.v2")),
    ("manifest", MalformedPackage, lie("created", "2027-02-30T00:00:00Z")),
]


@pytest.mark.parametrize(("where", "kind", "change"), LIES)
def test_a_publisher_who_signs_a_lie(
    package: Path,
    document: Document,
    where: str,
    kind: type[AivmError],
    change: Callable[[Document], object],
) -> None:
    change(document)
    publish(package, document)
    assert refused(package, kind) == where


# --- content that the manifest is right about -----------------------------------------------------


def tensors(header: Document, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


HUGE = {"a": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64]}}
CONTENTS: list[tuple[str, str, type[AivmError], bytes]] = [
    ("files", "weights.safetensors", TooLarge, struct.pack("<Q", 2**60) + bytes(64)),
    ("files", "weights.safetensors", MalformedPackage, tensors(HUGE)),
    ("files", "weights.safetensors", TooLarge, pickle.dumps({"w": [1.5]})),
    ("files", "examples/0.safetensors", MalformedPackage, b""),
    ("examples on wasm", "examples/0.safetensors", MalformedPackage, tensors({})),
    ("programs", "programs/1x3.aivm", TamperedContent, bytes(256)),
    ("rebuild", "source.onnx", MalformedPackage, b"no model"),
    ("rebuild", "source.onnx", MalformedPackage, b""),
    ("rebuild", "source.onnx", Mismatch, onnx_model(2)),
    ("files", "README.md", MalformedPackage, pickle.dumps(print)),
    ("files", "vocab.txt", MalformedPackage, pickle.dumps(print, 0)),
    ("manifest", "modules/wordpiece.wasm", MalformedPackage, b"\0asm"),
]


@pytest.mark.parametrize(("where", "path", "kind", "content"), CONTENTS)
def test_a_publisher_who_ships_something_else(
    package: Path,
    document: Document,
    where: str,
    path: str,
    kind: type[AivmError],
    content: bytes,
) -> None:
    put(package, document, path, content)
    publish(package, document)
    assert refused(package, kind) == where


def test_a_module_that_is_none(package: Path, document: Document) -> None:
    put(package, document, "modules/wordpiece.wasm", b"\0asm")
    document["modules"][0]["module"] = "0x" + sha256(b"\0asm").hexdigest()
    publish(package, document)
    assert refused(package, MalformedModule) == "modules"


def test_a_program_that_is_none(package: Path, document: Document) -> None:
    from aivm.commitments import program_root_of_records

    records = bytes(range(256)) * 4
    put(package, document, "programs/1x3.aivm", records)
    document["entries"][0]["program"] = f"0x{program_root_of_records(records).hex()}"
    publish(package, document)
    assert refused(package, MalformedProgram) == "programs"


def test_programs_of_another_model_with_its_weights(tmp_path: Path) -> None:
    """All of it consistent but the source: who reads the model does not read what runs."""
    other = pack_model(
        onnx_model(2),
        name="demo/line",
        version="1.0.0",
        license="MIT",
        shapes=[{"x": (1, 3)}],
        out_dir=tmp_path / "other",
        signer=PUBLISHER,
        created=0,
    )
    document = json.loads((other.directory / "manifest.json").read_bytes())
    put(other.directory, document, "source.onnx", onnx_model(1))
    sign(other.directory, rfc8785.dumps(document))
    assert refused(other.directory, Mismatch) == "rebuild"


# --- signatures -----------------------------------------------------------------------------------


def flipped_s(signature: str) -> str:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = base64.b64decode(signature)
    s = order - int.from_bytes(raw[32:64], "big")
    return base64.b64encode(raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])).decode()


SIGNATURES: list[tuple[type[AivmError], Callable[[Document], object]]] = [
    (MalformedPackage, lambda e: e["signatures"].append(e["signatures"][0])),
    (MalformedPackage, lambda e: e["signatures"].append(e["signatures"][1])),
    (MalformedPackage, lambda e: e["signatures"].clear()),
    (MalformedPackage, lambda e: e["signatures"].extend(e["signatures"] * 40)),
    (BadSignature, lambda e: e["signatures"].pop(0)),
    (BadSignature, swap("signatures", "sig")),
    (BadSignature, swap("signatures", "keyid")),
    (BadSignature, lie("signatures.0.keyid", VALIDATOR.address)),
    (BadSignature, lie("signatures.1.keyid", lambda key: key.lower())),
    (BadSignature, lie("signatures.1.sig", flipped_s)),
    (BadSignature, lie("signatures.0.sig", base64.b64encode(bytes(65)).decode())),
    (BadSignature, lie("signatures.0.sig", "AAAA")),
    (MalformedPackage, lie("signatures.0.sig", "?")),
    (MalformedPackage, lie("payloadType", "application/json")),
    (TamperedContent, lie("payload", base64.b64encode(b"{}").decode())),
    (MalformedPackage, lambda e: e.update(extra=1)),
    (MalformedPackage, lambda e: e.pop("payload")),
]


@pytest.mark.parametrize(("kind", "change"), SIGNATURES)
def test_a_signature_that_does_not_hold(
    package: Path, kind: type[AivmError], change: Callable[[Document], object]
) -> None:
    path = package / "manifest.sig.json"
    envelope = json.loads(path.read_bytes())
    change(envelope)
    path.write_bytes(rfc8785.dumps(envelope))
    assert refused(package, kind) == "signatures"


@pytest.mark.parametrize(
    ("kind", "content"),
    [(MalformedPackage, b""), (MalformedPackage, b"[" * 9999), (TooLarge, bytes(600_000))],
)
def test_an_envelope_that_is_none(package: Path, kind: type[AivmError], content: bytes) -> None:
    (package / "manifest.sig.json").write_bytes(content)
    assert refused(package, kind) == "signatures"


def test_a_manifest_that_was_changed_after_it_was_signed(package: Path, document: Document) -> None:
    """Every field that could be something else; the signature is that of the other."""
    for path, value in {"description": "Better.", "version": "1.0.1", "task": "other"}.items():
        (package / "manifest.json").write_bytes(rfc8785.dumps(document | {path: value}))
        assert refused(package, TamperedContent) == "signatures"


def test_the_signature_of_another_version(package: Path, document: Document) -> None:
    """Rolled back or mixed up: both halves are the publisher's own."""
    newer = rfc8785.dumps(document | {"version": "2.0.0"})
    (package / "manifest.sig.json").write_bytes(sign_manifest(newer, PUBLISHER))
    assert refused(package, TamperedContent) == "signatures"


# --- OpenSSF model signatures ---------------------------------------------------------------------


def bundle_with(change: Callable[[Document], object]) -> Callable[[bytes], bytes]:
    def changed(bundle: bytes) -> bytes:
        document = json.loads(bundle)
        change(document)
        return json.dumps(document).encode()

    return changed


def statement_with(change: Callable[[Document], object]) -> Callable[[bytes], bytes]:
    def changed(document: Document) -> None:
        statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
        change(statement)
        payload = base64.b64encode(json.dumps(statement).encode()).decode()
        document["dsseEnvelope"]["payload"] = payload

    return bundle_with(changed)


def first_digest(statement: Document) -> None:
    resources = statement["predicate"]["resources"]
    resources[0]["digest"] = "00" * 32
    whole = sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources))
    statement["subject"][0]["digest"]["sha256"] = whole.hexdigest()


BUNDLES: list[tuple[type[AivmError], Callable[[bytes], bytes]]] = [
    (MalformedPackage, always(b"")),
    (MalformedPackage, always(b"[]")),
    (MalformedPackage, always(b"{}")),
    (TooLarge, lambda b: b + b" " * (5 << 20)),
    (MalformedPackage, bundle_with(lie("mediaType", "text/plain"))),
    (MalformedPackage, bundle_with(lie("dsseEnvelope.payloadType", "text/plain"))),
    (MalformedPackage, bundle_with(lie("dsseEnvelope.payload", "?"))),
    (MalformedPackage, bundle_with(lie("dsseEnvelope.signatures", []))),
    (BadSignature, bundle_with(lie("dsseEnvelope.signatures.0.sig", "AAAA"))),
    (BadSignature, bundle_with(lie("verificationMaterial.publicKey.hint", "00"))),
    (MalformedPackage, statement_with(lie("predicateType", "https://example.org"))),
    (MalformedPackage, statement_with(lie("subject.0.digest.sha256", "00" * 32))),
    (MalformedPackage, statement_with(lie("predicate.resources.0.algorithm", "md5"))),
    (TamperedContent, statement_with(first_digest)),
    (BadSignature, statement_with(lie("subject.0.name", "another"))),
]


@pytest.mark.parametrize(("kind", "change"), BUNDLES)
def test_a_model_signature_that_does_not_hold(
    package: Path, kind: type[AivmError], change: Callable[[bytes], bytes]
) -> None:
    path = package / "model.sig"
    path.write_bytes(change(path.read_bytes()))
    assert refused(package, kind, model_key=PUBLIC) == "model.sig"


def test_a_model_signature_of_another_key_or_package(package: Path, document: Document) -> None:
    refused(package, BadSignature, model_key=OTHER)
    old = (package / "model.sig").read_bytes()
    publish(package, document | {"version": "1.0.1"})
    (package / "model.sig").write_bytes(old)
    assert refused(package, TamperedContent) == "model.sig"


@pytest.mark.parametrize(
    "key", [b"", b"no key", ECC.generate(curve="P-384").export_key(format="DER")]
)
def test_a_key_that_is_none_is_refused(package: Path, key: bytes) -> None:
    with pytest.raises(BadInput, match=r"P-256|PEM"):
        check(package, model_key=key)


def test_a_report_says_which_engine_was_not_there(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aivm.errors import EngineUnavailable
    from aivm.packages import validate as module

    def missing(name: str) -> Any:
        raise EngineUnavailable(f"no {name}")

    monkeypatch.setattr(module, "open_engine", missing)
    report = validate(package)
    assert report.ok and statuses(report)["examples on wasm"] == "skipped"
    assert refused(package, EngineUnavailable) == "examples on wasm"
    assert replace(report.findings[0], detail="").error is None
