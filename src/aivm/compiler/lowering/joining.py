"""Joining tensors, cutting pieces out of them, and padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.node import Node, normalised_axes, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value
from aivm.isa.instructions import MAX_OPERANDS


@operator("Concat", since=4)
def concat(node: Node) -> Value:
    values = node.operands()
    axis = normalised_axis(node.integer("axis"), values[0].rank)
    rests = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if len(rests) != 1 or any(value.rank != values[0].rank for value in values):
        raise Malformed(f"shapes {[value.shape for value in values]} do not join on axis {axis}")
    return joined(node.build, values, axis)


def joined(build: Builder, values: Sequence[Value], axis: int) -> Value:
    """Any number of values joined along an axis, in groups of as many as one instruction takes."""
    values = [value for value in values if value.shape[axis]] or [values[0]]
    while len(values) > 1:
        groups = [values[at : at + MAX_OPERANDS] for at in range(0, len(values), MAX_OPERANDS)]
        values = [build.concat(group, axis) if len(group) > 1 else group[0] for group in groups]
    return values[0]


def cut(
    build: Builder,
    value: Value,
    axis: int,
    start: int,
    length: int,
    step: int = 1,
    *,
    fill: int = 0,
) -> Value:
    """`length` places along an axis, from `start` on, `step` apart (negative: backwards).

    Places outside the axis are filled with the bit pattern `fill`.
    """
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    steps = [step if dimension == axis else 1 for dimension in range(value.rank)]
    origins = [start if dimension == axis else 0 for dimension in range(value.rank)]
    return build.move(
        value,
        shape,
        source=value.shape,
        axes=range(value.rank),
        steps=steps,
        origins=origins,
        fill=fill,
    )


@operator("Split", since=2)
def split(node: Node) -> list[Value | None]:
    """The sizes are an attribute before version 13, an operand since; equal parts without them."""
    value = node.input(0)
    axis = normalised_axis(node.integer("axis", 0), value.rank)
    sizes = node.known_integers(1) if node.optional(1) is not None else node.integers("split")
    total = value.shape[axis]
    if sizes is None:
        sizes = _equal_parts(total, len(node.wanted))
    if sum(sizes) != total or len(sizes) != len(node.wanted) or any(s < 0 for s in sizes):
        raise Malformed(f"{total} places cannot be split into {sizes}")
    starts = [0, *accumulate(sizes)]
    return [
        cut(node.build, value, axis, start, size) if wanted else None
        for start, size, wanted in zip(starts, sizes, node.wanted, strict=False)
    ]


def _equal_parts(total: int, count: int) -> list[int]:
    """Equal parts, of which the last may be smaller."""
    part = -(-total // count)
    return [min(part, max(0, total - part * place)) for place in range(count)]


@operator("Slice", since=1, until=10)
def slice_by_attributes(node: Node) -> Value:
    starts, ends = node.integers("starts"), node.integers("ends")
    if starts is None or ends is None:
        raise Malformed("Slice needs starts and ends")
    return _sliced(node, starts, ends, node.integers("axes"), None)


@operator("Slice", since=10)
def slice_by_operands(node: Node) -> Value:
    axes = node.known_integers(3) if node.optional(3) is not None else None
    steps = node.known_integers(4) if node.optional(4) is not None else None
    return _sliced(node, node.known_integers(1), node.known_integers(2), axes, steps)


def _sliced(
    node: Node,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> Value:
    value = node.input(0)
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Malformed("starts, ends, axes and steps of Slice do not belong together")
    shape, origins, walk = list(value.shape), [0] * value.rank, [1] * value.rank
    for axis, start, end, step in zip(
        normalised_axes(axes, value.rank), starts, ends, steps, strict=True
    ):
        places = range(*slice(start, end, step).indices(value.shape[axis]))
        shape[axis] = len(places)
        origins[axis], walk[axis] = (
            (places.start, step if len(places) > 1 else 1) if places else (0, 1)
        )
    return node.build.move(
        value,
        shape,
        source=value.shape,
        axes=range(value.rank),
        steps=walk,
        origins=origins,
    )


@operator("Pad", since=2)
def pad(node: Node) -> Value:
    """Amounts and fill are attributes before version 11, operands since; both may be negative."""
    value = node.input(0)
    amounts = node.known_integers(1) if node.version >= 11 else node.integers("pads")
    axes: Sequence[int] = range(value.rank)
    if node.optional(3) is not None:
        axes = normalised_axes(node.known_integers(3), value.rank)
    if amounts is None or len(amounts) != 2 * len(axes):
        raise Malformed(f"pads {amounts} do not fit a tensor of rank {value.rank}")
    before, after = [0] * value.rank, [0] * value.rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = amounts[place], amounts[place + len(axes)]
    mode = node.text("mode", "constant")
    if mode == "constant":
        return _pad_constant(node, value, before, after)
    for axis in range(value.rank):
        if before[axis] or after[axis]:
            value = _pad_from_itself(node.build, value, axis, before[axis], after[axis], mode)
    return value


def _pad_constant(node: Node, value: Value, before: list[int], after: list[int]) -> Value:
    shape = [
        size + first + last for size, first, last in zip(value.shape, before, after, strict=True)
    ]
    if any(size < 0 for size in shape):
        raise Malformed(f"pads {before}, {after} cut more than there is of shape {value.shape}")
    return node.build.move(
        value,
        shape,
        source=value.shape,
        axes=range(value.rank),
        origins=[-first for first in before],
        fill=_pad_bits(node, value),
    )


def _pad_bits(node: Node, value: Value) -> int:
    """The bit pattern of the fill value."""
    if node.version < 11:
        fill = node.build.scalar(node.number("value", 0.0), value.dtype)
    else:
        given = node.optional(2)
        fill = node.build.scalar(0, value.dtype) if given is None else given
    if fill.array is None:
        raise Unsupported(
            "the padding value depends on the model's inputs", change="Make it a constant."
        )
    if fill.dtype is not value.dtype or fill.type.elements != 1:
        raise Malformed("the padding value must be one element of the operand's type")
    return int.from_bytes(fill.array.tobytes(), "little")


def _pad_from_itself(
    build: Builder, value: Value, axis: int, before: int, after: int, mode: str
) -> Value:
    """reflect, edge and wrap: the padding is taken from the tensor, by a constant index."""
    size = value.shape[axis]
    check_table(before + size + after)
    if before + size + after < 0:
        raise Malformed(f"pads cut more than there is of shape {value.shape}")
    places = np.arange(-before, size + after, dtype=np.int64)
    if size == 0 and places.size:
        raise Malformed(f"an empty axis cannot be padded in mode {mode!r}")
    if mode == "edge":
        picked = np.clip(places, 0, size - 1)
    elif mode == "wrap":
        picked = places % size
    elif mode == "reflect":
        period = max(1, 2 * (size - 1))
        folded = places % period
        picked = np.minimum(folded, period - folded) if size > 1 else np.zeros_like(places)
    else:
        raise Malformed(f"there is no padding mode {mode!r}")
    return build.gather(value, build.constant(picked), axis)
