"""Modules as machine code: the guest compiled once a process, and code kept between processes.

What is on disk is native code, so it is taken from nowhere but a folder that only this user can
write, and under a name that holds everything it depends on (wasmtime loads code of another
optimisation level without complaint).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import wasmtime

from aivm import kernels
from aivm.cache import open_cache

OPTIMISATION = (
    "none"  # keeps the order of instructions that LLVM chose; `speed` spills in the kernels
)
_CONFIGURATION = ("relaxed-simd-deterministic", OPTIMISATION)
MAX_CACHE_BYTES = 256 * 2**20
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
    stored = open_cache("wasm", max_bytes=MAX_CACHE_BYTES)
    if stored is None:
        return wasmtime.Module(engine, wasm)
    key = f"{_key(wasm, configuration)}.cwasm"
    module = _loaded(engine, stored.find(key))
    if module is None:
        module = wasmtime.Module(engine, wasm)
        code = module.serialize()
        stored.publish(key, lambda file: file.write(code))
    return module


def _loaded(engine: wasmtime.Engine, path: Path | None) -> wasmtime.Module | None:
    """The module from disk, where there is one and this wasmtime on this CPU takes it."""
    if path is None:
        return None
    try:
        return wasmtime.Module.deserialize_file(engine, str(path))
    except wasmtime.WasmtimeError:
        return None


def guest_module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """The engine and the compiled guest, the same for everybody in this process."""
    with _lock:
        return _engine(), _module()


def _key(wasm: bytes, configuration: Sequence[str]) -> str:
    parts = (version("wasmtime"), *configuration)
    return hashlib.sha256(hashlib.sha256(wasm).digest() + ";".join(parts).encode()).hexdigest()
