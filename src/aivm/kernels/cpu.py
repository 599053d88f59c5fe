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


def cpu_flags() -> frozenset[str]:
    """The feature flags of the first CPU; none where the system does not tell."""
    if not CPUINFO.exists():
        return frozenset()
    for line in CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _x86_target(flags: frozenset[str]) -> str:
    if flags >= _V4:
        return "native-v4"
    if flags >= _V3:
        return "native-v3"
    missing = ", ".join(sorted(_V3 - flags))
    raise EngineUnavailable(
        f"The native kernels need an x86-64-v3 CPU; this one lacks {missing}.",
        hint="Use the wasm engine, which gives the same bytes.",
    )


def native_target() -> str:
    """The name of the best native artifact; raises EngineUnavailable where none fits."""
    system, machine = sys.platform, platform.machine().lower()
    if system == "linux" and machine in ("x86_64", "amd64"):
        return _x86_target(cpu_flags())
    if machine in ("arm64", "aarch64") and system in ("linux", "darwin"):
        return "native-aarch64" if system == "linux" else "native-macos"
    raise EngineUnavailable(
        f"No native kernels are built for {system} on {machine}.",
        hint="Use the wasm engine, which gives the same bytes.",
    )
