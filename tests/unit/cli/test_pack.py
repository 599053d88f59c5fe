"""`aivm pack`: a description in a file, questions on a terminal, and what it refuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC
from tests.unit.cli.conftest import Aivm

from aivm.chain.account import Account
from aivm.packages import open_package

DESCRIBED = """
name = "demo/digits"
version = "1.1.0"
license = "Apache-2.0"
description = "Reads a digit."
shapes = ["images=1x1x8x8", "images=2x1x8x8"]
examples = ["images.npz"]
files = { "TERMS" = "license" }
authors = ["Ada"]
parameters = 4842

[meanings]
images = "brightness from 0 to 1"

[[metrics]]
kind = "evaluation"
name = "accuracy"
value = 0.9720

[[metrics]]
kind = "safety"
name = "refusals"
value = 3

[training]
statement = "Scans."
"""


@pytest.fixture
def described(digits: Path, images: Path, key: Account) -> Path:
    assert images.is_file() and key.address
    (digits.parent / "TERMS").write_text("free")
    path = digits.parent / "package.toml"
    path.write_text(DESCRIBED)
    return path


def pack(aivm: Aivm, digits: Path, *arguments: object) -> Any:
    return aivm("pack", digits, "--out", digits.parent / "out", *arguments)


def test_a_file_describes_a_package(aivm: Aivm, digits: Path, described: Path) -> None:
    done = pack(aivm, digits, "--describe", described, "--task", "digits")
    assert done.status == 0, done
    assert "not said" in done.err and "a model card" in done.err and "TERMS" not in done.err
    manifest = open_package(digits.parent / "out").manifest
    assert (manifest.version, manifest.task, len(manifest.entries)) == ("1.1.0", "digits", 2)
    assert manifest.inputs[0].meaning == "brightness from 0 to 1"
    assert [metric.value for metric in manifest.claims.metrics] == ["0.9720", "3"]
    assert manifest.claims.training.statement == "Scans." and manifest.claims.parameters == 4842
    assert len(manifest.examples) == 1 and manifest.compiler is not None


def test_options_go_before_the_file(aivm: Aivm, digits: Path, described: Path) -> None:
    done = pack(
        aivm, digits, "--describe", described, "--version", "2.0.0", "--shapes", "images=1x1x8x8"
    )
    assert done.status == 0, done
    manifest = open_package(digits.parent / "out").manifest
    assert (manifest.version, len(manifest.entries)) == ("2.0.0", 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rating = 5", "'rating' is no field"),
        ("name = 5", "name is not a text"),
        ("shapes = 'x=1'", "shapes is not a list"),
        ("meanings = { y = 'what?' }", "no input or output 'y'"),
        ("meanings = 5", "meanings is not a table"),
        ("examples = ['nothing.npz']", "no file"),
        ("files = { 'nothing.txt' = 'card' }", "no file"),
        ("files = { 'TERMS' = 'poem' }", "no role"),
        ("metrics = [{ kind = 'speed', name = 'a', value = 1 }]", r"metrics\[0\].kind"),
        ("metrics = [{ kind = 'safety', name = 'a', value = nan }]", r"metrics\[0\].value"),
        ("training = 5", "claims.training"),
        ("authors = [1979-05-27]", r"claims.authors\[0\]"),
        ("license = 'Free Beer'", "SPDX"),
        ("license = 'apache-2.0'", "usual spelling"),
        ("supersedes = 'the old one'", "neither"),
        ("version = '1'", "version"),
        ("= 5", "is not TOML"),
    ],
)
def test_a_file_out_of_form_is_refused(
    aivm: Aivm, digits: Path, described: Path, line: str, message: str
) -> None:
    import re

    plain = "name = 'a/b'\nversion = '1.0.0'\nlicense = 'MIT'\n"
    key = line.partition(" ")[0]
    kept = "".join(each + "\n" for each in plain.splitlines() if not each.startswith(f"{key} "))
    described.write_text(f"{line}\n{kept}")
    done = pack(aivm, digits, "--describe", described)
    assert done.status in (2, 4), done
    assert re.search(message, done.err), done.err
    assert not (digits.parent / "out").exists()


def test_what_is_missing_is_named_where_nobody_can_answer(
    aivm: Aivm, digits: Path, key: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    done = pack(aivm, digits, "--name", "a/b")
    assert done.status == 2 and key.address
    assert "--version, --license" in done.err


def test_what_is_missing_is_asked_for_on_a_terminal(digits: Path, key: Account) -> None:
    leader, follower = pty.openpty()
    assert key.address
    with subprocess.Popen(
        [sys.executable, "-m", "aivm.cli", "pack", digits, "--out", "asked", "--json"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=digits.parent,
    ) as process:
        os.write(leader, b"demo/asked\n\nMIT\n")
        out, err = process.communicate(timeout=100)
    os.close(leader)
    os.close(follower)
    assert process.returncode == 0, err
    assert (json.loads(out)["name"], json.loads(out)["version"]) == ("demo/asked", "1.0.0")
    assert open_package(digits.parent / "asked").manifest.license == "MIT"


def test_a_version_names_the_one_before(aivm: Aivm, package: Path, digits: Path) -> None:
    first = open_package(package).model_id
    arguments = ("--name", "demo/digits", "--version", "2.0.0", "--license", "MIT")
    for number, before in enumerate((package, first.hex(), f"0x{first.hex()}")):
        out = digits.parent / f"next{number}"
        done = aivm("pack", digits, *arguments, "--out", out, "--supersedes", before)
        assert done.status == 0, done
        assert open_package(out).manifest.supersedes == first


def test_an_openssf_signature_is_made(aivm: Aivm, digits: Path, described: Path) -> None:
    key = ECC.construct(curve="P-256", d=7)
    (digits.parent / "key.pem").write_text(key.export_key(format="PEM"))
    (digits.parent / "pub.pem").write_text(key.public_key().export_key(format="PEM"))
    assert pack(aivm, digits, "--describe", described, "--oms", "pub.pem").status == 2
    done = pack(aivm, digits, "--describe", described, "--oms", "key.pem")
    assert done.status == 0, done
    done = aivm("validate", digits.parent / "out", "--model-key", "pub.pem", "--json")
    assert done.status == 0, done
    found = {check["name"]: check["status"] for check in done.document["checks"]}
    assert found["model.sig"] == "holds" and found["examples on wasm"] == "holds"


def test_an_example_in_another_shape_is_refused(aivm: Aivm, digits: Path, described: Path) -> None:
    text = described.read_text().replace('"images=1x1x8x8", ', "")
    described.write_text(text)
    done = pack(aivm, digits, "--describe", described)
    assert done.status == 2 and "--shapes" in done.err
