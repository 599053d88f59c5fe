from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from aivm.errors import EngineUnavailable
from aivm.kernels import cpu

V3 = "fpu sse avx avx2 bmi1 bmi2 f16c fma abm movbe"
V4 = V3 + " avx512f avx512bw avx512cd avx512dq avx512vl"


def pretend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, machine: str, flags: str
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nprocessor\t: 1\nflags\t\t: none\n")
    monkeypatch.setattr(cpu, "CPUINFO", cpuinfo)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)


@pytest.mark.parametrize(
    ("system", "machine", "flags", "target"),
    [
        ("linux", "x86_64", V4 + " avx512_vnni", "native-v4-vnni"),
        ("linux", "x86_64", V4, "native-v4"),
        ("linux", "x86_64", V3, "native-v3"),
        ("linux", "x86_64", V4.replace("avx512dq", ""), "native-v3"),
        ("linux", "aarch64", "", "native-aarch64"),
        ("darwin", "arm64", "", "native-macos"),
    ],
)
def test_the_best_build_that_fits(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    system: str,
    machine: str,
    flags: str,
    target: str,
) -> None:
    pretend(monkeypatch, tmp_path, system, machine, flags)
    assert cpu.native_targets()[0] == target


def test_an_older_cpu_is_refused_by_name_of_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, "linux", "x86_64", V3.replace(" fma", ""))
    with pytest.raises(EngineUnavailable, match="lacks fma"):
        cpu.native_targets()


@pytest.mark.parametrize("system", ["win32", "linux"])
def test_an_unknown_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str
) -> None:
    pretend(monkeypatch, tmp_path, system, "riscv64", "")
    with pytest.raises(EngineUnavailable, match="riscv64"):
        cpu.native_targets()


def test_a_system_without_cpuinfo_has_no_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "absent")
    assert cpu.cpu_flags() == frozenset()
