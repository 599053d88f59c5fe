"""all-MiniLM-L6-v2 as an ONNX model, built from its weights: sentences in, unit embeddings out.

    input_ids, attention_mask: int64 [batch, sequence]  ->  embedding: float32 [batch, 384]

The graph is the BERT encoder of the weights' own config, mean pooling over the attended tokens and
division by the Euclidean norm, in 18 standard operators of opset 17. The bytes depend on the
weights alone: names, order and contents of everything in the file are fixed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from aivm.commitments import Array
from aivm.packages.safetensors import SafeTensors

Weights = Mapping[str, Array]

_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Config:
    """What the graph needs to know of the model's `config.json`."""

    hidden: int
    heads: int
    layers: int
    epsilon: float


def build_model(model_dir: Path) -> bytes:
    """The ONNX file for the weights in `model_dir` (`config.json`, `model.safetensors`)."""
    config = _read_config(model_dir / "config.json")
    weights = SafeTensors(model_dir / "model.safetensors")
    graph = _Graph()
    _embedding(graph, weights, config)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                for name in ("input_ids", "attention_mask")
            ],
            [
                helper.make_tensor_value_info(
                    "embedding", TensorProto.FLOAT, ["batch", config.hidden]
                )
            ],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="aivm",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _read_config(path: Path) -> Config:
    entries = json.loads(path.read_text(encoding="utf-8"))
    return Config(
        hidden=entries["hidden_size"],
        heads=entries["num_attention_heads"],
        layers=entries["num_hidden_layers"],
        epsilon=entries["layer_norm_eps"],
    )


class _Graph:
    """Nodes and initializers in the order in which they are made; a node is named by its result."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def constant(self, name: str, array: Array) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        name = "i64_" + "_".join(str(value) for value in values)
        return self.constant(name, np.array(values, np.int64))

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array([value], np.float32))

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(
            helper.make_node(operator, inputs, [output], name=output, **attributes)  # type: ignore[arg-type]
        )
        return output

    def linear(self, value: str, weights: Weights, name: str, output: str) -> str:
        """value @ weight.T + bias; the weight is stored transposed, ready to multiply."""
        matrix = self.constant(f"{name}.weight.T", weights[f"{name}.weight"].T)
        product = self.node("MatMul", [value, matrix], f"{output}.product")
        bias = self.constant(f"{name}.bias", weights[f"{name}.bias"])
        return self.node("Add", [product, bias], output)

    def layer_norm(
        self, value: str, weights: Weights, name: str, epsilon: float, output: str
    ) -> str:
        scale = self.constant(f"{name}.weight", weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", weights[f"{name}.bias"])
        return self.node(
            "LayerNormalization", [value, scale, bias], output, axis=-1, epsilon=epsilon
        )


def _embedding(graph: _Graph, weights: Weights, config: Config) -> None:
    """The whole model, from token ids to `embedding`."""
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    hidden = _tokens(graph, weights, config)
    penalty = _attention_penalty(graph, mask)
    for layer in range(config.layers):
        hidden = _encoder_layer(graph, weights, config, layer, hidden, penalty)
    _unit_length(graph, _mean_of_attended(graph, hidden, mask))


def _tokens(graph: _Graph, weights: Weights, config: Config) -> str:
    """Word + position + token type 0, normalised: [batch, sequence, hidden]."""
    table = "embeddings.word_embeddings.weight"
    words = graph.node("Gather", [graph.constant(table, weights[table]), "input_ids"], "words")
    shape = graph.node("Shape", ["input_ids"], "shape")
    length = graph.node("Gather", [shape, graph.integers(1)], "length")
    table = "embeddings.position_embeddings.weight"
    ends = [graph.integers(0), length, graph.integers(0)]
    positions = graph.node("Slice", [graph.constant(table, weights[table]), *ends], "positions")
    kind = graph.constant("token_type_0", weights["embeddings.token_type_embeddings.weight"][0])
    placed = graph.node("Add", [words, positions], "words_at_positions")
    typed = graph.node("Add", [placed, kind], "tokens")
    return graph.layer_norm(typed, weights, "embeddings.LayerNorm", config.epsilon, "hidden_0")


def _attention_penalty(graph: _Graph, mask: str) -> str:
    """0 for attended tokens, the lowest float for padding: [batch, 1, 1, sequence]."""
    spread = graph.node("Unsqueeze", [mask, graph.integers(1, 2)], "mask_rows")
    absent = graph.node("Sub", [graph.number("one", 1.0), spread], "absent")
    lowest = graph.number("lowest", float(np.finfo(np.float32).min))
    return graph.node("Mul", [absent, lowest], "penalty")


def _encoder_layer(
    graph: _Graph, weights: Weights, config: Config, layer: int, hidden: str, penalty: str
) -> str:
    name, prefix = f"encoder.layer.{layer}", f"layer_{layer}"
    context = _attention(graph, weights, config, layer, hidden, penalty)
    dense = f"{name}.attention.output.dense"
    attended = graph.linear(context, weights, dense, f"{prefix}.attended")
    summed = graph.node("Add", [attended, hidden], f"{prefix}.attended_sum")
    middle = graph.layer_norm(
        summed,
        weights,
        f"{name}.attention.output.LayerNorm",
        config.epsilon,
        f"{prefix}.middle",
    )
    wide = graph.linear(middle, weights, f"{name}.intermediate.dense", f"{prefix}.wide")
    active = _gelu(graph, wide, prefix)
    narrow = graph.linear(active, weights, f"{name}.output.dense", f"{prefix}.narrow")
    total = graph.node("Add", [narrow, middle], f"{prefix}.sum")
    return graph.layer_norm(
        total, weights, f"{name}.output.LayerNorm", config.epsilon, f"hidden_{layer + 1}"
    )


def _attention(
    graph: _Graph, weights: Weights, config: Config, layer: int, hidden: str, penalty: str
) -> str:
    """softmax(Q K^T / sqrt(size) + penalty) V, all heads in one: [batch, sequence, hidden]."""
    prefix, size = f"layer_{layer}", config.hidden // config.heads
    orders = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
    heads = {}
    for role, order in orders.items():
        weight = f"encoder.layer.{layer}.attention.self.{role}"
        flat = graph.linear(hidden, weights, weight, f"{prefix}.{role}")
        shape = graph.integers(0, 0, config.heads, size)
        split = graph.node("Reshape", [flat, shape], f"{prefix}.{role}.split")
        heads[role] = graph.node("Transpose", [split], f"{prefix}.{role}.heads", perm=order)
    raw = graph.node("MatMul", [heads["query"], heads["key"]], f"{prefix}.raw_scores")
    factor = graph.number("score_factor", 1 / sqrt(size))
    scaled = graph.node("Mul", [raw, factor], f"{prefix}.scaled_scores")
    scores = graph.node("Add", [scaled, penalty], f"{prefix}.scores")
    attention = graph.node("Softmax", [scores], f"{prefix}.attention", axis=-1)
    mixed = graph.node("MatMul", [attention, heads["value"]], f"{prefix}.mixed")
    order = [0, 2, 1, 3]
    gathered = graph.node("Transpose", [mixed], f"{prefix}.gathered", perm=order)
    shape = graph.integers(0, 0, config.hidden)
    return graph.node("Reshape", [gathered, shape], f"{prefix}.context")


def _gelu(graph: _Graph, value: str, prefix: str) -> str:
    """x * (1 + erf(x / sqrt(2))) * 0.5."""
    factor = graph.number("root_half", 1 / sqrt(2))
    scaled = graph.node("Mul", [value, factor], f"{prefix}.gelu_scaled")
    error = graph.node("Erf", [scaled], f"{prefix}.gelu_erf")
    lifted = graph.node("Add", [error, graph.number("one", 1.0)], f"{prefix}.gelu_lifted")
    product = graph.node("Mul", [value, lifted], f"{prefix}.gelu_product")
    return graph.node("Mul", [product, graph.number("half", 0.5)], f"{prefix}.gelu")


def _mean_of_attended(graph: _Graph, hidden: str, mask: str) -> str:
    """The mean of the token vectors that the mask keeps: [batch, hidden]."""
    column = graph.node("Unsqueeze", [mask, graph.integers(2)], "mask_column")
    kept = graph.node("Mul", [hidden, column], "kept")
    axis = graph.integers(1)
    total = graph.node("ReduceSum", [kept, axis], "total", keepdims=0)
    count = graph.node("ReduceSum", [column, axis], "count", keepdims=0)
    some = graph.node("Max", [count, graph.number("least_count", 1e-9)], "some")
    return graph.node("Div", [total, some], "mean")


def _unit_length(graph: _Graph, value: str) -> str:
    square = graph.node("Mul", [value, value], "square")
    norm2 = graph.node("ReduceSum", [square, graph.integers(1)], "norm2", keepdims=1)
    norm = graph.node("Sqrt", [norm2], "norm")
    safe = graph.node("Max", [norm, graph.number("least_norm", 1e-12)], "safe_norm")
    return graph.node("Div", [value, safe], "embedding")
