"""TensorScatter: new rows written into a cache of fixed size."""

from __future__ import annotations

import numpy as np

from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Scattering
from aivm.numerics.dtypes import DType


@operator("TensorScatter", since=24)
def tensor_scatter(node: Node) -> Value:
    """Every element of the batch writes from a place of its own on.

    Past the end, a linear cache is a fault and a circular one begins again.
    """
    cache, update, build = node.input(0), node.input(1), node.build
    axis = normalised_axis(node.integer("axis", -2), cache.rank)
    _check_shapes(cache, update, axis)
    batch, size, count = cache.shape[0], cache.shape[axis], update.shape[axis]
    starts = node.optional(2) or build.constant(np.zeros(batch, np.int64))
    if starts.shape != (batch,):
        raise Malformed(f"write_indices have shape {starts.shape}, it must be {(batch,)}")
    circular = _is_circular(node)
    rows = []
    for row in range(batch):
        offsets = build.iota(DType.I64, (count,), 0)
        place = build.map(Function.ADD, cut(build, starts, 0, row, 1), offsets)
        extent = build.scalar(size, DType.I64)
        if circular:
            place = build.map(Function.MOD, place, extent)
        else:  # a negative place does not count from the end here
            negative = build.map(Function.LESS, place, build.scalar(0, DType.I64))
            place = build.map(Function.SELECT, negative, extent, place)
        kept, new = cut(build, cache, 0, row, 1), cut(build, update, 0, row, 1)
        rows.append(build.scatter(Scattering.REPLACE, kept, place, new, axis))
    return joined(build, rows, 0)


def _check_shapes(cache: Value, update: Value, axis: int) -> None:
    if axis == 0:
        raise Malformed("the axis of TensorScatter cannot be the batch")
    others = [
        (kept, new)
        for dimension, (kept, new) in enumerate(zip(cache.shape, update.shape, strict=False))
        if dimension != axis
    ]
    fits = update.rank == cache.rank and all(kept == new for kept, new in others)
    if not fits or not cache.shape[0] or update.shape[axis] > cache.shape[axis]:
        raise Malformed(
            f"updates of shape {update.shape} do not fit a cache of shape {cache.shape}"
        )


def _is_circular(node: Node) -> bool:
    mode = node.text("mode", "linear")
    if mode not in ("linear", "circular"):
        raise Malformed(f"mode {mode!r} is neither linear nor circular")
    return mode == "circular"
