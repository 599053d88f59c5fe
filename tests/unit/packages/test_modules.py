from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aivm.commitments import canonical_json
from aivm.errors import (
    AivmError,
    MalformedModule,
    MalformedPackage,
    ModuleFailed,
    TamperedContent,
)
from aivm.modules import Tensor
from aivm.packages import ModuleSource, open_package, parse_manifest, wordpiece_module
from aivm.receipts import StageRole

from ..conftest import double, pack_text_model


def test_a_package_names_its_modules(text_package: Any) -> None:
    again = open_package(text_package.directory, text_package.model_id)
    first, last = again.manifest.modules
    assert (first.role, last.role) == (StageRole.TOKENIZER, StageRole.POSTPROCESS)
    assert first.path == "modules/wordpiece.wasm" and first.data == ("vocab.txt",)
    digests = {file.path: file.sha256 for file in again.manifest.files}
    assert first.module == digests[first.path]
    assert first.stage(digests).data == (digests["vocab.txt"],)


def test_a_module_is_opened_once(text_package: Any) -> None:
    module = text_package.module(StageRole.TOKENIZER, StageRole.PREPROCESS)
    assert module is text_package.module(StageRole.TOKENIZER)
    assert text_package.module(StageRole.APP) is None


def test_a_module_that_was_changed_is_not_run(text_package: Any) -> None:
    path = text_package.file("modules/wordpiece.wasm")
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(TamperedContent):
        text_package.module(StageRole.TOKENIZER)
    with pytest.raises(TamperedContent):
        open_package(text_package.directory)


def test_what_cannot_run_cannot_be_packed(tmp_path: Path) -> None:
    broken = ModuleSource("broken", StageRole.PREPROCESS, b"no module", "run", outputs=("x",))
    with pytest.raises(MalformedModule):
        pack_text_model(tmp_path / "package", [broken])
    with pytest.raises(MalformedModule, match="walk"):
        pack_text_model(
            tmp_path / "package", [replace(double(StageRole.POSTPROCESS, ["v"]), entry="walk")]
        )
    assert list(tmp_path.iterdir()) == []


def test_other_outputs_than_the_package_says(tmp_path: Path) -> None:
    promised = double(StageRole.POSTPROCESS, ["vector"], outputs=("a", "b"))
    package = pack_text_model(tmp_path / "package", [promised])
    module = package.module(StageRole.POSTPROCESS)
    assert module is not None
    with pytest.raises(ModuleFailed, match="gave 1 tensors, its package says 2"):
        module.run([Tensor.of_bytes(b"")])


@pytest.mark.parametrize(
    ("index", "changes", "message"),
    [
        (0, {"fuel": 0}, "fuel"),
        (0, {"fuel": 10**13}, "fuel"),
        (0, {"memory_bytes": 65537}, "memory"),
        (0, {"interface": "wasi-preview1"}, "interface"),
        (0, {"interface": "tensors-2"}, "interface"),
        (0, {"module": "0x" + "00" * 32}, "is not the file"),
        (0, {"path": "vocab.txt"}, "is not the file"),
        (0, {"data": ["nothing"]}, "no file 'nothing'"),
        (0, {"inputs": ["ids"]}, "first input of a tokenizer"),
        (0, {"inputs": ["text", "text"]}, "occurs twice"),
        (0, {"outputs": []}, "gives nothing"),
        (0, {"role": "postprocess", "inputs": ["x"]}, "more than one"),
        (0, {"role": "cook"}, "role"),
        (0, {"entry": "a b"}, "entry"),
        (1, {"name": "wordpiece"}, "occurs twice"),
        (1, {"role": "app", "interface": "wasi-preview1"}, "an app has no data"),
    ],
)
def test_manifests_that_contradict_themselves(
    text_package: Any, index: int, changes: dict[str, Any], message: str
) -> None:
    document = json.loads((text_package.directory / "manifest.json").read_bytes())
    document["modules"][index] |= changes
    with pytest.raises(MalformedPackage, match=message):
        parse_manifest(canonical_json.spell(document))


def test_a_module_must_be_listed_as_one(text_package: Any) -> None:
    document = json.loads((text_package.directory / "manifest.json").read_bytes())
    for file in document["files"]:
        if file["path"] == "modules/wordpiece.wasm":
            file["role"] = "other"
    with pytest.raises(MalformedPackage, match="is no module file"):
        parse_manifest(canonical_json.spell(document))


def test_a_vocabulary_that_the_package_lacks(tmp_path: Path) -> None:
    with pytest.raises(AivmError, match="no file 'other"):
        pack_text_model(tmp_path / "package", [wordpiece_module("other.txt")])
