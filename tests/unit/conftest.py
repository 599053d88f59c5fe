"""A text model so small that its result can be read, and its package with modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
import wasmtime
from onnx import TensorProto, helper

from aivm.chain.account import Account
from aivm.modules import Limits
from aivm.packages import (
    ExtraFile,
    ModuleSource,
    Package,
    Role,
    open_package,
    pack_model,
    wordpiece_module,
)
from aivm.receipts import StageRole

VOCABULARY = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n"

# f32[1, n] -> the same times two, in place.
DOUBLE = """
(module
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 1024))
  (func (export "aivm_abi_1"))
  (func (export "aivm_alloc") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free)
      (i32.and (i32.const -16) (i32.add (local.get $size) (i32.const 31))))))
  (func (export "run") (param $in i32) (param $count i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=40 (local.get $in)))
    (local.set $end (i32.add (local.get $at) (i32.load offset=44 (local.get $in))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (f32.store (local.get $at) (f32.mul (f32.const 2) (f32.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br $next)))
    (i32.store (i32.const 8) (local.get $in))
    (i32.store (i32.const 12) (local.get $count))
    (i32.const 0)))
"""


def text_model() -> bytes:
    """vector[1, n] = input_ids * attention_mask, as F32."""
    shape = ["batch", "sequence"]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["kept"]),
        helper.make_node("Cast", ["kept"], ["vector"], to=TensorProto.FLOAT),
    ]
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "text", ports, [vector])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def double(role: StageRole, names: Sequence[str], **changes: Any) -> ModuleSource:
    """The doubling module, in a role."""
    wasm = bytes(wasmtime.wat2wasm(DOUBLE))
    fields = {"inputs": tuple(names), "outputs": tuple(names), "limits": Limits(10**6, 1 << 20)}
    return ModuleSource(f"double-{role}", role, wasm, "run", **(fields | changes))


def pack_text_model(
    folder: Path, modules: Sequence[ModuleSource], lengths: Sequence[int] = (4, 8)
) -> Package:
    """The text model in programs for `lengths`, with these modules and a vocabulary."""
    info = pack_model(
        text_model(),
        name="demo/text",
        version="1.0.0",
        license="MIT",
        shapes=[{"input_ids": (1, n), "attention_mask": (1, n)} for n in lengths],
        out_dir=folder,
        signer=Account(b"\x07" * 32),
        created=1_800_000_000,
        extra_files=[ExtraFile("vocab.txt", Role.TOKENIZER, VOCABULARY)],
        modules=modules,
    )
    return open_package(info.directory, info.model_id)


@pytest.fixture
def text_package(tmp_path: Path) -> Package:
    """A tokeniser before the model and a doubling after it."""
    modules = [wordpiece_module("vocab.txt"), double(StageRole.POSTPROCESS, ["vector"])]
    return pack_text_model(tmp_path / "text", modules)
