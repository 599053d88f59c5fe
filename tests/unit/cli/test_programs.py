"""Shapes that a package does not list, as a person at the terminal meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "digits.onnx"
NAMED = ("--name", "mine/digits", "--version", "1.0.0", "--license", "MIT")


@pytest.fixture
def packed(aivm: Any, key: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    assert key.address

    def pack(*options: str) -> None:
        done = aivm("pack", str(DIGITS), *NAMED, "--out", "package", *options, "--json")
        assert done.status == 0, done

    return pack


def test_any_batch_runs_and_its_receipt_says_what_it_ran(aivm: Any, packed: Any) -> None:
    packed("--shape", "images=2x1x8x8")
    for count, derived in ((2, False), (5, True)):
        np.savez("x.npz", images=np.ones((count, 1, 8, 8), np.float32))
        ran = aivm("run", "package", "--input", "x.npz", "--receipt", "r.json", "--json")
        assert ran.document["derived"] is derived
        receipt = Path("r.json").read_text()
        assert ('"derived"' in receipt) is derived
        flags = ("verify", "r.json", "--model", "package", "--input", "x.npz", "--json")
        assert aivm(*flags).status == 0
    mark = receipt.index('"derived":"') + len('"derived":"')
    Path("r.json").write_text(receipt[: mark - len('"derived":"')] + receipt[mark + 18 :])
    lied = aivm(*flags)
    assert lied.status == 3
    failed = [check["name"] for check in lied.document["checks"] if not check["ok"]]
    assert failed == ["derivation"]


def test_programs_are_shown_and_can_be_asked_for(aivm: Any, packed: Any) -> None:
    packed("--shape", "images=2x1x8x8")
    shown = aivm("show", "package", "--programs", "--shape", "images=5x1x8x8", "--json").document
    assert shown["derives"] is True
    assert [program["derived"] for program in shown["programs"]] == [False, True]
    assert [program["inputs"]["images"][0] for program in shown["programs"]] == [2, 5]
    assert all(program["gas"] > 0 for program in shown["programs"])
    assert "derived" in aivm("show", "package", "--programs").err
    assert aivm("show", "package", "--shape", "images=5x1x8x8", "--json").status == 2


def test_a_package_without_the_model_says_what_it_runs(aivm: Any, packed: Any) -> None:
    packed("--no-source", "--shape", "images=2x1x8x8")
    np.savez("x.npz", images=np.ones((5, 1, 8, 8), np.float32))
    refused = aivm("run", "package", "--input", "x.npz", "--json")
    assert (refused.status, refused.document["error"]["code"]) == (2, "AIVM-E0104")
    assert "images[2, 1, 8, 8]" in refused.document["error"]["hint"]
    assert "No other shape" in aivm("show", "package", "--programs").err
