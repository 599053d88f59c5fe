"""The guest as machine code: compiled once a process, and kept on disk between processes.

What is on disk is native code, so it is taken from nowhere but a folder that only this user can
write, and under a name that holds everything it depends on (wasmtime loads code of another
optimisation level without complaint).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from functools import cache
from importlib.metadata import version
from pathlib import Path

import wasmtime

from aivm import kernels

OPTIMISATION = (
    "none"  # keeps the order of instructions that LLVM chose; `speed` spills in the kernels
)
_PRIVATE = 0o700
_lock = threading.Lock()


def configuration() -> wasmtime.Config:
    """Deterministic relaxed SIMD, nothing metered: the guest is our own and stops when asked."""
    config = wasmtime.Config()
    config.wasm_simd = True
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = True
    config.cranelift_opt_level = OPTIMISATION
    return config


@cache
def _engine() -> wasmtime.Engine:
    return wasmtime.Engine(configuration())


@cache
def _module() -> wasmtime.Module:
    guest = kernels.wasm_path().read_bytes()
    folder = cache_folder()
    if folder is None:
        return wasmtime.Module(_engine(), guest)
    path = folder / f"{_key(guest)}.cwasm"
    module = _stored(path)
    if module is None:
        module = wasmtime.Module(_engine(), guest)
        _store(path, module.serialize())
    return module


def guest_module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """The engine and the compiled guest, the same for everybody in this process."""
    with _lock:
        return _engine(), _module()


def _key(guest: bytes) -> str:
    parts = (version("wasmtime"), "relaxed-simd-deterministic", OPTIMISATION)
    return hashlib.sha256(hashlib.sha256(guest).digest() + ";".join(parts).encode()).hexdigest()


def cache_folder() -> Path | None:
    """The user's folder for compiled guests; None where it cannot be made private."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "aivm" / "wasm"
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not is_private(folder):
            return None
        folder.chmod(_PRIVATE)
        return folder
    except OSError:
        return None


def is_private(path: Path) -> bool:
    """Whether it is this user's own, no link, and nobody else may write it."""
    status = path.lstat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not path.is_symlink() and status.st_uid == os.getuid() and not others_write


def _stored(path: Path) -> wasmtime.Module | None:
    """The module from disk, where there is one and this wasmtime on this CPU takes it."""
    if not path.exists() or not is_private(path):
        return None
    try:
        return wasmtime.Module.deserialize_file(_engine(), str(path))
    except wasmtime.WasmtimeError:
        return None


def _store(path: Path, code: bytes | bytearray) -> None:
    """Writes a whole file or none; a full disk only costs the next process a compilation."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(code)
        Path(name).replace(path)
    except OSError:
        return
