"""Modules as machine code: the guest compiled once a process, and code kept between processes.

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
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import wasmtime

from aivm import kernels

OPTIMISATION = (
    "none"  # keeps the order of instructions that LLVM chose; `speed` spills in the kernels
)
_CONFIGURATION = ("relaxed-simd-deterministic", OPTIMISATION)
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
    return cached_module(_engine(), kernels.wasm_path().read_bytes(), _CONFIGURATION)


def cached_module(
    engine: wasmtime.Engine, wasm: bytes, configuration: Sequence[str]
) -> wasmtime.Module:
    """The compiled module, from disk if it lies there; `configuration` names all of `engine`'s.

    Raises wasmtime.WasmtimeError for what is no module under that configuration.
    """
    folder = cache_folder()
    if folder is None:
        return wasmtime.Module(engine, wasm)
    path = folder / f"{_key(wasm, configuration)}.cwasm"
    module = _stored(engine, path)
    if module is None:
        module = wasmtime.Module(engine, wasm)
        _store(path, module.serialize())
    return module


def guest_module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """The engine and the compiled guest, the same for everybody in this process."""
    with _lock:
        return _engine(), _module()


def _key(wasm: bytes, configuration: Sequence[str]) -> str:
    parts = (version("wasmtime"), *configuration)
    return hashlib.sha256(hashlib.sha256(wasm).digest() + ";".join(parts).encode()).hexdigest()


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


def _stored(engine: wasmtime.Engine, path: Path) -> wasmtime.Module | None:
    """The module from disk, where there is one and this wasmtime on this CPU takes it."""
    if not path.exists() or not is_private(path):
        return None
    try:
        return wasmtime.Module.deserialize_file(engine, str(path))
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
