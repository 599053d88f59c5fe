"""Which layers of a model are quantised, and how."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from aivm.compiler.functions import domain_of
from aivm.compiler.load import Model, in_one_piece, load_model, opsets_of
from aivm.compiler.quantise import rows, stored
from aivm.compiler.quantise.graph import GraphRewriter
from aivm.compiler.quantise.weights import GROUP, Floats
from aivm.errors import UnsupportedModel

MIN_WEIGHTS = 1024  # fewer are not worth their scales
MIN_OPSET = 11  # Round


class Scheme(StrEnum):
    """`int8`: 8-bit products. `weights8`, `weights4`: f32 products, weights stored small."""

    INT8 = "int8"
    WEIGHTS8 = "weights8"
    WEIGHTS4 = "weights4"


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that was quantised: its constant weights' shape, and how many bits each now has."""

    node: str
    operator: str
    shape: tuple[int, ...]
    bits: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A node with constant weights that stays as it is, and why."""

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class QuantisedModel:
    """The new model, and what became of every layer with weights."""

    proto: ModelProto
    scheme: Scheme
    layers: tuple[Layer, ...]
    kept: tuple[Kept, ...]


def quantise(model: Model, scheme: Scheme, *, keep: Collection[str] = ()) -> QuantisedModel:
    """The model with its MatMul, Gemm, Conv and Gather weights quantised; same inputs and outputs.

    `keep` names nodes (or their first outputs) to leave as they are. Layers inside subgraphs and
    functions stay too. Raises UnsupportedModel where the model has no layer to quantise, is older
    than opset 11, or has no node that `keep` names.
    """
    source = in_one_piece(load_model(model))
    proto = ModelProto()
    proto.CopyFrom(source)
    opset = opsets_of(source)[""]
    if opset < MIN_OPSET:
        raise UnsupportedModel(
            f"models of opset {opset} cannot be quantised",
            hint=f"Convert it to opset {MIN_OPSET} or later (onnx.version_converter).",
        )
    _check_names(proto, keep)
    work = _Quantiser(GraphRewriter(proto.graph, opset), scheme, keep)
    for node in source.graph.node:
        work.add(node)
    work.graph.finish()
    del proto.graph.value_info[:]
    if not work.layers:
        raise UnsupportedModel(
            f"the model has no layer to quantise to {scheme}",
            hint=f"Wanted: MatMul, Gemm, Conv or Gather with {MIN_WEIGHTS} or more f32 weights.",
        )
    return QuantisedModel(proto, scheme, tuple(work.layers), tuple(work.kept))


def _check_names(proto: ModelProto, keep: Collection[str]) -> None:
    known = {name for node in proto.graph.node for name in _names_of(node)}
    for name in sorted(set(keep) - known):
        raise UnsupportedModel(f"the model has no node {name!r} to keep")


def _names_of(node: NodeProto) -> tuple[str, ...]:
    return tuple(name for name in (node.name, *node.output[:1]) if name)


class _Quantiser:
    def __init__(self, graph: GraphRewriter, scheme: Scheme, keep: Collection[str]) -> None:
        self.graph = graph
        self.scheme = scheme
        self.keep = frozenset(keep)
        self.layers: list[Layer] = []
        self.kept: list[Kept] = []

    def add(self, node: NodeProto) -> None:
        """Puts the quantised form of a node into the graph, or the node itself."""
        weights = self._weights(node)
        if weights is None:
            self.graph.keep(node)
            return
        reason = self._reason_to_keep(node, weights)
        name = _names_of(node)[0]
        if reason:
            self.kept.append(Kept(name, node.op_type, reason))
            self.graph.keep(node)
            return
        bits = self._quantise(node, weights)
        self.layers.append(Layer(name, node.op_type, weights.shape, bits))

    def _weights(self, node: NodeProto) -> Floats | None:
        """The constant weights of a layer that could be quantised at all."""
        place = _WEIGHTS.get(node.op_type)
        if place is None or domain_of(node.domain):
            return None
        return self.graph.floats(node.input[place])

    def _reason_to_keep(self, node: NodeProto, weights: Floats) -> str:
        attributes = _attributes(node)
        if self.keep.intersection(_names_of(node)):
            return "asked for"
        if weights.size < MIN_WEIGHTS:
            return f"only {weights.size} weights"
        if node.op_type != "Conv" and weights.ndim != 2:
            return f"weights of rank {weights.ndim}"
        if node.op_type == "Gather" and attributes.get("axis", 0):
            return "gathers along another axis than the first"
        if self.scheme is not Scheme.INT8:
            return ""
        if attributes.get("transA", 0):
            return "its rows are columns (transA)"
        if attributes.get("group", 1) != 1:
            return "a convolution of several groups"
        return ""

    def _quantise(self, node: NodeProto, weights: Floats) -> int:
        """Bits of a weight now."""
        graph, attributes = self.graph, _attributes(node)
        if node.op_type == "Gather":
            stored.gathered(graph, node.input[0], weights, node.input[1], node.output[0])
            return 8
        if self.scheme is not Scheme.INT8:
            return self._store(node, weights, attributes)
        if node.op_type == "MatMul":
            rows.matmul(graph, node, weights)
        elif node.op_type == "Gemm":
            rows.gemm(graph, node, weights, attributes)
        else:
            rows.convolution(graph, node, weights, attributes)
        return 8

    def _store(self, node: NodeProto, weights: Floats, attributes: dict[str, Any]) -> int:
        """The node as it was, with weights that are widened at load."""
        name, bits = node.input[1], 8
        transposed = bool(attributes.get("transB", 0))
        if self.scheme is Scheme.WEIGHTS4 and node.op_type != "Conv":
            dense = np.ascontiguousarray(weights.T) if transposed else weights
            bits = 4 if dense.shape[0] % GROUP == 0 else 8
        if bits == 4:
            wide = stored.widened_groups(self.graph, name, dense)
            if transposed:
                wide = self.graph.node("Transpose", [wide], perm=[1, 0])
        else:
            out = 0 if node.op_type == "Conv" or transposed else 1
            wide = stored.widened_channels(self.graph, name, weights, out)
        changed = NodeProto()
        changed.CopyFrom(node)
        changed.input[1] = wide
        self.graph.keep(changed)
        return bits


# Where the weights stand among the inputs of a layer.
_WEIGHTS = {"MatMul": 1, "Gemm": 1, "Conv": 1, "Gather": 0}


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
