"""Normalisations and softmax, always in the same primitives: engines recognise the pattern."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.reduction import mean_over, over
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

# --- softmax -----------------------------------------------------------------------------------


def _trailing_axes(node: Node, value: Value) -> list[int]:
    """One axis since version 13; before, all axes from the given one on, as if flattened."""
    if node.version >= 13:
        return [normalised_axis(node.integer("axis", -1), value.rank)]
    return list(range(normalised_axis(node.integer("axis", 1), value.rank), value.rank))


@operator("Softmax", since=1)
def softmax(node: Node) -> Value:
    """exp(x - max) / sum(exp(x - max))."""
    value, build = build_wide(node)
    axes = _trailing_axes(node, value)
    top = over(build, Reduction.MAX, value, axes)
    grown = build.map(Function.EXP, build.map(Function.SUB, value, top))
    result = build.map(Function.DIV, grown, over(build, Reduction.SUM, grown, axes))
    return build.cast(result, node.input(0).dtype)


@operator("LogSoftmax", since=1)
def log_softmax(node: Node) -> Value:
    """(x - max) - log(sum(exp(x - max)))."""
    value, build = build_wide(node)
    axes = _trailing_axes(node, value)
    shifted = build.map(Function.SUB, value, over(build, Reduction.MAX, value, axes))
    total = over(build, Reduction.SUM, build.map(Function.EXP, shifted), axes)
    result = build.map(Function.SUB, shifted, build.map(Function.LOG, total))
    return build.cast(result, node.input(0).dtype)


@operator("Hardmax", since=1)
def hardmax(node: Node) -> Value:
    """1 at the first largest element, 0 elsewhere."""
    value, build = node.input(0), node.build
    axes = _trailing_axes(node, value)
    length = prod(value.shape[axis] for axis in axes)
    inner = prod(value.shape[axes[-1] + 1 :]) if axes else 1
    outer = value.type.elements // max(1, length * inner)
    place = build.reduce(Reduction.ARG_MAX, value, inner, length, (outer, 1, inner))
    hit = build.map(Function.EQUAL, place, build.iota(DType.I64, (1, length, 1), 1))
    return build.cast(build.reshape(hit, value.shape), value.dtype)


# --- normalisation over the elements of one sample ---------------------------------------------


def build_wide(node: Node) -> tuple[Value, Builder]:
    """The first operand in F32, in which all of these compute, and the builder."""
    return node.build.widened(node.input(0)), node.build


def _normalised(build: Builder, value: Value, axes: Sequence[int], epsilon: float) -> Value:
    """(x - mean) / sqrt(mean((x - mean)^2) + epsilon)."""
    centred = build.map(Function.SUB, value, mean_over(build, value, axes))
    return build.map(Function.DIV, centred, spread(build, centred, axes, epsilon)[1])


def spread(
    build: Builder, centred: Value, axes: Sequence[int], epsilon: float
) -> tuple[Value, Value]:
    """The mean of squares, and the root of it plus epsilon."""
    variance = mean_over(build, build.map(Function.MUL, centred, centred), axes)
    lifted = build.map(Function.ADD, variance, build.scalar(epsilon, centred.dtype))
    return variance, build.map(Function.SQRT, lifted)


def affine(build: Builder, value: Value, scale: Value, bias: Value | None) -> Value:
    scaled = build.map(Function.MUL, value, build.widened(scale))
    return scaled if bias is None else build.map(Function.ADD, scaled, build.widened(bias))


@operator("LayerNormalization", since=17)
def layer_normalisation(node: Node) -> Sequence[Value | None]:
    value, build = build_wide(node)
    axis = normalised_axis(node.integer("axis", -1), value.rank)
    axes = range(axis, value.rank)
    mean = mean_over(build, value, axes)
    centred = build.map(Function.SUB, value, mean)
    _, root = spread(build, centred, axes, node.number("epsilon", 1e-5))
    result = affine(build, build.map(Function.DIV, centred, root), node.input(1), node.optional(2))
    inverse = build.map(Function.RECIPROCAL, root) if node.wants(2) else None
    return build.cast(result, node.input(0).dtype), mean, inverse


@operator("InstanceNormalization", since=6)
def instance_normalisation(node: Node) -> Value:
    value, build = build_wide(node)
    normal = _normalised(build, value, range(2, value.rank), node.number("epsilon", 1e-5))
    scale = _per_channel(build, node.input(1), value.rank)
    result = affine(build, normal, scale, _per_channel(build, node.input(2), value.rank))
    return build.cast(result, node.input(0).dtype)


def _per_channel(build: Builder, value: Value, rank: int) -> Value:
    """[C] as [C, 1, ...], so that it broadcasts along the channel axis of [N, C, ...]."""
    if value.rank != 1 or rank < 2:
        raise Malformed(f"an operand of shape {value.shape} is not one number a channel")
    return build.reshape(value, (*value.shape, *[1] * (rank - 2)))


@operator("GroupNormalization", since=21)
def group_normalisation(node: Node) -> Value:
    value, build = build_wide(node)
    groups = node.integer("num_groups")
    if value.rank < 2 or groups < 1 or value.shape[1] % groups:
        raise Malformed(f"shape {value.shape} has no {groups} groups of channels")
    grouped = build.reshape(
        value, (value.shape[0], groups, value.type.elements // max(1, value.shape[0] * groups))
    )
    normal = _normalised(build, grouped, [2], node.number("epsilon", 1e-5))
    scale, bias = (_per_channel(build, node.input(place), value.rank) for place in (1, 2))
    result = affine(build, build.reshape(normal, value.shape), scale, bias)
    return build.cast(result, node.input(0).dtype)


@operator("RMSNormalization", since=23)
def root_mean_square_normalisation(node: Node) -> Value:
    """x / sqrt(mean(x^2) + epsilon) * scale."""
    value, build = build_wide(node)
    axis = normalised_axis(node.integer("axis", -1), value.rank)
    _, root = spread(build, value, range(axis, value.rank), node.number("epsilon", 1e-5))
    result = affine(build, build.map(Function.DIV, value, root), node.input(1), None)
    return build.cast(result, node.input(0).dtype)


@operator("LpNormalization", since=1)
def power_normalisation(node: Node) -> Value:
    """x / (sum |x|^p)^(1/p); 0 where the norm is 0."""
    value, build = build_wide(node)
    axes = [normalised_axis(node.integer("axis", -1), value.rank)]
    if node.integer("p", 2) == 1:
        norm = over(build, Reduction.SUM, build.map(Function.ABS, value), axes)
    else:
        squares = build.map(Function.MUL, value, value)
        norm = build.map(Function.SQRT, over(build, Reduction.SUM, squares, axes))
    zero, one = build.scalar(0, DType.F32), build.scalar(1, DType.F32)
    divisor = build.map(Function.SELECT, build.map(Function.EQUAL, norm, zero), one, norm)
    return build.cast(build.map(Function.DIV, value, divisor), node.input(0).dtype)


# --- normalisation with given statistics -------------------------------------------------------


@operator("BatchNormalization", since=7)
def batch_normalisation(node: Node) -> Sequence[Value]:
    """x * a + b in one rounding, with a = scale / sqrt(var + epsilon) and b = bias - mean * a.

    In training mode mean and variance are those of the batch, and the running ones move there.
    """
    value, build = build_wide(node)
    statistics = [build.widened(node.input(place)) for place in (3, 4)]
    if not node.integer("training_mode", 0):
        if any(node.wanted[1:]):
            raise Unsupported(
                "BatchNormalization in training mode before version 14",
                change="Export the model for inference.",
            )
        return [_normalised_by(node, value, *statistics)]
    found = _batch_statistics(build, value)
    momentum = node.number("momentum", 0.9)
    running = [
        build.map(
            Function.ADD,
            build.map(Function.MUL, old, build.scalar(momentum, DType.F32)),
            build.map(Function.MUL, new, build.scalar(1 - momentum, DType.F32)),
        )
        for old, new in zip(statistics, found, strict=True)
    ]
    moved = [
        build.cast(new, node.input(place).dtype) for new, place in zip(running, (3, 4), strict=True)
    ]
    return [_normalised_by(node, value, *found), *moved]


def _batch_statistics(build: Builder, value: Value) -> list[Value]:
    """Mean and variance of every channel, [C] each."""
    if value.rank < 2:
        raise Malformed(f"an operand of shape {value.shape} has no channels")
    axes = [axis for axis in range(value.rank) if axis != 1]
    mean = mean_over(build, value, axes)
    centred = build.map(Function.SUB, value, mean)
    variance = mean_over(build, build.map(Function.MUL, centred, centred), axes)
    return [build.reshape(entry, (value.shape[1],)) for entry in (mean, variance)]


def _normalised_by(node: Node, value: Value, mean: Value, variance: Value) -> Value:
    build = node.build
    scale, bias = (build.widened(node.input(place)) for place in (1, 2))
    epsilon = build.scalar(node.number("epsilon", 1e-5), DType.F32)
    root = build.map(Function.SQRT, build.map(Function.ADD, variance, epsilon))
    factor = build.map(Function.DIV, scale, root)
    offset = build.map(Function.SUB, bias, build.map(Function.MUL, mean, factor))
    result = build.map(
        Function.FMA,
        value,
        _per_channel(build, factor, value.rank),
        _per_channel(build, offset, value.rank),
    )
    return build.cast(result, node.input(0).dtype)


@operator("LRN", since=1)
def local_response_normalisation(node: Node) -> Value:
    """x / (bias + alpha / size * sum of squares of the neighbouring channels)^beta."""
    value, build = build_wide(node)
    size = node.integer("size")
    if value.rank < 2 or size < 1:
        raise Malformed("LRN needs channels and a positive size")
    batch, channels = value.shape[:2]
    inner = prod(value.shape[2:])
    near = build.move(
        build.map(Function.MUL, value, value),
        (batch, channels, size, inner),
        source=(batch, channels, inner),
        axes=(0, 1, 1, 2),
        origins=(0, -((size - 1) // 2), 0),
    )
    total = build.reduce(Reduction.SUM, near, inner, size, value.shape)
    alpha = build.scalar(node.number("alpha", 0.0001) / size, DType.F32)
    base = build.map(
        Function.ADD,
        build.map(Function.MUL, total, alpha),
        build.scalar(node.number("bias", 1.0), DType.F32),
    )
    power = build.map(Function.POW, base, build.scalar(node.number("beta", 0.75), DType.F32))
    return build.cast(build.map(Function.DIV, value, power), node.input(0).dtype)
