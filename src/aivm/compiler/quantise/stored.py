"""Weights that are stored small and widened when the model is loaded; all products stay f32.

For language models, whose weights are most of what is downloaded. A weight is scale * q in
binary32, rounded once, and then takes part in the same chain of operations as before.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from aivm.compiler.quantise.graph import GraphRewriter
from aivm.compiler.quantise.weights import GROUP, Floats, by_channel, by_group

_OFFSET = 8.0


def widened_channels(graph: GraphRewriter, name: str, weights: Floats, axis: int) -> str:
    """The weights again as f32, from 8 bits each and a scale for each index of `axis`."""
    channels = by_channel(weights, axis)
    numbers = graph.constant(f"{name}.int8", channels.numbers)
    shape = [-1 if other == axis else 1 for other in range(weights.ndim)]
    scales = graph.constant(f"{name}.scales", channels.scales.reshape(shape))
    wide = graph.node("Cast", [numbers], to=TensorProto.FLOAT)
    return graph.node("Mul", [wide, scales])


def widened_groups(graph: GraphRewriter, name: str, weights: Floats) -> str:
    """The weights (depth, columns) again as f32, from 4 bits each and a scale for GROUP rows."""
    groups = by_group(weights)
    depth, columns = weights.shape
    pairs = graph.constant(f"{name}.int4", groups.pairs.reshape(depth // 2, 1, columns))
    half = graph.constant(f"{name}.half", np.array(16, np.uint8))
    bits = graph.constant(f"{name}.bits", np.array(4, np.uint8))
    even = graph.node("Mod", [pairs, half])
    odd = graph.node("BitShift", [pairs, bits], direction="RIGHT")
    rows = graph.node("Concat", [even, odd], axis=1)
    grouped = graph.integers([depth // GROUP, GROUP, columns])
    wide = graph.node("Cast", [graph.node("Reshape", [rows, grouped])], to=TensorProto.FLOAT)
    centred = graph.node("Sub", [wide, graph.scalar(_OFFSET)])
    scaled = graph.node("Mul", [centred, graph.constant(f"{name}.scales", groups.scales)])
    return graph.node("Reshape", [scaled, graph.integers([depth, columns])])


def gathered(graph: GraphRewriter, table: str, weights: Floats, index: str, output: str) -> None:
    """Rows of a table (rows, width) of 8-bit weights with a scale a row: only those are widened."""
    channels = by_channel(weights, 0)
    numbers = graph.constant(f"{table}.int8", channels.numbers)
    scales = graph.constant(f"{table}.scales", channels.scales.reshape(-1, 1))
    rows = graph.node("Gather", [numbers, index], axis=0)
    wide = graph.node("Cast", [rows], to=TensorProto.FLOAT)
    graph.node("Mul", [wide, graph.node("Gather", [scales, index], axis=0)], output)
