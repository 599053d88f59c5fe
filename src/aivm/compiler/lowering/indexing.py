"""Reading elements at places that are themselves tensors."""

from __future__ import annotations

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


@operator("GatherElements", since=11)
def gather_elements(node: Node) -> Value:
    """Element by element: the place in the flattened data is computed, then gathered."""
    data, index, build = node.input(0), node.input(1), node.build
    axis = normalised_axis(node.integer("axis", 0), data.rank)
    smaller = (
        i <= d for a, (i, d) in enumerate(zip(index.shape, data.shape, strict=False)) if a != axis
    )
    if index.rank != data.rank or not all(smaller):
        raise Malformed(f"an index of shape {index.shape} does not fit data of shape {data.shape}")
    total = data.type.elements
    flat = _offset(build, index, data.shape[axis], prod(data.shape[axis + 1 :]), total)
    for dimension in range(data.rank):
        if dimension != axis:
            ramp = [1] * data.rank
            ramp[dimension] = index.shape[dimension]
            step = prod(data.shape[dimension + 1 :])
            flat = build.map(Function.ADD, flat, build.iota(DType.I64, ramp, dimension, step=step))
    return build.gather(build.reshape(data, (total,)), flat, 0)


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
    groups, rows = prod(data.shape[:batch]), prod(index.shape[batch:-1])
    total = groups * prod(named)
    flat = build.fill(checked_type(DType.I64, index.shape[:-1]), 0)
    for place, size in enumerate(named):
        column = build.reshape(cut(build, index, index.rank - 1, place, 1), index.shape[:-1])
        offset = _offset(build, column, size, prod(named[place + 1 :]), total)
        flat = build.map(Function.ADD, flat, offset)
    start = build.iota(DType.I64, (groups, 1), 0, step=prod(named))
    flat = build.map(Function.ADD, build.reshape(flat, (groups, rows)), start)
    table = build.reshape(data, (total, *rest))
    return build.reshape(build.gather(table, flat, 0), (*index.shape[:-1], *rest))
