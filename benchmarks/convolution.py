"""P4: convolutional nets, fp32, batch 1, one thread, against onnxruntime.

    python benchmarks/convolution.py [--rounds N] [--write FOLDER]

Two nets of 224 x 224 pixels with random weights, in the shapes of the well-known ones: MobileNet V2
(1x1 and depthwise convolutions, clipped ReLU) and ResNet-18 (3x3 convolutions, residual blocks).
Before anything is timed, the engines must agree in every bit, and with onnxruntime within 1e-5.
`--write` saves the two models as ONNX files for benchmarks/steps.py.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from measure import best_seconds, report, table
from minilm import ERROR_MAX, single_thread_session
from onnx import TensorProto, helper, numpy_helper

from aivm import kernels
from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.engines.native import NativeEngine
from aivm.errors import Mismatch

IMAGE = (1, 3, 224, 224)
CLASSES = 1000
GOAL = 1.0
SLICE_SECONDS = 0.005  # one run: on a busy machine longer slices never meet a quiet moment

# MobileNet V2: expansion, channels, repeats, stride of the first.
INVERTED = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
]  # fmt: skip
# ResNet-18: channels and stride of the first of two blocks.
STAGES = [(64, 1), (128, 2), (256, 2), (512, 2)]


class Net:
    """An ONNX graph under construction; names of values are handed around."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def weight(self, array: Array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(
        self, x: str, channels: int, filters: int, kernel: int, stride: int = 1, group: int = 1
    ) -> str:
        """With bias, as exporters write a convolution and the normalisation after it."""
        shape = (filters, channels // group, kernel, kernel)
        scale = math.sqrt(2 / math.prod(shape[1:]))
        weights = self.weight(self.rng.standard_normal(shape) * scale)
        bias = self.weight(self.rng.standard_normal(filters) * 0.1)
        pads, strides = [kernel // 2] * 4, [stride] * 2
        return self.add("Conv", x, weights, bias, pads=pads, strides=strides, group=group)

    def classified(self, x: str, channels: int) -> str:
        pooled = self.add("Flatten", self.add("GlobalAveragePool", x))
        weights = self.weight(self.rng.standard_normal((channels, CLASSES)) / math.sqrt(channels))
        return self.add("Gemm", pooled, weights, self.weight(np.zeros(CLASSES)))

    def model(self, output: str) -> bytes:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE)
        scores = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, CLASSES])
        graph = helper.make_graph(self.nodes, "net", [image], [scores], self.weights)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def mobile_net() -> bytes:
    net = Net()
    low, high = net.weight(np.array(0.0)), net.weight(np.array(6.0))

    def clipped(x: str) -> str:
        return net.add("Clip", x, low, high)

    x, channels = clipped(net.conv("image", 3, 32, 3, 2)), 32
    for expansion, filters, repeats, first_stride in INVERTED:
        for repeat in range(repeats):
            stride, wide, shortcut = first_stride if repeat == 0 else 1, channels * expansion, x
            if expansion > 1:
                x = clipped(net.conv(x, channels, wide, 1))
            x = clipped(net.conv(x, wide, wide, 3, stride, group=wide))
            x = net.conv(x, wide, filters, 1)
            if stride == 1 and channels == filters:
                x = net.add("Add", x, shortcut)
            channels = filters
    x = clipped(net.conv(x, channels, 1280, 1))
    return net.model(net.classified(x, 1280))


def residual_net() -> bytes:
    net = Net()
    x = net.add("Relu", net.conv("image", 3, 64, 7, 2))
    x = net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for filters, first_stride in STAGES:
        for stride in (first_stride, 1):
            shortcut = x if stride == 1 else net.conv(x, channels, filters, 1, stride)
            inner = net.add("Relu", net.conv(x, channels, filters, 3, stride))
            x = net.add("Relu", net.add("Add", net.conv(inner, filters, filters, 3), shortcut))
            channels = filters
    return net.model(net.classified(x, channels))


NETS: dict[str, Callable[[], bytes]] = {"MobileNet V2": mobile_net, "ResNet-18": residual_net}


def measure(model: bytes, rounds: int) -> dict[str, float]:
    """Milliseconds by contestant."""
    made = compile_model(model, {})
    image = np.random.default_rng(1).standard_normal(IMAGE, np.float32)
    engines = {
        name: NativeEngine(kernels.library(name), 1, None, None)
        for name in kernels.native_targets()
    }
    executables = {
        name: engine.load(made.program, made.constants)
        for name, engine in {**engines, "wasm": open_engine("wasm")}.items()
    }
    results = {name: executable.run([image])[0] for name, executable in executables.items()}
    if len({result.tobytes() for result in results.values()}) != 1:
        raise Mismatch("the engines do not give the same bytes")
    session = single_thread_session(model)
    (expected,) = session.run(None, {"image": image})
    error = float(np.abs(results["wasm"] - expected).max() / np.abs(expected).max())
    if error > ERROR_MAX:
        raise Mismatch(f"relative error {error:.2g} against onnxruntime")
    contestants: dict[str, Callable[[], object]] = {
        name: lambda executable=executable: executable.run([image])  # type: ignore[misc]
        for name, executable in executables.items()
    }
    contestants["onnxruntime"] = lambda: session.run(None, {"image": image})
    best = best_seconds(contestants, rounds=rounds, slice_seconds=SLICE_SECONDS)
    return {name: 1e3 * seconds for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Convolutional nets against onnxruntime.")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--write", type=Path, help="only write the models to this folder")
    options = parser.parse_args()
    models = {name: make() for name, make in NETS.items()}
    if options.write:
        for name, model in models.items():
            (options.write / f"{name}.onnx").write_bytes(model)
        return
    times = {name: measure(model, options.rounds) for name, model in models.items()}
    best = kernels.native_targets()[0]
    ratios = {name: found["onnxruntime"] / found[best] for name, found in times.items()}
    columns = list(next(iter(times.values())))
    rows = [[name, *(f"{found[c]:.2f}" for c in columns)] for name, found in times.items()]
    text = "milliseconds, one thread\n" + table(["net", *columns], rows) + "\n"
    text += "".join(f"{name}: native {ratio:.2f}x onnxruntime\n" for name, ratio in ratios.items())
    verdict = {
        "figure": ", ".join(f"{name} {ratio:.2f}x" for name, ratio in ratios.items()),
        "goal": f">= {GOAL:.2f}x",
        "met": min(ratios.values()) >= GOAL,
    }
    report("convolution", {"milliseconds": times, "targets": {"P4": verdict}}, text)


if __name__ == "__main__":
    sys.exit(main())
