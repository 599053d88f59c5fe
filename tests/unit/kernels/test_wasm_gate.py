"""The build's gate against hand-assembled modules, and on the shipped one."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from aivm import kernels

KERNELS = Path(__file__).parents[3] / "kernels"


@pytest.fixture(scope="module")
def gate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wasm_gate", KERNELS / "wasm_gate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module_with(body: str, *, imports: str = "") -> bytes:
    code = bytes.fromhex(body)
    function = bytes([len(code) + 2, 0, *code, 0x0B])
    section = bytes([1, *function])
    return b"\0asm\1\0\0\0" + bytes.fromhex(imports) + bytes([10, len(section)]) + section


V128_CONST = "fd0c" + "00" * 16


def test_the_shipped_module_passes(gate: ModuleType) -> None:
    gate.check(kernels.wasm_path().read_bytes())


def test_relaxed_madd_passes(gate: ModuleType) -> None:
    gate.check(module_with("fd8502" + V128_CONST + "1a"))


@pytest.mark.parametrize("opcode", ["fd8d02", "fd8e02", "fd8602", "fd8002", "fd9302", "fd8702"])
def test_any_other_relaxed_opcode_is_refused(gate: ModuleType, opcode: str) -> None:
    with pytest.raises(gate.Refused, match="engine's choice"):
        gate.check(module_with(V128_CONST + opcode))


def test_what_only_looks_like_a_relaxed_opcode_passes(gate: ModuleType) -> None:
    constants = ("fd0c" + "fd8d02" * 5 + "00", "41fd8d02", "44" + "fd8d02" * 2 + "0000")
    immediates = ("fd000000fd15fd", "4100284200051a")  # a lane; a memory argument that names one
    for inside in (*constants, *immediates):
        gate.check(module_with(inside))


def test_an_import_is_refused(gate: ModuleType) -> None:
    with pytest.raises(gate.Refused, match="imports"):
        gate.check(module_with("", imports="020b0103656e76016d020001"))


@pytest.mark.parametrize("body", ["06", "fd9402", "fc20", "fe00"])
def test_an_unknown_instruction_is_refused(gate: ModuleType, body: str) -> None:
    with pytest.raises(gate.Refused, match="unknown"):
        gate.check(module_with(body))


def test_bytes_that_are_no_module_are_refused(gate: ModuleType) -> None:
    with pytest.raises(gate.Refused, match="not a WebAssembly"):
        gate.check(b"\x7fELF....")
    with pytest.raises(gate.Refused, match="too early"):
        gate.check(module_with("")[:-2])
