"""Reading elements at places that are themselves tensors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import checked_type
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType


@operator("Gather", since=1)
def gather(node: Node) -> Value:
    data, index = node.input(0), node.input(1)
    axis = normalised_axis(node.integer("axis", 0), data.rank)
    place = _single_place(index, data.shape[axis])
    if place is None:
        return node.build.gather(data, index, axis)
    shape = (*data.shape[:axis], *index.shape, *data.shape[axis + 1 :])
    return node.build.reshape(cut(node.build, data, axis, place, 1), shape)


def _single_place(index: Value, size: int) -> int | None:
    """The one place that a known index names: then reading it is a slice."""
    if index.array is None or index.array.size != 1:
        return None
    place = int(index.array.reshape(-1)[0])
    return place % size if -size <= place < size else None


def _offset(build: Builder, index: Value, size: int, step: int, total: int) -> Value:
    """How far an index on an axis of `size` reaches in a flat tensor of `total` elements.

    A negative index counts from the end. One outside the axis becomes an offset that stays outside
    the tensor, whatever the offsets on the other axes are: the gather that follows finds it.
    """
    whole, extent = build.cast(index, DType.I64), build.scalar(size, DType.I64)
    zero, nowhere = build.scalar(0, DType.I64), build.scalar(-2 * total - 1, DType.I64)
    negative = build.map(Function.LESS, whole, zero)
    place = build.map(Function.SELECT, negative, build.map(Function.ADD, whole, extent), whole)
    inside = build.map(
        Function.AND,
        build.map(Function.LESS_EQUAL, zero, place),
        build.map(Function.LESS, place, extent),
    )
    offset = build.map(Function.MUL, place, build.scalar(step, DType.I64))
    return build.map(Function.SELECT, inside, offset, nowhere)


def element_places(build: Builder, shape: Sequence[int], index: Value, axis: int) -> Value:
    """For each element of the index, its place in a flat tensor of `shape`, of which the index has
    the rank: its own coordinates, but on `axis` what the index says."""
    smaller = (
        i <= d for a, (i, d) in enumerate(zip(index.shape, shape, strict=False)) if a != axis
    )
    if index.rank != len(shape) or not all(smaller):
        raise Malformed(f"an index of shape {index.shape} does not fit data of shape {shape}")
    flat = _offset(build, index, shape[axis], prod(shape[axis + 1 :]), prod(shape))
    for dimension in range(len(shape)):
        if dimension != axis:
            ramp = [1] * len(shape)
            ramp[dimension] = index.shape[dimension]
            step = prod(shape[dimension + 1 :])
            flat = build.map(Function.ADD, flat, build.iota(DType.I64, ramp, dimension, step=step))
    return flat


def elements_at(build: Builder, data: Value, index: Value, axis: int) -> Value:
    """Element by element: the place in the flattened data is computed, then gathered."""
    flat = element_places(build, data.shape, index, axis)
    return build.gather(build.reshape(data, (data.type.elements,)), flat, 0)


@operator("GatherElements", since=11)
def gather_elements(node: Node) -> Value:
    data, index = node.input(0), node.input(1)
    axis = normalised_axis(node.integer("axis", 0), data.rank)
    return elements_at(node.build, data, index, axis)


def row_places(build: Builder, named: Sequence[int], index: Value, groups: int = 1) -> Value:
    """For each row of the index [..., depth], its place among the rows of data [named..., rest].

    With `groups`, the leading dimensions of the index make that many groups, each of which names
    places in its own part of the data. Shape: that of the index without the last dimension.
    """
    total = groups * prod(named)
    shape = index.shape[:-1]
    flat = build.fill(checked_type(DType.I64, shape), 0)
    for place, size in enumerate(named):
        column = build.reshape(cut(build, index, index.rank - 1, place, 1), shape)
        offset = _offset(build, column, size, prod(named[place + 1 :]), total)
        flat = build.map(Function.ADD, flat, offset)
    if groups == 1:
        return flat
    start = build.iota(DType.I64, (groups, 1), 0, step=prod(named))
    rows = build.reshape(flat, (groups, prod(shape) // groups))
    return build.reshape(build.map(Function.ADD, rows, start), shape)


@operator("GatherND", since=11)
def gather_nd(node: Node) -> Value:
    """Each row of the index names a place in the leading axes (after `batch_dims` common ones)."""
    data, index, build = node.input(0), node.input(1), node.build
    batch = node.integer("batch_dims", 0)
    if not 0 <= batch < min(data.rank, index.rank) or data.shape[:batch] != index.shape[:batch]:
        raise Malformed(f"batch_dims {batch} do not fit shapes {data.shape} and {index.shape}")
    depth = index.shape[-1]
    if depth > data.rank - batch:
        raise Malformed(f"an index of {depth} places does not fit data of shape {data.shape}")
    named, rest = data.shape[batch : batch + depth], data.shape[batch + depth :]
    groups = prod(data.shape[:batch])
    flat = row_places(build, named, index, max(1, groups))
    table = build.reshape(data, (groups * prod(named), *rest))
    return build.gather(table, flat, 0)


@operator("ReverseSequence", since=10)
def reverse_sequence(node: Node) -> Value:
    """The first places of every row of the batch in reverse order, as many as its length says."""
    value, lengths, build = node.input(0), node.input(1), node.build
    time, batch = node.integer("time_axis", 0), node.integer("batch_axis", 1)
    if {time, batch} != {0, 1} or value.rank < 2 or lengths.shape != (value.shape[batch],):
        raise Malformed(f"lengths of shape {lengths.shape} do not fit shape {value.shape}")
    order = (batch, time, *range(2, value.rank))
    rows = build.transpose(value, order)
    count, size = rows.shape[:2]
    ends = build.reshape(build.cast(lengths, DType.I64), (count, 1))
    place = build.iota(DType.I64, (1, size), 1)
    last = build.map(Function.SUB, ends, build.scalar(1, DType.I64))
    turned = build.map(Function.SUB, last, place)
    inside = build.map(Function.LESS, place, ends)
    chosen = build.map(Function.SELECT, inside, turned, place)
    flat = build.map(Function.ADD, chosen, build.iota(DType.I64, (count, 1), 0, step=size))
    table = build.reshape(rows, (count * size, *rows.shape[2:]))
    return build.transpose(build.gather(table, flat, 0), order)
