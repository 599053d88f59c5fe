"""A package is there whole or not at all: kill -9 before every step on disk, and a full disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.packages.conftest import linear

from aivm.errors import BadInput
from aivm.packages import open_package, write_package
from aivm.packages.folder import whole_folder

# A process that packs again and again, killed before its first, second, third... step on disk; and
# then again with a disk that is full after so many bytes.
SCRIPT = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path

from tests.unit.packages.conftest import Publisher, linear
from aivm.errors import AivmError
from aivm.packages import Description, ExtraFile, Interface, Role, write_package
from aivm.numerics.dtypes import DType

folder, kind = Path(sys.argv[1]), sys.argv[2]
description = Description(
    "demo/line", "1.0.0", "MIT", (Interface("x", DType.F32, ("rows", 3)),),
    (Interface("y", DType.F32, ("rows", 4)),), created=0,
)
EVENTS = {"open", "os.mkdir", "os.rename", "os.rmdir", "os.remove"}


def pack(out, kill_at):
    left = kill_at

    def watch(event, arguments):
        nonlocal left
        if event in EVENTS and str(folder) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if kind == "kill":
        sys.addaudithook(watch)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kill_at * 100, kill_at * 100))
    extra = [ExtraFile("README.md", Role.CARD, b"# A line" * 100)]
    try:
        write_package(out, description, {"1x3": linear(1)}, Publisher(b"1" * 32), extra)
    except OSError:
        os._exit(7)
    os._exit(0)


for step in range(1, 1000):
    out = folder / str(step) / "package"
    child = os.fork()
    if child == 0:
        pack(out, step)
    _, status = os.waitpid(child, 0)
    print(step, os.waitstatus_to_exitcode(status), flush=True)
    if status == 0:
        break
"""


def run(folder: Path, kind: str) -> list[int]:
    """How each attempt ended; the last one has come through."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, kind],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return [int(line.split()[1]) for line in done.stdout.splitlines()]


def test_kill_at_any_step_leaves_nothing_that_looks_like_a_package(
    tmp_path: Path, description, publisher
) -> None:
    ends = run(tmp_path, "kill")
    assert len(ends) > 15 and set(ends[:-1]) == {-9} and ends[-1] == 0
    left_behind = 0
    for step in range(1, len(ends) + 1):
        out = tmp_path / str(step) / "package"
        if out.exists():
            open_package(out)
            continue
        left_behind += any(out.parent.iterdir()) if out.parent.exists() else False
        write_package(out, description, {"1x3": linear(1)}, publisher)
        assert list(out.parent.iterdir()) == [out], "what was left behind is swept away"
    assert left_behind > 5


def test_a_full_disk_leaves_nothing_at_all(tmp_path: Path) -> None:
    ends = run(tmp_path, "full")
    assert len(ends) > 5 and set(ends[:-1]) == {7} and ends[-1] == 0
    for step in range(1, len(ends)):
        assert list((tmp_path / str(step)).iterdir()) == []


def test_what_is_being_built_is_not_swept_away(tmp_path: Path) -> None:
    destination = tmp_path / "out"
    with whole_folder(destination) as first:
        (first / "a").write_bytes(b"1")
        with pytest.raises(RuntimeError), whole_folder(destination) as second:
            assert first != second and (first / "a").exists()
            raise RuntimeError
        assert not second.exists()
    assert (destination / "a").read_bytes() == b"1"


def test_of_two_that_build_the_same_the_first_wins(tmp_path: Path) -> None:
    destination = tmp_path / "out"
    with pytest.raises(BadInput, match="already exists"), whole_folder(destination) as slow:
        (slow / "a").write_bytes(b"slow")
        with whole_folder(destination) as quick:
            (quick / "a").write_bytes(b"quick")
    assert (destination / "a").read_bytes() == b"quick"
    assert list(tmp_path.iterdir()) == [destination]
