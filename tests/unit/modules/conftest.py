"""Small modules in the text format of WebAssembly, and how to run them."""

from __future__ import annotations

import wasmtime

from aivm.modules import Limits, Module

LIMITS = Limits(fuel=10**7, memory_bytes=4 << 20)

FRAME = """
(module
  (memory (export "memory") {memory})
  (global $free (mut i32) (i32.const 4096))
  (func (export "aivm_abi_1"))
  (func $alloc (export "aivm_alloc") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.const -16)
      (i32.add (global.get $free) (i32.add (local.get $size) (i32.const 15)))))
    (local.get $at))
  {body})
"""
# The result record lies at 0, the first output's record at 64.
RESULT = '(data (i32.const 0) "\\00\\00\\00\\00\\00\\00\\00\\00\\40\\00\\00\\00\\01\\00\\00\\00")'


def wat(body: str, memory: str = "2") -> bytes:
    """A module of interface 1 with `body` beside memory, mark and allocator."""
    return bytes(wasmtime.wat2wasm(FRAME.format(body=body, memory=memory)))


def entry(code: str, rest: str = "") -> str:
    """The function `run`, whose parameters are `$in` and `$count`."""
    return f'(func (export "run") (param $in i32) (param $count i32) (result i32) {code}) {rest}'


def little(*words: int) -> str:
    """Words as the text of a data segment."""
    raw = b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
    return "".join(f"\\{byte:02x}" for byte in raw)


def output(dtype: int, rank: int, shape: tuple[int, ...], data: int, size: int) -> str:
    """A module's data: a result with one output, described just so."""
    record = little(dtype, rank, *shape, *(0,) * (8 - len(shape)), data, size)
    return f'{RESULT} (data (i32.const 64) "{record}")'


def module(body: str, limits: Limits = LIMITS, memory: str = "2") -> Module:
    return Module(wat(body, memory), "run", limits)


def module_giving(rest: str) -> Module:
    """A module whose entry returns address 0, where `rest` has put something."""
    return module(entry("(i32.const 0)", rest))
