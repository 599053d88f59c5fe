"""Whole models: equal bytes on all engines, at most 1e-5 of the scale from onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.testing.engines import runnable_engines

Array = np.ndarray[Any, Any]
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
TOLERANCE = 1e-5


def compare(model: bytes, feeds: Mapping[str, Array]) -> list[Array]:
    """Runs the model on every engine and on onnxruntime; returns our outputs."""
    shapes = {name: array.shape for name, array in feeds.items()}
    compiled = compile_model(model, shapes)
    arrays = [feeds[name] for name in compiled.input_names]
    results = {
        name: open_engine(name).load(compiled.program, compiled.constants).run(arrays)
        for name in runnable_engines()
    }
    found = results["reference"]
    for name, others in results.items():
        for ours, other in zip(found, others, strict=True):
            assert ours.tobytes() == other.tobytes(), f"{name} differs from reference"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    expected = session.run(list(compiled.output_names), dict(feeds))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
    return found


@pytest.mark.parametrize("shape", [(1, 8), (2, 11)])
def test_minilm(minilm, shape):
    rng = np.random.default_rng(1)
    ids, mask = rng.integers(0, 30522, shape), np.ones(shape, np.int64)
    mask[-1, shape[1] // 2 :] = 0
    (embedding,) = compare(minilm, {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-6)


def test_digits():
    samples = np.load(DIGITS / "digits_samples.npz")
    images, labels = samples["images"], samples["labels"]
    (probabilities,) = compare((DIGITS / "digits.onnx").read_bytes(), {"images": images})
    assert (probabilities.argmax(axis=1) == labels).mean() >= 0.95


class Network:
    """Nodes one after the other, with random weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        scale = np.sqrt(2 / max(1, np.prod(shape[1:])))
        return self.constant((self.rng.normal(size=shape) * scale).astype(np.float32))

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def model(self, inputs: Mapping[str, list[int | str]], output: str, opset: int = 17) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in inputs.items()
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "classes"])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", opset)]
        model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return model.SerializeToString()


def conv_norm(net: Network, value: str, inside: int, outside: int, **attributes: object) -> str:
    """Convolution and batch normalisation, as in every residual network."""
    size = attributes["kernel_shape"][0]
    group = attributes.get("group", 1)
    value = net.node("Conv", value, net.weights(outside, inside // group, size, size), **attributes)
    statistics = [net.constant(net.rng.uniform(0.5, 1.5, outside).astype(np.float32))]
    statistics += [net.constant(net.rng.normal(size=outside).astype(np.float32)) for _ in "bm"]
    statistics += [net.constant(net.rng.uniform(0.5, 1.5, outside).astype(np.float32))]
    return net.node("BatchNormalization", value, *statistics)


def residual_block(net: Network, value: str, inside: int, outside: int, stride: int) -> str:
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    inner = conv_norm(net, value, inside, outside, strides=[stride, stride], **around)
    inner = conv_norm(net, net.node("Relu", inner), outside, outside, **around)
    if stride != 1 or inside != outside:
        strides = {"kernel_shape": [1, 1], "strides": [stride, stride]}
        value = conv_norm(net, value, inside, outside, **strides)
    return net.node("Relu", net.node("Add", inner, value))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_residual_network(batch):
    net = Network(2)
    stem = conv_norm(
        net, "x", 3, 8, kernel_shape=[7, 7], strides=[2, 2], pads=[3, 3, 3, 3]
    )  # fmt: skip
    value = net.node("Relu", stem)
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    value = net.node("MaxPool", value, **pool)
    for inside, outside, stride in ((8, 8, 1), (8, 16, 2), (16, 32, 2)):
        value = residual_block(net, value, inside, outside, stride)
    features = net.node("Flatten", net.node("GlobalAveragePool", value), axis=1)
    logits = net.node("Gemm", features, net.weights(10, 32), net.weights(10), transB=1)
    model = net.model({"x": ["batch", 3, 32, 32]}, logits)
    compare(model, {"x": net.rng.normal(size=(batch, 3, 32, 32)).astype(np.float32)})


def test_a_separable_network_with_transposed_convolution():
    """MobileNet's blocks (ReLU6, depthwise), then a U-Net's way up."""
    net = Network(3)
    low, high = net.constant(np.array(0, np.float32)), net.constant(np.array(6, np.float32))
    value = net.node("Clip", conv_norm(net, "x", 3, 8, kernel_shape=[3, 3]), low, high)
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "group": 8}
    value = net.node("Clip", conv_norm(net, value, 8, 8, **around), low, high)
    down = net.node("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
    up = net.node("ConvTranspose", down, net.weights(8, 8, 2, 2), strides=[2, 2])
    both = net.node("Concat", value, up, axis=1)
    norm = net.node("InstanceNormalization", both, net.weights(16), net.weights(16))
    mean = net.node("ReduceMean", net.node("Sigmoid", norm), axes=[2, 3], keepdims=0)
    model = net.model({"x": ["batch", 3, 18, 18]}, mean)
    compare(model, {"x": net.rng.normal(size=(2, 3, 18, 18)).astype(np.float32)})


@pytest.mark.parametrize("batch", [1, 7])
def test_a_multi_layer_perceptron(batch):
    net = Network(4)
    value = "x"
    for inside, outside, active in ((20, 64, "Relu"), (64, 32, "Tanh"), (32, 5, "Softmax")):
        product = net.node("MatMul", value, net.weights(inside, outside))
        value = net.node(active, net.node("Add", product, net.weights(outside)))
    model = net.model({"x": ["batch", 20]}, value)
    compare(model, {"x": net.rng.normal(size=(batch, 20)).astype(np.float32)})


def test_attention_as_exporters_write_it():
    """Shapes read, cut and put together again at run time; a causal mask; masked softmax."""
    net = Network(5)
    heads, size = 4, 8
    shape = net.node("Shape", "x")
    length = net.node("Gather", shape, net.constant(np.array(1)))
    tail = net.constant(np.array([heads, size]))
    two = net.node("Slice", shape, net.constant(np.array([0])), net.constant(np.array([2])))
    target = net.node("Concat", two, tail, axis=0)
    split = []
    for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        flat = net.node("MatMul", "x", net.weights(32, 32))
        split.append(net.node("Transpose", net.node("Reshape", flat, target), perm=order))
    zero, one = net.constant(np.array(0)), net.constant(np.array(1))
    places = net.node("Range", zero, length, one)
    rows = net.node("Unsqueeze", places, net.constant(np.array([1])))
    future = net.node("Less", rows, places)
    depth = net.node("Cast", net.constant(np.array(size)), to=TensorProto.FLOAT)
    scores = net.node("Div", net.node("MatMul", split[0], split[1]), net.node("Sqrt", depth))
    lowest = net.constant(np.array(-1e9, np.float32))
    masked = net.node("Where", future, lowest, scores)
    mixed = net.node("MatMul", net.node("Softmax", masked, axis=-1), split[2])
    together = net.node("Concat", two, net.constant(np.array([-1])), axis=0)
    joined = net.node("Reshape", net.node("Transpose", mixed, perm=[0, 2, 1, 3]), together)
    pooled = net.node(
        "ReduceMean",
        net.node("Pow", joined, net.constant(np.array(2.0, np.float32))),
        axes=[1],
        keepdims=0,
    )
    model = net.model({"x": ["batch", "length", 32]}, pooled)
    for shape_now in ((1, 5, 32), (2, 9, 32)):
        compare(model, {"x": net.rng.normal(size=shape_now).astype(np.float32)})
