"""What undoes windows and pools: columns back to images, largest elements back to their places."""

from __future__ import annotations

from math import prod

import numpy as np

from aivm.compiler.lowering.joining import cut
from aivm.compiler.lowering.scattering import scattered
from aivm.compiler.lowering.windows import per_axis
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table, checked_type
from aivm.compiler.values import Value
from aivm.isa.opcodes import Scattering


@operator("Col2Im", since=18)
def columns_to_image(node: Node) -> Value:
    """[N, C * block, windows] to [N, C, image]: every place is the sum of the taps that fall there.

    Where each tap falls is known now; one more place at the end takes what falls outside.
    """
    value, build = node.input(0), node.build
    image, block = node.known_integers(1), node.known_integers(2)
    count, taps = len(image), prod(block)
    if value.rank != 3 or len(block) != count or not taps or value.shape[1] % taps:
        raise Malformed(f"columns of shape {value.shape} do not fit blocks {block} of {image}")
    strides, dilations = (per_axis(node, name, count, 1) for name in ("strides", "dilations"))
    pads = node.integers("pads") or [0] * (2 * count)
    if len(pads) != 2 * count:
        raise Malformed(f"pads {pads} do not fit {count} spatial axes")
    windows = [
        (size + pads[axis] + pads[axis + count] - dilations[axis] * (block[axis] - 1) - 1)
        // strides[axis]
        + 1
        for axis, size in enumerate(image)
    ]
    if value.shape[2] != prod(windows) or any(number < 1 for number in windows):
        raise Malformed(f"{value.shape[2]} columns do not fit windows {windows}")
    check_table(taps * prod(windows))
    flat = np.zeros((), np.int64)
    inside = np.ones((), bool)
    for axis, size in enumerate(image):
        taps_here = np.arange(block[axis]) * dilations[axis] - pads[axis]
        places = np.arange(windows[axis]) * strides[axis]
        at = taps_here.reshape(_along(axis, 2 * count)) + places.reshape(
            _along(count + axis, 2 * count)
        )
        inside = inside & (at >= 0) & (at < size)
        flat = flat * size + at
    total = prod(image)
    index = build.constant(np.where(inside, flat, total).astype(np.int64).reshape(-1))
    batch, channels = value.shape[0], value.shape[1] // taps
    planes = batch * channels
    rows = build.transpose(build.reshape(value, (planes, index.type.elements)), (1, 0))
    blank = build.fill(checked_type(value.dtype, (total + 1, planes)), 0)
    summed = scattered(build, Scattering.ADD, blank, index, rows)
    whole = build.transpose(cut(build, summed, 0, 0, total), (1, 0))
    return build.reshape(whole, (batch, channels, *image))


def _along(axis: int, rank: int) -> list[int]:
    """The shape of a vector that lies along one of `rank` axes."""
    return [-1 if place == axis else 1 for place in range(rank)]


@operator("MaxUnpool", since=9)
def max_unpool(node: Node) -> Value:
    """Every element at the place that MaxPool gave for it, zeros elsewhere."""
    value, index, build = node.input(0), node.input(1), node.build
    kernel = node.integers("kernel_shape")
    count = value.rank - 2
    if kernel is None or len(kernel) != count or index.shape != value.shape:
        raise Malformed(f"shapes {value.shape}, {index.shape} do not fit a kernel of {kernel}")
    strides = per_axis(node, "strides", count, 1)
    pads = node.integers("pads") or [0] * (2 * count)
    if len(pads) != 2 * count:
        raise Malformed(f"pads {pads} do not fit {count} spatial axes")
    image = [
        (size - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[axis + count]
        for axis, size in enumerate(value.shape[2:])
    ]
    shape = (*value.shape[:2], *image)
    wanted = tuple(node.known_integers(2)) if node.optional(2) is not None else shape
    if len(wanted) != value.rank or any(size < 0 for size in (*shape, *wanted)):
        raise Malformed(f"the result cannot have shape {wanted}")
    elements = value.type.elements
    blank = build.fill(checked_type(value.dtype, (prod(shape),)), 0)
    rows, places = (build.reshape(entry, (elements,)) for entry in (value, index))
    spread = scattered(build, Scattering.REPLACE, blank, places, rows)
    axes = range(value.rank)
    return build.move(build.reshape(spread, shape), wanted, source=shape, axes=axes)
