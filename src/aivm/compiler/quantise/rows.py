"""Layers of 8-bit products: activations scaled row by row when the model runs, weights by channel.

For a row x (all but the last axis of a matrix product's left operand; a whole sample of a
convolution) and a channel of weights w = s q:

    scale   = max(max |x|, 2**-100) / 127       one number a row
    p       = round(x * (127 / max(max |x|, 2**-100)))       in -127..127, ties to even
    result  = float(sum p q) * scale * s        the sum exact in I32

A row's scale depends on that row alone. A NaN or infinity in a row makes its whole result NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto

from aivm.compiler.quantise.graph import GraphRewriter
from aivm.compiler.quantise.weights import Channels, Floats, by_channel

_LEAST = 2.0**-100
_LARGEST = 127.0


def matmul(graph: GraphRewriter, node: NodeProto, weights: Floats) -> Channels:
    """MatMul by constant weights (depth, columns)."""
    channels = by_channel(weights, 1)
    _product(graph, node.input[0], node.input[1], channels, channels.scales, node.output[0])
    return channels


def gemm(
    graph: GraphRewriter, node: NodeProto, weights: Floats, attributes: dict[str, Any]
) -> Channels:
    """alpha * A * B' + beta * C, with constant B."""
    dense = weights.T if attributes.get("transB", 0) else weights
    channels = by_channel(np.ascontiguousarray(dense), 1)
    scales = channels.scales * np.float32(attributes.get("alpha", 1.0))
    addend = node.input[2] if len(node.input) > 2 else ""
    output = "" if addend else node.output[0]
    product = _product(graph, node.input[0], node.input[1], channels, scales, output)
    if addend:
        beta = attributes.get("beta", 1.0)
        if beta != 1.0:
            addend = graph.node("Mul", [addend, graph.scalar(float(np.float32(beta)))])
        graph.node("Add", [product, addend], node.output[0])
    return channels


def convolution(
    graph: GraphRewriter, node: NodeProto, weights: Floats, attributes: dict[str, Any]
) -> Channels:
    """Conv of one group with constant weights (channels out, channels in, kernel...)."""
    channels = by_channel(weights, 0)
    spatial = [1] * (weights.ndim - 2)
    axes = list(range(1, weights.ndim))
    numbers, scale = _activations(graph, node.input[0], axes)
    packed = graph.constant(f"{node.input[1]}.int8", channels.numbers)
    sums = graph.node("ConvInteger", [numbers, packed], **attributes)
    shaped = channels.scales.reshape(1, -1, *spatial)
    bias = node.input[2] if len(node.input) > 2 else ""
    result = _rescaled(graph, sums, scale, shaped, "" if bias else node.output[0])
    if bias:
        shape = graph.integers([1, weights.shape[0], *spatial])
        graph.node("Add", [result, graph.node("Reshape", [bias, shape])], node.output[0])
    return channels


def _product(
    graph: GraphRewriter, x: str, name: str, channels: Channels, scales: Floats, output: str
) -> str:
    numbers, scale = _activations(graph, x, [-1])
    packed = graph.constant(f"{name}.int8", channels.numbers)
    sums = graph.node("MatMulInteger", [numbers, packed])
    return _rescaled(graph, sums, scale, scales, output)


def _activations(graph: GraphRewriter, x: str, axes: list[int]) -> tuple[str, str]:
    """(numbers in I8, scale) of x, with one scale for what `axes` span."""
    size = graph.node("Abs", [x])
    if graph.opset >= 18:
        largest = graph.node("ReduceMax", [size, graph.integers(axes)], keepdims=1)
    else:
        largest = graph.node("ReduceMax", [size], axes=axes, keepdims=1)
    largest = graph.node("Max", [largest, graph.scalar(_LEAST)])
    steps = graph.scalar(_LARGEST)
    spread = graph.node("Mul", [x, graph.node("Div", [steps, largest])])
    numbers = graph.node("Cast", [graph.node("Round", [spread])], to=TensorProto.INT8)
    return numbers, graph.node("Div", [largest, steps])


def _rescaled(graph: GraphRewriter, sums: str, scale: str, scales: Floats, output: str) -> str:
    wide = graph.node("Cast", [sums], to=TensorProto.FLOAT)
    by_row = graph.node("Mul", [wide, scale])
    return graph.node("Mul", [by_row, graph.constant(f"{sums}.scales", scales)], output)
