"""Writing elements at places that are themselves tensors."""

from __future__ import annotations

from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.indexing import element_places, row_places
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Scattering
from aivm.isa.signatures import STORAGE

_REDUCTIONS = {
    "none": Scattering.REPLACE,
    "add": Scattering.ADD,
    "mul": Scattering.MUL,
    "max": Scattering.MAX,
    "min": Scattering.MIN,
}


def _reduction(node: Node) -> Scattering:
    name = node.text("reduction", "none")
    if name not in _REDUCTIONS:
        raise Malformed(f"there is no reduction {name!r}")
    return _REDUCTIONS[name]


def scattered(
    build: Builder, function: Scattering, data: Value, index: Value, updates: Value
) -> Value:
    """`data` with rows of `updates` worked in along axis 0; F16 and BF16 compute in F32."""
    if function is not Scattering.REPLACE and data.dtype in STORAGE:
        wide = build.scatter(function, build.widened(data), index, build.widened(updates), 0)
        return build.cast(wide, data.dtype)
    return build.scatter(function, data, index, updates, 0)


def put_elements(
    build: Builder, function: Scattering, data: Value, index: Value, updates: Value, axis: int
) -> Value:
    """Every element of `updates` goes to its own coordinates, on `axis` to what the index says."""
    if index.shape != updates.shape:
        raise Malformed(f"updates of shape {updates.shape} do not fit an index {index.shape}")
    places = element_places(build, data.shape, index, axis)
    flat = build.reshape(data, (data.type.elements,))
    return build.reshape(scattered(build, function, flat, places, updates), data.shape)


@operator("Scatter", since=9)
@operator("ScatterElements", since=11)
def scatter_elements(node: Node) -> Value:
    data = node.input(0)
    axis = normalised_axis(node.integer("axis", 0), data.rank)
    function = _reduction(node)
    return put_elements(node.build, function, data, node.input(1), node.input(2), axis)


@operator("ScatterND", since=11)
def scatter_nd(node: Node) -> Value:
    """Each row of the index names a place in the leading axes, where an update is worked in."""
    data, index, updates, build = node.input(0), node.input(1), node.input(2), node.build
    if not index.rank or index.shape[-1] > data.rank:
        raise Malformed(f"an index of shape {index.shape} does not fit data of shape {data.shape}")
    depth = index.shape[-1]
    named, rest = data.shape[:depth], data.shape[depth:]
    if updates.shape != (*index.shape[:-1], *rest):
        raise Malformed(
            f"updates of shape {updates.shape} do not fit data {data.shape}, index {index.shape}"
        )
    places = row_places(build, named, index)
    table = build.reshape(data, (prod(named), *rest))
    return build.reshape(scattered(build, _reduction(node), table, places, updates), data.shape)
