"""Sorting, and results whose length depends on elements (which must be known then)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.indexing import elements_at
from aivm.compiler.lowering.joining import cut
from aivm.compiler.lowering.scattering import put_elements
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import checked_type
from aivm.compiler.values import Value
from aivm.isa.opcodes import Scattering
from aivm.numerics.dtypes import DType


def sorting_order(build: Builder, value: Value, axis: int, *, descending: bool) -> Value:
    """Along the axis, the place of the smallest (or greatest) element, of the next one, ...; I64.

    Equal elements keep their order.
    """
    rank = build.rank(value, axis, descending=descending)
    blank = build.fill(checked_type(DType.I64, value.shape), 0)
    ramp = [1] * value.rank
    ramp[axis] = value.shape[axis]
    places = build.broadcast(build.iota(DType.I64, ramp, axis), value.shape)
    return put_elements(build, Scattering.REPLACE, blank, rank, places, axis)


@operator("TopK", since=1)
def top_k(node: Node) -> Sequence[Value]:
    """The k largest (or smallest) elements in order, and their places."""
    value, build = node.input(0), node.build
    axis = normalised_axis(node.integer("axis", -1), value.rank)
    if node.version < 10:
        count = node.integer("k")
    else:
        count = node.known_integer(1)
    if not 0 <= count <= value.shape[axis]:
        raise Malformed(f"there are no {count} elements on axis {axis} of shape {value.shape}")
    order = sorting_order(build, value, axis, descending=bool(node.integer("largest", 1)))
    chosen = cut(build, order, axis, 0, count)
    return [elements_at(build, value, chosen, axis), chosen]


@operator("NonZero", since=9)
def non_zero(node: Node) -> Value:
    """The coordinates of elements that are not zero, one column each."""
    elements = node.known_numbers(0)
    found = np.nonzero(np.atleast_1d(elements))
    table = np.stack(found)[: elements.ndim]
    return node.build.constant(table.astype(np.int64))


@operator("Compress", since=9)
def compress(node: Node) -> Value:
    """The slices along an axis (or elements of the flattened tensor) that a condition names."""
    value, condition, build = node.input(0), node.known(1), node.build
    if condition.dtype != np.bool_ or condition.ndim != 1:
        raise Malformed("the condition must be a vector of BOOL")
    if "axis" in node.attributes:
        axis = normalised_axis(node.integer("axis"), value.rank)
    else:
        value, axis = build.reshape(value, (value.type.elements,)), 0
    places = np.flatnonzero(condition).astype(np.int64)
    if places.size and places[-1] >= value.shape[axis]:
        raise Malformed(f"the condition is longer than axis {axis} of shape {value.shape}")
    return build.gather(value, build.constant(places), axis)


@operator("Unique", since=11)
def unique(node: Node) -> Sequence[Value]:
    """Different elements (or slices), where each is first, which one each is, how often it is."""
    value, build = node.input(0), node.build
    elements = node.known_numbers(0)
    axis: int | None = None
    if "axis" in node.attributes:
        axis = normalised_axis(node.integer("axis"), value.rank)
    _, first, inverse, counts = np.unique(
        elements, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not node.integer("sorted", 1):
        order = np.argsort(first, kind="stable")
        inverse, first, counts = np.argsort(order)[inverse], first[order], counts[order]
    source = value if axis is not None else build.reshape(value, (value.type.elements,))
    numbers = (array.astype(np.int64) for array in (first, inverse, counts))
    first_place, which, how_often = (build.constant(array) for array in numbers)
    return [build.gather(source, first_place, axis or 0), first_place, which, how_often]
