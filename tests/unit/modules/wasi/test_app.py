from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wasmtime

from aivm.compiler import compile_model
from aivm.engines.base import open_engine
from aivm.errors import MalformedModule, ModuleFailed, OutOfFuel
from aivm.modules import Limits
from aivm.modules.wasi import App, Graph, onnx_graph
from aivm.modules.wasi.randomness import RandomBytes

from .conftest import LIMITS, SEED, app_wat, run

HERE = Path(__file__).parent
EXAMPLES = Path(__file__).parents[4] / "examples"
MODEL = (EXAMPLES / "digits" / "digits.onnx").read_bytes()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    with np.load(EXAMPLES / "digits" / "digits_samples.npz") as samples:
        return samples["images"][:1]


@pytest.fixture(scope="module")
def expected(picture: np.ndarray) -> np.ndarray:
    compiled = compile_model(MODEL, {"images": (1, 1, 8, 8)})
    loaded = open_engine("reference").load(compiled.program, compiled.constants)
    return loaded.run([picture])[0]


@pytest.fixture(params=["wasm", "native"])
def graph(request: pytest.FixtureRequest) -> Graph:
    return onnx_graph(MODEL, open_engine(request.param))


def test_a_c_program(graph: Graph, picture: np.ndarray, expected: np.ndarray) -> None:
    """wasi-libc and the imports of wasi-nn's own header: nothing in it knows of AIVM."""
    wasm = (EXAMPLES / "apps" / "classify.wasm").read_bytes()
    best = f"{expected.argmax()} {expected.max():.4f}\n".encode()
    known = run(
        wasm, picture.tobytes(), arguments=[b"classify", b"digits"], named={"digits": graph}
    )
    assert (known.status, known.stdout, known.stderr) == (0, best, b"")
    brought = run(
        wasm,
        MODEL + picture.tobytes(),
        arguments=[b"classify", b"-", str(len(MODEL)).encode()],
    )
    assert (brought.status, brought.stdout) == (0, best)


def test_its_failures_are_its_own() -> None:
    wasm = (EXAMPLES / "apps" / "classify.wasm").read_bytes()
    assert run(wasm, arguments=[b"classify"]).status == 2
    unknown = run(wasm, arguments=[b"classify", b"nothing"])
    assert (unknown.status, unknown.stderr) == (1, b"load_by_name: wasi-nn error 8\n")
    assert "'nothing'" in unknown.reasons[0]


def test_an_assemblyscript_program(graph: Graph, picture: np.ndarray, expected: np.ndarray) -> None:
    done = run((HERE / "digits.wasm").read_bytes(), picture.tobytes(), named={"1x1x8x8": graph})
    assert done.status == 0 and done.stdout == expected.tobytes()


def test_a_zig_program() -> None:
    wasm = (EXAMPLES / "apps" / "system.wasm").read_bytes()
    first, again = (run(wasm, b"input", arguments=[b"a", b"b"]) for _ in range(2))
    assert first == again and first.status == 7
    lines = first.stdout.split(b"\n")
    assert lines[0] == b"a\0b\0" and lines[2:] == [b"time passes", b"input"]
    assert run(wasm, b"input", seed=bytes(32)).stdout.split(b"\n")[1] != lines[1]


def test_traps_and_fuel() -> None:
    with pytest.raises(ModuleFailed, match="unreachable"):
        run(app_wat("(unreachable)", {}))
    with pytest.raises(OutOfFuel):
        run(app_wat("(loop $l (br $l))", {}))
    # A call of the host costs more than the instruction.
    calling = "(loop $l (drop (call $sched_yield)) (br $l))"
    with pytest.raises(OutOfFuel):
        run(app_wat(calling, {"sched_yield": "(result i32)"}))


def test_a_start_function_may_call_the_host() -> None:
    wasm = app_wat(
        "(call $exit (i32.load8_u (i32.const 0)))",
        {"random_get": "(param i32 i32) (result i32)"},
        "(func $s (drop (call $random_get (i32.const 0) (i32.const 8)))) (start $s)",
    )
    assert run(wasm).status == RandomBytes(SEED).take(1)[0]
    ending = app_wat("(unreachable)", {}, "(func $s (call $exit (i32.const 4))) (start $s)")
    assert run(ending).status == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(import "env" "now" (func))', "env.now"),
        ('(import "wasi_snapshot_preview1" "fd_dup" (func))', "fd_dup"),
        ('(import "wasi_snapshot_preview1" "fd_close" (func))', "fd_close"),
        ('(import "wasi_snapshot_preview1" "fd_close" (global i32))', "fd_close"),
        ('(import "wasi_snapshot_preview1" "proc_exit" (func (param i32) (result i32)))', "exit"),
        ('(import "wasi_ephemeral_nn" "unload" (func (param i32) (result i32)))', "unload"),
        ('(import "wasi:clocks/wall-clock@0.2.0" "now" (func))', "wall-clock"),
    ],
)
def test_other_imports_are_refused(text: str, message: str) -> None:
    wasm = wasmtime.wat2wasm(
        f'(module {text} (memory (export "memory") 1) (func (export "_start")))'
    )
    with pytest.raises(MalformedModule, match=message):
        App(bytes(wasm), "_start", LIMITS)


def test_a_library_is_no_app() -> None:
    wasm = wasmtime.wat2wasm('(module (memory (export "memory") 1) (func (export "_initialize")))')
    with pytest.raises(MalformedModule, match="_start"):
        App(bytes(wasm), "_start", Limits(10**6, 1 << 20))
