"""The compiled kernels: one C source built for the sandbox and for native CPUs, and their loader.

The artifacts are made by `kernels/build.py`; `artifacts.json` beside them holds their digests, and
no artifact is used before its bytes have been compared with its digest.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from functools import cache
from pathlib import Path

from aivm.errors import EngineUnavailable, TamperedContent
from aivm.kernels.cpu import native_targets

ARTIFACTS = Path(__file__).parent / "artifacts"

__all__ = ["cuda_source", "digest", "library", "native_targets", "wasm_path"]


@cache
def _index() -> dict[str, dict[str, str]]:
    index: dict[str, dict[str, str]] = json.loads((ARTIFACTS / "artifacts.json").read_bytes())[
        "artifacts"
    ]
    return index


def digest(target: str) -> str:
    """SHA-256 (hex) of the artifact of a target: "wasm", "native-v3", "native-v4-vnni"..."""
    if target not in _index():
        known = f"There are: {', '.join(sorted(_index()))}."
        raise EngineUnavailable(f"No kernels are built for {target!r}.", hint=known)
    return _index()[target]["sha256"]


@cache
def artifact_path(target: str) -> Path:
    """The artifact of a target, whose bytes have just been checked; raises TamperedContent."""
    expected = digest(target)
    path = ARTIFACTS / _index()[target]["file"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise TamperedContent(
            f"The kernels in {path.name} are not the ones that artifacts.json names.",
            hint="Install AIVM again, or rebuild the artifacts with `python kernels/build.py`.",
        )
    return path


def wasm_path() -> Path:
    """The checked `aivm.wasm`: the sandboxed kernels, whose digest names the virtual machine."""
    return artifact_path("wasm")


@cache
def cuda_source() -> str:
    """The checked kernels for GPUs, as CUDA C: templates, of which programs name what they need."""
    return artifact_path("cuda").read_text(encoding="utf-8")


@cache
def library(target: str | None = None) -> ctypes.CDLL:
    """The native kernels of a target; without one, of the best target this CPU can run.

    Raises EngineUnavailable where no build fits, TamperedContent where its bytes are not ours.
    """
    chosen = target or native_targets()[0]
    loaded = ctypes.CDLL(str(artifact_path(chosen)))
    pointer, size = ctypes.c_void_p, ctypes.c_uint64
    for name in ("aivm_sha256", "aivm_tree_root"):
        function = getattr(loaded, name)
        function.argtypes = (pointer, size, pointer)
        function.restype = None
    return loaded
