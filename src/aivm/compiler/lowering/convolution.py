"""Convolution: sliding windows laid out as matrices, times the weights.

The operands of the product are weights [group, M, K] and windows [N, group, K, P], where
K runs over (channel, kernel axes...) and P over the window places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.linear import Product, matrix_product
from aivm.compiler.lowering.windows import Axis, per_axis, read_axes, windows
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function


@operator("Conv", since=1)
def conv(node: Node) -> Value:
    """x [N, C, ...], weights [M, C / group, kernel...], bias [M] -> [N, M, ...]."""
    return convolution(node, node.input(0), node.input(1), node.optional(2), matrix_product)


def convolution(
    node: Node, value: Value, weights: Value, bias: Value | None, multiply: Product, fill: int = 0
) -> Value:
    """The convolution that a node's attributes describe; `fill` lies around the image."""
    groups = _groups(node, value, weights)
    if weights.shape[0] % groups or weights.shape[1] * groups != value.shape[1]:
        raise Malformed(f"weights {weights.shape} in {groups} groups do not fit {value.shape}")
    _check_kernel(node, weights)
    axes = read_axes(node, value, weights.shape[2:])
    taps = value if all(axis.is_whole for axis in axes) else windows(node.build, value, axes, fill)
    return _summed(node.build, taps, weights, bias, _Layout(value.shape[0], groups, axes), multiply)


@operator("ConvTranspose", since=1)
def conv_transpose(node: Node) -> Value:
    """A convolution with stride 1 of the image with zeros between its pixels.

    x [N, C, ...], weights [C, M / group, kernel...]; the kernel is turned around.
    """
    value, weights, build = node.input(0), node.input(1), node.build
    groups = _groups(node, value, weights)
    if weights.shape[0] != value.shape[1] or value.shape[1] % groups:
        raise Malformed(f"weights {weights.shape} in {groups} groups do not fit {value.shape}")
    _check_kernel(node, weights)
    kernel = weights.shape[2:]
    strides = per_axis(node, "strides", len(kernel), 1)
    axes = _transposed_axes(node, value, kernel, strides)
    turned = _turned(build, weights, groups)
    taps = windows(build, _spread(build, value, strides), axes)
    layout = _Layout(value.shape[0], groups, axes)
    return _summed(build, taps, turned, node.optional(2), layout, matrix_product)


def _groups(node: Node, value: Value, weights: Value) -> int:
    groups = node.integer("group", 1)
    if groups < 1 or value.rank < 3 or weights.rank != value.rank:
        raise Malformed(f"weights {weights.shape} do not fit an operand {value.shape}")
    return groups


def _check_kernel(node: Node, weights: Value) -> None:
    kernel = node.integers("kernel_shape")
    if kernel is not None and tuple(kernel) != weights.shape[2:]:
        raise Malformed(f"kernel_shape {kernel} is not that of weights {weights.shape}")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the product of a convolution is cut: images, groups of channels, window places."""

    batch: int
    groups: int
    axes: Sequence[Axis]

    @property
    def split(self) -> tuple[int, ...]:
        return (self.groups,) if self.groups > 1 else ()


def _summed(
    build: Builder,
    taps: Value,
    weights: Value,
    bias: Value | None,
    layout: _Layout,
    multiply: Product,
) -> Value:
    """The product of weights [M, C / group, kernel...] and windows, plus the bias."""
    filters, depth = weights.shape[0], prod(weights.shape[1:])
    rows_each = filters // layout.groups
    spatial = tuple(axis.windows for axis in layout.axes)
    columns = build.reshape(taps, (layout.batch, *layout.split, depth, prod(spatial)))
    rows = build.reshape(weights, (*layout.split, rows_each, depth))
    result = multiply(build, rows, columns)
    if bias is not None:
        column = build.reshape(bias, (*layout.split, rows_each, 1))
        result = build.map(Function.ADD, result, column)
    return build.reshape(result, (layout.batch, filters, *spatial))


def _spread(build: Builder, value: Value, strides: Sequence[int]) -> Value:
    """The image with stride - 1 zeros after each pixel of each axis.

    A result dimension of size `stride` walks along a source axis of size 1, so all of it but the
    first place lies outside and is filled.
    """
    if all(stride == 1 for stride in strides):
        return value
    lead, spatial = value.shape[:2], value.shape[2:]
    planes = prod(lead)
    source, shape = [planes], [planes]
    for size, stride in zip(spatial, strides, strict=True):
        source += [size, 1]
        shape += [size, stride]
    spread = build.move(value, shape, source=source, axes=range(len(shape)))
    sizes = [size * stride for size, stride in zip(spatial, strides, strict=True)]
    return build.reshape(spread, (*lead, *sizes))


def _turned(build: Builder, weights: Value, groups: int) -> Value:
    """[C, M / group, kernel...] as [M, C / group, kernel reversed...]."""
    channels, filters = weights.shape[:2]
    kernel = weights.shape[2:]
    source = (groups, channels // groups, filters, *kernel)
    turned = build.move(
        weights,
        (groups, filters, channels // groups, *kernel),
        source=source,
        axes=(0, 2, 1, *range(3, len(source))),
        steps=(1, 1, 1, *(-1 for _ in kernel)),
        origins=(0, 0, 0, *(size - 1 for size in kernel)),
    )
    return build.reshape(turned, (groups * filters, channels // groups, *kernel))


def _transposed_axes(
    node: Node, value: Value, kernel: Sequence[int], strides: Sequence[int]
) -> list[Axis]:
    """The windows over the spread image."""
    count = len(kernel)
    dilations = per_axis(node, "dilations", count, 1)
    extra = node.integers("output_padding") or [0] * count
    pads = node.integers("pads") or [0] * (2 * count)
    wanted = node.integers("output_shape")
    mode = node.text("auto_pad", "NOTSET")
    if len(pads) != 2 * count or len(extra) != count or len(wanted or kernel) < count:
        raise Malformed("pads, output_padding or output_shape do not fit the spatial axes")
    axes = []
    for place, size in enumerate(value.shape[2:]):
        stride, dilation = strides[place], dilations[place]
        reach = (kernel[place] - 1) * dilation + 1
        full = stride * (size - 1) + reach + extra[place]
        before, after = pads[place], pads[place + count]
        if wanted is not None or mode in ("SAME_UPPER", "SAME_LOWER"):
            target = size * stride if wanted is None else wanted[place - count]
            total = full - target
            before = total // 2 if mode == "SAME_UPPER" else total - total // 2
            after = total - before
        elif mode == "VALID":
            before = after = 0
        places = full - before - after
        if places < 1:
            raise Malformed("the padding removes the whole result")
        axes.append(Axis(size * stride, kernel[place], 1, dilation, reach - 1 - before, 0, places))
    return axes
