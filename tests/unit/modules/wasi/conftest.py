"""Apps in the text format of WebAssembly: one call of the host, whose answer is the exit status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import wasmtime

from aivm.engines.base import open_engine
from aivm.modules import Limits
from aivm.modules.wasi import App, Graph, Run, onnx_graph

from ...conftest import text_model

WASI, NN = "wasi_snapshot_preview1", "wasi_ephemeral_nn"
LIMITS = Limits(fuel=10**8, memory_bytes=32 << 20)
SEED = bytes(range(32))


def app_wat(calls: str, functions: Mapping[str, str], rest: str = "") -> bytes:
    """`functions` are the types of imports by name; `$exit` ends the app."""
    imports = "".join(
        f'(import "{NN if name.startswith("nn_") else WASI}" "{name.removeprefix("nn_")}"'
        f" (func ${name} {type_}))"
        for name, type_ in functions.items()
    )
    return bytes(
        wasmtime.wat2wasm(
            f'(module (import "{WASI}" "proc_exit" (func $exit (param i32))) {imports}'
            f' (memory (export "memory") 2) {rest} (func (export "_start") {calls}))'
        )
    )


def parameters(letters: str) -> str:
    """`iIi` as the type of a function that returns an error number."""
    kinds = " ".join("i32" if letter == "i" else "i64" for letter in letters)
    return f"(param {kinds}) (result i32)" if letters else "(result i32)"


def run(wasm: bytes, stdin: bytes = b"", limits: Limits = LIMITS, **options: Any) -> Run:
    engine = open_engine("reference")
    named: dict[str, Graph] = options.pop("named", {})
    return App(wasm, "_start", limits).run(
        options.pop("arguments", [b"app"]),
        stdin,
        options.pop("seed", SEED),
        named=named,
        load=lambda data: onnx_graph(data, engine),
    )


def text_graph() -> Graph:
    """vector = input_ids * attention_mask, of any shape [b, n]."""
    return onnx_graph(text_model(), open_engine("reference"))


def escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def words(*values: int) -> bytes:
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values)


def tensor_record(dims: int, rank: int, code: int, data: int, size: int) -> bytes:
    return words(dims, rank, code, data, size)


IDS = np.array([[1, 2, 3]], np.int64)
