"""Which native build of the kernels this CPU can run."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from aivm.errors import EngineUnavailable

CPUINFO = Path("/proc/cpuinfo")

# The x86-64 psABI micro-architecture levels, in /proc/cpuinfo's words ("abm" is lzcnt).
_V3 = frozenset("abm avx avx2 bmi1 bmi2 f16c fma movbe".split())
_V4 = _V3 | frozenset("avx512f avx512bw avx512cd avx512dq avx512vl".split())
_X86_BUILDS = (
    ("native-v4-vnni", _V4 | {"avx512_vnni"}),
    ("native-v4", _V4),
    ("native-v3", _V3),
)


def cpu_flags() -> frozenset[str]:
    """The feature flags of the first CPU; none where the system does not tell."""
    if not CPUINFO.exists():
        return frozenset()
    for line in CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _x86_targets(flags: frozenset[str]) -> tuple[str, ...]:
    targets = tuple(name for name, needed in _X86_BUILDS if needed <= flags)
    if not targets:
        missing = ", ".join(sorted(_V3 - flags))
        raise EngineUnavailable(
            f"The native kernels need an x86-64-v3 CPU; this one lacks {missing}.",
            hint="Use the wasm engine, which gives the same bytes.",
        )
    return targets


def native_targets() -> tuple[str, ...]:
    """The native artifacts that this CPU can run, best first; EngineUnavailable where none fits."""
    system, machine = sys.platform, platform.machine().lower()
    if system == "linux" and machine in ("x86_64", "amd64"):
        return _x86_targets(cpu_flags())
    if machine in ("arm64", "aarch64") and system in ("linux", "darwin"):
        return ("native-aarch64" if system == "linux" else "native-macos",)
    raise EngineUnavailable(
        f"No native kernels are built for {system} on {machine}.",
        hint="Use the wasm engine, which gives the same bytes.",
    )
