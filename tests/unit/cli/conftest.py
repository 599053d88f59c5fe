"""The command line in a home of its own, and files for it to work on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.chain.keystore import LIGHT, Keystore
from aivm.cli.main import run

DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as exactly one JSON document."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        return json.loads(lines[0])


Aivm = Callable[..., Done]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, in which the command works."""
    folder = tmp_path / "home"
    (folder / "work").mkdir(parents=True)
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(folder / variable.lower()))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder / "work")
    return folder


@pytest.fixture
def aivm(home: Path, capfd: pytest.CaptureFixture[str]) -> Aivm:
    """Runs one command line in this process."""
    assert home.is_dir()

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Done(status, out, err)

    return call


@pytest.fixture
def digits(home: Path) -> Path:
    """A small convolutional network: `images` [batch, 1, 8, 8] to `probabilities` [batch, 10]."""
    copy = home / "work" / "digits.onnx"
    copy.write_bytes((DIGITS / "digits.onnx").read_bytes())
    return copy


@pytest.fixture
def images(home: Path) -> Path:
    """One image of a digit, as the network takes it."""
    samples = np.load(DIGITS / "digits_samples.npz")
    path = home / "work" / "images.npz"
    np.savez(path, images=samples["images"][:1])
    samples.close()
    return path


@pytest.fixture
def key(home: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The default account, with its password where the command looks for it."""
    account = Account(b"\x07" * 32)
    Keystore(home / "keys").save("default", account, "a password", cost=LIGHT)
    (home / "password").write_text("a password\n")
    monkeypatch.setenv("AIVM_KEYSTORE", str(home / "keys"))
    monkeypatch.setenv("AIVM_PASSWORD_FILE", str(home / "password"))
    return account


@pytest.fixture
def package(aivm: Aivm, digits: Path, key: Account) -> Path:
    """The network packed and signed."""
    assert key.address
    out = digits.parent / "package"
    done = aivm(
        *("pack", digits, "--name", "demo/digits", "--version", "1.0.0"),
        *("--license", "Apache-2.0", "--out", out, "--json"),
    )
    assert done.status == 0, done
    return out
