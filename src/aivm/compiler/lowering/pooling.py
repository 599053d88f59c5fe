"""Pooling: sliding windows, reduced over their taps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from math import prod

import numpy as np

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.indexing import elements_at
from aivm.compiler.lowering.reduction import lowest_or_highest, mean_over, over
from aivm.compiler.lowering.windows import Axis, read_axes, windows
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType


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
def max_pool(node: Node) -> Sequence[Value | None]:
    """The largest tap of every window, and where it is."""
    value = node.input(0)
    axes = read_axes(node, value, _kernel(node))
    lowest = lowest_or_highest(node.build, Reduction.MAX, value.dtype).array
    assert lowest is not None
    fill = int.from_bytes(lowest.tobytes(), "little")
    largest = _pooled(node.build, Reduction.MAX, value, axes, fill)
    if not node.wants(1):
        return [largest, None]
    return [largest, _places_of(node, value, axes, largest, fill)]


def _places_of(node: Node, value: Value, axes: Sequence[Axis], largest: Value, fill: int) -> Value:
    """The flat place of each window's first largest tap, in row-major or column-major order."""
    build, taps = node.build, prod(axis.kernel for axis in axes)
    planes, many = prod(value.shape[:2]), prod(axis.windows for axis in axes)
    split = (planes, taps, many)
    column_major = bool(node.integer("storage_order", 0))
    flat = windows(build, _flat_places(build, value.shape, column_major), axes, 2**64 - 1)
    flat = build.reshape(flat, split)
    seen = build.widened(build.reshape(windows(build, value, axes, fill), split))
    top = build.widened(build.reshape(largest, (planes, 1, many)))
    hit = build.map(Function.EQUAL, seen, top)
    if value.dtype.is_float:
        hit = build.map(Function.OR, hit, build.map(Function.IS_NAN, seen))
    inside = build.map(Function.LESS_EQUAL, build.scalar(0, DType.I64), flat)
    hit = build.cast(build.map(Function.AND, hit, inside), DType.U8)
    first = build.reduce(Reduction.ARG_MAX, hit, many, taps, (planes, 1, many))
    return build.reshape(elements_at(build, flat, first, 1), largest.shape)


def _flat_places(build: Builder, shape: Sequence[int], column_major: bool) -> Value:
    """The place of every element in the flattened tensor of `shape` [N, C, ...], as I64."""
    spatial = list(enumerate(shape))[2:]
    order = spatial if column_major else spatial[::-1]
    step, total = 1, build.scalar(0, DType.I64)
    for axis, size in [*order, (1, shape[1]), (0, shape[0])]:
        ramp = [1] * len(shape)
        ramp[axis] = size
        total = build.map(Function.ADD, total, build.iota(DType.I64, ramp, axis, step=step))
        step *= size
    return total


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
    """(sum |x|^p)^(1/p) of every window."""
    axes = read_axes(node, node.input(0), _kernel(node))
    return _power_mean(node, lambda value: _pooled(node.build, Reduction.SUM, value, axes, 0))


def _power_mean(node: Node, total: Callable[[Value], Value]) -> Value:
    value, build, power = node.build.widened(node.input(0)), node.build, node.integer("p", 2)
    if power < 1:
        raise Malformed(f"there is no norm with p = {power}")
    size = build.map(Function.ABS, value)
    if power > 3:
        grown = build.map(Function.POW, size, build.scalar(power, DType.F32))
    else:
        grown = reduce(partial(build.map, Function.MUL), [size] * power)
    summed = total(grown)
    if power == 2:
        summed = build.map(Function.SQRT, summed)
    elif power > 2:
        summed = build.map(Function.POW, summed, build.scalar(1 / power, DType.F32))
    return build.cast(summed, node.input(0).dtype)


@operator("GlobalLpPool", since=2)
def global_power_pool(node: Node) -> Value:
    axes = _spatial(node.input(0))
    return _power_mean(node, lambda value: over(node.build, Reduction.SUM, value, axes))


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
