"""Random convolutional nets: every engine gives the bits of the reference, whatever it fuses."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.engines.plan import joining
from aivm.testing.engines import differences

SEEDS = st.integers(0, 2**32 - 1)
SPECIAL = np.array([0, 0x80000000, 1, 0x807FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000], np.uint32)


class RandomNet:
    """Layers over an image [N, C, size...], each reading results of earlier ones."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        axes = self.number(1, 3)
        sizes = [self.number(4, {1: 40, 2: 12, 3: 6}[axes]) for _ in range(axes)]
        self.shape = [self.number(1, 2), self.number(1, 20), *sizes]
        self.image = tuple(self.shape)
        self.x = "image"
        self.earlier = [(self.x, tuple(self.shape))]

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def values(self, *shape: int) -> Array:
        """Ordinary numbers; sometimes special ones among them, or all tiny."""
        made = self.rng.standard_normal(shape).astype(np.float32)
        kind = self.number(0, 5)
        if kind == 0:
            special = self.rng.choice(SPECIAL, shape).view(np.float32)
            made = np.where(self.rng.random(shape) < 0.05, special, made)
        if kind == 1:
            made = np.ldexp(made, -74)
        return made.astype(np.float32)

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(self.values(*shape), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> None:
        self.x = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [self.x], **attributes))

    def windows(self) -> dict[str, list[int]] | None:
        """Attributes of windows that fit the image; sets the new sizes."""
        sizes = self.shape[2:]
        kernel = [self.number(1, 3) for _ in sizes]
        strides = [self.number(1, 2) for _ in sizes]
        before, after = ([self.number(0, k - 1) for k in kernel] for _ in range(2))
        found = []
        for size, k, stride, low, high in zip(sizes, kernel, strides, before, after, strict=True):
            room = size + low + high - k
            if room < 0:
                return None
            found.append(room // stride + 1)
        self.shape[2:] = found
        return {"kernel_shape": kernel, "strides": strides, "pads": before + after}

    def convolve(self) -> None:
        channels = self.shape[1]
        groups = int(self.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
        groups = int(self.rng.choice([1, groups, channels]))
        filters = groups * (1 if self.number(0, 1) else self.number(1, max(1, 40 // groups)))
        attributes = self.windows()
        if attributes is None:
            return
        weights = self.weight(filters, channels // groups, *attributes["kernel_shape"])
        bias = [self.weight(filters)] if self.number(0, 1) else []
        self.add("Conv", self.x, weights, *bias, group=groups, **attributes)
        self.shape[1] = filters

    def pool(self) -> None:
        attributes = self.windows()
        if attributes is not None:
            kind = "MaxPool" if self.number(0, 1) else "AveragePool"
            extra = {} if kind == "MaxPool" else {"count_include_pad": self.number(0, 1)}
            self.add(kind, self.x, **attributes, **extra)

    def activate(self) -> None:
        kind = str(self.rng.choice(["Relu", "Sigmoid", "HardSwish", "LeakyRelu", "Neg"]))
        self.add(kind, self.x)

    def shift(self) -> None:
        self.add("Add", self.x, self.weight(self.shape[1], *(1 for _ in self.shape[2:])))

    def combine(self) -> None:
        alike = [name for name, shape in self.earlier if shape == tuple(self.shape)]
        if alike:
            self.add("Add", self.x, str(self.rng.choice(alike)))

    def join(self) -> None:
        wanted = (self.shape[0], *self.shape[2:])
        alike = [(n, s) for n, s in self.earlier if (s[0], *s[2:]) == wanted and s[1] < 24]
        if alike:
            name, shape = alike[self.number(0, len(alike) - 1)]
            self.add("Concat", self.x, name, axis=1)
            self.shape[1] += shape[1]

    def pad(self) -> None:
        edges = [self.number(0, 1) for _ in self.shape[2:] * 2]
        half = len(edges) // 2
        pads = np.array([0, 0, *edges[:half], 0, 0, *edges[half:]], np.int64)
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(pads, name))
        self.add("Pad", self.x, name)
        for axis in range(half):
            self.shape[2 + axis] += edges[axis] + edges[half + axis]

    def finish(self) -> None:
        if self.number(0, 1):
            self.add("GlobalAveragePool", self.x)
        elif self.number(0, 1):
            self.add("Softmax", self.x, axis=1)

    def model(self) -> bytes:
        layers = [self.convolve] * 4
        layers += [self.pool, self.activate, self.shift, self.combine, self.join, self.pad]
        for _ in range(self.number(1, 7)):
            layers[self.number(0, len(layers) - 1)]()
            self.earlier.append((self.x, tuple(self.shape)))
        self.finish()
        if not self.nodes:
            self.activate()
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, self.image)
        names = {self.x, self.earlier[-1][0]} - {"image"}
        outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in sorted(names)]
        graph = helper.make_graph(self.nodes, "net", [image], outputs, self.weights)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def check(seed: int) -> None:
    net = RandomNet(seed)
    made = compile_model(net.model(), {})
    inputs = [net.values(*net.image)]
    expected = open_engine("reference").load(made.program, made.constants).run(inputs)
    assert list(differences(made.program, made.constants, inputs, expected)) == []


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_random_nets(seed: int) -> None:
    check(seed)


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_rows_handed_over_in_small_blocks(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "BLOCK_ROWS_MIN", 8)
        patch.setattr(joining, "BLOCK_ELEMENTS", 64)
        check(seed)


@pytest.mark.slow
@given(seed=SEEDS)
@settings(max_examples=5000, deadline=None)
@pytest.mark.timeout(3600)
def test_many_random_nets(seed: int) -> None:
    check(seed)
