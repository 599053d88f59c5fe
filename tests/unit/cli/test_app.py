from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMED = ("--name", "demo/digits", "--version", "1.0.0", "--license", "MIT")


@pytest.fixture
def packed(aivm: Any, digits: Path, key: Any) -> Path:
    assert key.address
    work = digits.parent
    for name in ("classify", "system"):
        shutil.copy(EXAMPLES / "apps" / f"{name}.wasm", work)
    with np.load(EXAMPLES / "digits" / "digits_samples.npz") as samples:
        (work / "picture").write_bytes(samples["images"][:1].tobytes())
    done = aivm(
        *("pack", digits, *NAMED, "--out", work / "package"),
        *("--app", "classify.wasm", "--app", "system.wasm"),
    )
    assert done.status == 0, done
    return work / "package"


def test_an_app_from_packing_to_checking(aivm: Any, packed: Path) -> None:
    command = ("app", packed, "--name", "classify", "--stdin", "picture")
    ran = aivm(*command, "--receipt", "receipt.json", "demo/digits")
    assert (ran.status, ran.out) == (0, "2 1.0000\n")
    assert "arbitration" in ran.err
    assert aivm("verify", "receipt.json").status == 0
    assert aivm(*command, "--check", "receipt.json", "demo/digits").status == 0
    elsewhere = aivm("verify", "receipt.json", "--model", packed, "--text", "x")
    assert elsewhere.status == 2 and "--check" in elsewhere.err
    assert aivm(*command, "--check", "receipt.json", "1x1x8x8").status == 3
    assert aivm(*command, "--check", "none.json", "demo/digits").status == 4


def test_its_streams_and_status_are_the_commands(aivm: Any, packed: Path) -> None:
    plain = aivm("app", packed, "--name", "system", "one", "--", "--two")
    assert plain.status == 7 and plain.out.startswith("system\0one\0--two\0\n")
    as_json = aivm("app", packed, "--name", "system", "--json", "one", "--", "--two")
    assert as_json.status == 0 and as_json.document["status"] == 7
    assert as_json.document["stdout"] == plain.out
    failing = aivm("app", packed, "--name", "classify", "nothing")
    assert failing.status == 1 and "no graph 'nothing'" in failing.err


def test_what_is_refused(aivm: Any, packed: Path, digits: Path) -> None:
    for arguments, status in (
        (("app", packed), 4),
        (("app", packed, "--name", "other"), 4),
        (("app", packed, "--name", "system", "--stdin", "nowhere"), 4),
        (("app", digits), 4),
        (("pack", digits, *NAMED, "--out", "x", "--app", digits), 2),
    ):
        assert aivm(*arguments, "--json").status == status, arguments
