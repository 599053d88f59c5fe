from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from ..conftest import DOUBLE, VOCABULARY, text_model

SHAPES = ("--shapes", "input_ids=1x4,attention_mask=1x4")
NAMED = ("--name", "demo/text", "--version", "1.0.0", "--license", "MIT")


@pytest.fixture
def work(home: Path, key: Any) -> Path:
    assert key.address
    folder = home / "work"
    (folder / "text.onnx").write_bytes(text_model())
    (folder / "vocab.txt").write_bytes(VOCABULARY)
    (folder / "double.wasm").write_bytes(wasmtime.wat2wasm(DOUBLE))
    description = {
        "name": "double",
        "role": "postprocess",
        "file": "double.wasm",
        "inputs": ["vector"],
        "outputs": ["twice"],
        "fuel": 100000,
    }
    (folder / "double.json").write_text(json.dumps(description))
    return folder


def test_a_text_model_from_packing_to_verifying(aivm: Any, work: Path) -> None:
    packed = aivm(
        *("pack", work / "text.onnx", *NAMED, *SHAPES, "--out", "package"),
        *("--wordpiece", "vocab.txt", "--module", "double.json"),
    )
    assert packed.status == 0, packed
    ran = aivm("run", "package", "--text", "hello", "--receipt", "receipt.json", "--json")
    assert ran.status == 0, ran
    assert ran.document["outputs"]["twice"]["data"] == [[4, 10, 6, 0]]
    assert "arbitration" in ran.err
    roles = [stage["role"] for stage in ran.document["pipeline"]["stages"]]
    assert roles == ["tokenizer", "postprocess"]
    flags = ("verify", "receipt.json", "--model", "package", "--json")
    assert aivm(*flags, "--text", "hello").status == 0
    lied = aivm(*flags, "--text", "world")
    assert lied.status == 3
    cut = aivm("run", "package", "--text", "hello " * 9, "--max-tokens", "3", "--json")
    assert cut.document["outputs"]["twice"]["data"] == [[4, 10, 6, 0]]
    assert aivm("run", "package", "--text", "hello " * 9, "--json").status == 2


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"role": "cook"}, 2, "no role"),
        ({"file": "none.wasm"}, 4, "no file"),
        ({"data": "vocab.txt"}, 2, "list of strings"),
        ({"fuel": "much"}, 2, "number"),
        ({"fuel": 0}, 2, "fuel"),
        ({"entry": "walk"}, 2, "walk"),
        ({"colour": "red"}, 2, "does not describe"),
    ],
)
def test_descriptions_that_are_refused(
    aivm: Any, work: Path, changes: dict[str, Any], status: int, message: str
) -> None:
    path = work / "double.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    done = aivm("pack", "text.onnx", *NAMED, *SHAPES, "--out", "p", "--module", "double.json")
    assert done.status == status and message in done.err, done
    assert not (work / "p").exists()


def test_modules_are_for_local_packages(aivm: Any, work: Path) -> None:
    done = aivm("run", "demo/text", "--modules", "--input", work / "x.npz", "--json")
    assert done.status in (2, 4)
    done = aivm("run", "text.onnx", "--text", "hello", "--json")
    assert done.document["error"]["code"] == "AIVM-E0301"
