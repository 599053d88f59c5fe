"""Pooling: sliding windows, reduced over their taps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.reduction import lowest_or_highest, mean_over, over
from aivm.compiler.lowering.windows import Axis, read_axes, windows
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction


def _kernel(node: Node) -> list[int]:
    kernel = node.integers("kernel_shape")
    if kernel is None:
        raise Malformed("kernel_shape is missing")
    return kernel


def _pooled(
    build: Builder, function: Reduction, value: Value, axes: Sequence[Axis], fill: int
) -> Value:
    taps = windows(build, value, axes, fill)
    shape = (*value.shape[:2], *(axis.windows for axis in axes))
    length = prod(axis.kernel for axis in axes)
    return build.reduce(function, taps, prod(shape[2:]), length, shape)


@operator("MaxPool", since=1)
def max_pool(node: Node) -> Value:
    if node.wants(1):
        raise Unsupported("the indices of MaxPool cannot be computed")
    value = node.input(0)
    axes = read_axes(node, value, _kernel(node))
    lowest = lowest_or_highest(node.build, Reduction.MAX, value.dtype).array
    assert lowest is not None
    fill = int.from_bytes(lowest.tobytes(), "little")
    return _pooled(node.build, Reduction.MAX, value, axes, fill)


@operator("AveragePool", since=7)
def average_pool(node: Node) -> Value:
    """The sum of the taps divided by how many count."""
    value, build = node.input(0), node.build
    axes = read_axes(node, value, _kernel(node))
    total = _pooled(build, Reduction.SUM, value, axes, 0)
    divisor = _divisor(axes, padding=bool(node.integer("count_include_pad", 0)))
    return build.map(Function.DIV, total, build.cast(build.constant(divisor), value.dtype))


def _divisor(axes: Sequence[Axis], *, padding: bool) -> Array:
    """For each window place the number of taps that count; a scalar where all are equal."""
    counts = [axis.counts(padding=padding) for axis in axes]
    if all(len(set(line)) == 1 for line in counts):
        return np.array(prod(line[0] for line in counts), dtype=np.float32)
    check_table(prod(len(line) for line in counts))
    table: Array = np.ones((), dtype=np.int64)
    for line in counts:
        table = np.multiply(table[..., None], np.array(line, dtype=np.int64))
    return table.astype(np.float32)


@operator("LpPool", since=2)
def power_pool(node: Node) -> Value:
    """(sum |x|^p)^(1/p) for p of 1 and 2."""
    value, build = node.input(0), node.build
    power = node.integer("p", 2)
    if power not in (1, 2):
        raise Unsupported(f"LpPool with p = {power}; 1 and 2 can be compiled")
    axes = read_axes(node, value, _kernel(node))
    if power == 1:
        return _pooled(build, Reduction.SUM, build.map(Function.ABS, value), axes, 0)
    squares = build.map(Function.MUL, value, value)
    return build.map(Function.SQRT, _pooled(build, Reduction.SUM, squares, axes, 0))


def _spatial(value: Value) -> range:
    if value.rank < 3:
        raise Malformed(f"an operand of shape {value.shape} has no spatial axes")
    return range(2, value.rank)


@operator("GlobalAveragePool", since=1)
def global_average_pool(node: Node) -> Value:
    value = node.input(0)
    return mean_over(node.build, value, _spatial(value))


@operator("GlobalMaxPool", since=1)
def global_max_pool(node: Node) -> Value:
    value = node.input(0)
    return over(node.build, Reduction.MAX, value, _spatial(value))
