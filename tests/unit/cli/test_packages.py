"""`aivm diff` and `aivm card` on the command line."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Aivm


def test_two_versions(aivm: Aivm, package: Path, digits: Path) -> None:
    out = digits.parent / "next"
    arguments = ("--name", "demo/digits", "--version", "1.1.0", "--license", "MIT")
    shapes = ("--shapes", "images=3x1x8x8")
    assert aivm("pack", digits, *arguments, *shapes, "--out", out).status == 0
    done = aivm("diff", package, out)
    assert done.status == 0 and "100.0 %" in done.out and "3x1x8x8" in done.out
    document = aivm("diff", package, out, "--json").document
    assert document["equal"] is False and document["breaks_callers"] is False
    assert {change["place"] for change in document["programs"]} == {"1x1x8x8", "3x1x8x8"}
    assert aivm("diff", package, package, "-q").out == "equal\n"
    (out / "source.onnx").write_bytes(b"")
    assert aivm("diff", package, out).status == 3
    assert aivm("diff", package, digits.parent / "nowhere").status == 4


def test_a_card(aivm: Aivm, package: Path) -> None:
    done = aivm("card", package)
    assert done.status == 0 and done.out.startswith("# demo/digits 1.0.0\n")
    done = aivm("card", package, "--html", "--out", "card.html")
    assert (done.status, done.out) == (0, "card.html\n")
    assert Path("card.html").read_text().startswith("<!doctype html>")
    assert aivm("card", package, "--json").document["card"].startswith("# demo/digits")
    (package / "weights.safetensors").write_bytes(b"")
    assert aivm("card", package).status == 3
