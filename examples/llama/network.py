"""A small Llama-style network: its sizes, its arithmetic in torch for training, its form in ONNX.

Root-mean-square norms, rotary positions, grouped-query attention, a gated feed-forward layer.
Both forms below compute the same; `train.py` compares them before it writes anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
ROTARY_BASE = 10_000.0


@dataclass(frozen=True)
class Sizes:
    """`capacity` is the longest text, prompt and answer together, in tokens."""

    vocabulary: int = 512
    capacity: int = 256
    width: int = 96
    layers: int = 4
    heads: int = 6
    key_heads: int = 2
    head_width: int = 16
    hidden: int = 160


def rotary_tables(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [capacity, head_width / 2] of the angle of each place and pair."""
    pairs = np.arange(sizes.head_width // 2)
    angles = np.arange(sizes.capacity)[:, None] / ROTARY_BASE ** (2 * pairs / sizes.head_width)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.weight


def rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Each pair (element i, element i + half) of a head turned by the angle of its place."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cosines - right * sines, right * cosines + left * sines), dim=-1)


class Block(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        queries, keys = sizes.heads * sizes.head_width, sizes.key_heads * sizes.head_width
        self.norm1, self.norm2 = Norm(sizes.width), Norm(sizes.width)
        self.query = nn.Linear(sizes.width, queries, bias=False)
        self.key = nn.Linear(sizes.width, keys, bias=False)
        self.value = nn.Linear(sizes.width, keys, bias=False)
        self.attended = nn.Linear(queries, sizes.width, bias=False)
        self.gate = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.up = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, sizes.width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        batch, length, _ = x.shape
        normed = self.norm1(x)
        query, key, value = (
            project(normed).view(batch, length, -1, self.sizes.head_width).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        group = self.sizes.heads // self.sizes.key_heads
        mixed = functional.scaled_dot_product_attention(
            rotated(query, cosines, sines),
            rotated(key, cosines, sines).repeat_interleave(group, dim=1),
            value.repeat_interleave(group, dim=1),
            is_causal=True,
        )
        x = x + self.attended(mixed.transpose(1, 2).reshape(batch, length, -1))
        normed = self.norm2(x)
        return x + self.down(functional.silu(self.gate(normed)) * self.up(normed))


class Llama(nn.Module):
    """Token ids [batch, length] -> logits [batch, length, vocabulary]; the embedding is shared."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = Norm(sizes.width)
        cosines, sines = rotary_tables(sizes)
        self.register_buffer("cosines", torch.from_numpy(cosines), persistent=False)
        self.register_buffer("sines", torch.from_numpy(sines), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                residual = "attended" in name or "down" in name
                nn.init.normal_(weight, std=0.05 / math.sqrt(2 * sizes.layers if residual else 1))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        length = tokens.shape[1]
        for block in self.blocks:
            x = block(x, self.cosines[:length], self.sines[:length])
        return self.norm(x) @ self.embedding.weight.T


class Graph:
    """Collects the nodes and constants of an ONNX graph; every method returns a value's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def __call__(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        self.constants[name] = np.ascontiguousarray(np.asarray(value, dtype))
        return name


def to_onnx(model: Llama, sizes: Sizes) -> bytes:
    """The network as a program with state.

    tokens int64 [1, S], position int64 [1] (of the first token), past_key.N and past_value.N
    float32 [1, key_heads, capacity, head_width]
    -> logits [1, S, vocabulary], present_key.N and present_value.N

    Attention runs over all `capacity` places, those that are not visible with probability +0. So
    every sum has the same terms in the same order whatever S is, and a prompt gives the same bits
    in one block as token by token.
    """
    graph = Graph()
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    cosines, sines = rotary_tables(sizes)
    # Both an embedding (one column of it) and the last layer: stored once.
    table = graph.constant("embedding", weights["embedding.weight"].T)
    columns = graph("Gather", [table, "tokens"], "embedded_columns", axis=1)
    x = graph("Transpose", [columns], "embedded", perm=[1, 2, 0])
    _places(graph, sizes, cosines, sines)
    for layer in range(sizes.layers):
        x = _attention(graph, sizes, weights, layer, x)
        x = _feed_forward(graph, weights, layer, x)
    x = _norm(graph, weights["norm.weight"], "norm", x)
    graph("MatMul", [x, table], "logits")
    return _model(graph, sizes)


def _places(graph: Graph, sizes: Sizes, cosines: np.ndarray, sines: np.ndarray) -> None:
    """The place of each token, its rotation, and which places of the cache it sees."""
    zero, one = graph.constant("zero", 0, np.int64), graph.constant("one", 1, np.int64)
    length = graph("Shape", ["tokens"], "length_list", start=1)
    length = graph("Squeeze", [length], "length")
    offsets = graph("Range", [zero, length, one], "offsets")
    places = graph("Add", ["position", offsets], "places")
    graph("Gather", [graph.constant("cosine_table", cosines), places], "cosines", axis=0)
    graph("Gather", [graph.constant("sine_table", sines), places], "sines", axis=0)
    column = graph("Unsqueeze", [places, graph.constant("axis_1", [1], np.int64)], "place_column")
    cached = graph.constant("cached_places", np.arange(sizes.capacity)[None], np.int64)
    graph("LessOrEqual", [cached, column], "visible")


def _norm(graph: Graph, weight: np.ndarray, name: str, x: str) -> str:
    scale = graph.constant(f"{name}.weight", weight)
    return graph("RMSNormalization", [x, scale], name, axis=-1, epsilon=EPSILON)


def _rotated(graph: Graph, name: str, x: str) -> str:
    left, right = f"{name}.left", f"{name}.right"
    graph.nodes.append(helper.make_node("Split", [x], [left, right], axis=-1, num_outputs=2))
    parts = []
    for part, first, second, join in (("a", left, right, "Sub"), ("b", right, left, "Add")):
        turned = graph("Mul", [first, "cosines"], f"{name}.{part}.cosine")
        crossed = graph("Mul", [second, "sines"], f"{name}.{part}.sine")
        parts.append(graph(join, [turned, crossed], f"{name}.{part}"))
    return graph("Concat", parts, f"{name}.rotated", axis=-1)


def _attention(
    graph: Graph, sizes: Sizes, weights: dict[str, np.ndarray], layer: int, x: str
) -> str:
    name, width = f"layer{layer}", sizes.head_width
    normed = _norm(graph, weights[f"blocks.{layer}.norm1.weight"], f"{name}.norm1", x)
    heads = {}
    for part, count in (
        ("query", sizes.heads),
        ("key", sizes.key_heads),
        ("value", sizes.key_heads),
    ):
        # The scale of the scores is a power of two here, so it can move into the weights exactly.
        scale = 1 / math.sqrt(width) if part == "query" else 1.0
        weight = weights[f"blocks.{layer}.{part}.weight"].T * np.float32(scale)
        projected = graph(
            "MatMul", [normed, graph.constant(f"{name}.{part}.weight", weight)], f"{name}.{part}"
        )
        shape = graph.constant(f"split_{count}", [1, -1, count, width], np.int64)
        split = graph("Reshape", [projected, shape], f"{name}.{part}.split")
        heads[part] = graph("Transpose", [split], f"{name}.{part}.heads", perm=[0, 2, 1, 3])
    query = _rotated(graph, f"{name}.query", heads["query"])
    key = _rotated(graph, f"{name}.key", heads["key"])
    for part, new in (("key", key), ("value", heads["value"])):
        graph(
            "TensorScatter",
            [f"past_{part}.{layer}", new, "position"],
            f"present_{part}.{layer}",
            axis=-2,
        )
    # All query heads of one key head as rows of one matrix.
    grouped = graph.constant("grouped", [1, sizes.key_heads, -1, width], np.int64)
    query = graph("Reshape", [query, grouped], f"{name}.query.grouped")
    keys = graph("Transpose", [f"present_key.{layer}"], f"{name}.keys", perm=[0, 1, 3, 2])
    scores = graph("MatMul", [query, keys], f"{name}.scores.grouped")
    by_head = graph.constant("by_head", [1, sizes.heads, -1, sizes.capacity], np.int64)
    scores = graph("Reshape", [scores, by_head], f"{name}.scores")
    never = graph.constant("never", -np.inf)
    scores = graph("Where", ["visible", scores, never], f"{name}.scores.visible")
    chances = graph("Softmax", [scores], f"{name}.chances", axis=-1)
    grouped_chances = graph.constant(
        "grouped_chances", [1, sizes.key_heads, -1, sizes.capacity], np.int64
    )
    chances = graph("Reshape", [chances, grouped_chances], f"{name}.chances.grouped")
    mixed = graph("MatMul", [chances, f"present_value.{layer}"], f"{name}.mixed.signed")
    # A sum of -0 could become +0 by adding +0 * value for a place that is not visible: after this
    # it is +0 either way, and nothing that is not visible can be felt.
    mixed = graph("Add", [mixed, graph.constant("plus_zero", 0.0)], f"{name}.mixed.grouped")
    shape = graph.constant("heads_apart", [1, sizes.heads, -1, width], np.int64)
    mixed = graph("Reshape", [mixed, shape], f"{name}.mixed")
    rows = graph("Transpose", [mixed], f"{name}.mixed.rows", perm=[0, 2, 1, 3])
    joined = graph.constant("heads_joined", [1, -1, sizes.heads * width], np.int64)
    rows = graph("Reshape", [rows, joined], f"{name}.mixed.joined")
    weight = graph.constant(f"{name}.attended.weight", weights[f"blocks.{layer}.attended.weight"].T)
    attended = graph("MatMul", [rows, weight], f"{name}.attended")
    return graph("Add", [x, attended], f"{name}.after_attention")


def _feed_forward(graph: Graph, weights: dict[str, np.ndarray], layer: int, x: str) -> str:
    name = f"layer{layer}"
    normed = _norm(graph, weights[f"blocks.{layer}.norm2.weight"], f"{name}.norm2", x)
    parts = {}
    for part in ("gate", "up"):
        weight = weights[f"blocks.{layer}.{part}.weight"].T
        constant = graph.constant(f"{name}.{part}.weight", weight)
        parts[part] = graph("MatMul", [normed, constant], f"{name}.{part}")
    open_part = graph("Sigmoid", [parts["gate"]], f"{name}.open")
    gate = graph("Mul", [parts["gate"], open_part], f"{name}.silu")
    hidden = graph("Mul", [gate, parts["up"]], f"{name}.hidden")
    weight = graph.constant(f"{name}.down.weight", weights[f"blocks.{layer}.down.weight"].T)
    down = graph("MatMul", [hidden, weight], f"{name}.down")
    return graph("Add", [x, down], f"{name}.output")


def _model(graph: Graph, sizes: Sizes) -> bytes:
    cache = [1, sizes.key_heads, sizes.capacity, sizes.head_width]
    states = [f"{part}.{layer}" for layer in range(sizes.layers) for part in ("key", "value")]
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "llama",
        [
            value("tokens", TensorProto.INT64, [1, "S"]),
            value("position", TensorProto.INT64, [1]),
            *(value(f"past_{state}", TensorProto.FLOAT, cache) for state in states),
        ],
        [
            value("logits", TensorProto.FLOAT, [1, "S", sizes.vocabulary]),
            *(value(f"present_{state}", TensorProto.FLOAT, cache) for state in states),
        ],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    opset = [helper.make_opsetid("", 24)]
    model = helper.make_model(made, opset_imports=opset, ir_version=11, producer_name="aivm")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
