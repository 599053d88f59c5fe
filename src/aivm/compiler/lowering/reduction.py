"""Reductions over axes, searches for the largest and smallest, running sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut
from aivm.compiler.node import Node, normalised_axes, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

Total = Callable[[Builder, Value, Sequence[int]], Value]
"""Reduces a value over axes that stay, with size 1."""


def over(build: Builder, function: Reduction, value: Value, axes: Sequence[int]) -> Value:
    """The value reduced over `axes`, which keep size 1.

    Axes that are neighbours (but for axes of size 1 between them) are reduced where they are;
    others are first moved to the end, in their order.
    """
    shape = [1 if axis in axes else size for axis, size in enumerate(value.shape)]
    length = prod(value.shape[axis] for axis in axes)
    if length == 1:
        return build.reshape(value, shape)
    if value.dtype is DType.BOOL:
        return build.cast(over(build, function, build.cast(value, DType.U8), axes), DType.BOOL)
    if length == 0 and function in (Reduction.MAX, Reduction.MIN):
        return build.broadcast(lowest_or_highest(build, function, value.dtype), shape)
    walked = [axis for axis, size in enumerate(value.shape) if size != 1]
    reduced = sorted(axis for axis in axes if value.shape[axis] != 1)
    first = walked.index(reduced[0])
    if walked[first : first + len(reduced)] == reduced:
        inner = prod(value.shape[reduced[-1] + 1 :])
        return build.reduce(function, value, inner, length, shape)
    kept = [axis for axis in range(value.rank) if axis not in reduced]
    ordered = build.transpose(value, [*kept, *reduced])
    return build.reduce(function, ordered, 1, length, shape)


def lowest_or_highest(build: Builder, function: Reduction, dtype: DType) -> Value:
    """The value that changes no maximum (MAX) or no minimum (MIN)."""
    lowest = function is Reduction.MAX
    if dtype is DType.BOOL:
        raise Unsupported(f"{function.name} of BOOL is not defined", change="Cast the operand.")
    if dtype.is_float:
        return build.scalar(-inf if lowest else inf, dtype)
    limits = np.iinfo(numpy_dtype(dtype))
    return build.scalar(limits.min if lowest else limits.max, dtype)


def mean_over(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    """The sum divided by the number of elements."""
    count = prod(value.shape[axis] for axis in axes)
    total = over(build, Reduction.SUM, value, axes)
    return build.map(Function.DIV, total, build.scalar(count, value.dtype))


def _plain(function: Reduction) -> Total:
    return lambda build, value, axes: over(build, function, value, axes)


def _sum_of_squares(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    return over(build, Reduction.SUM, build.map(Function.MUL, value, value), axes)


def _euclidean(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    return build.map(Function.SQRT, _sum_of_squares(build, value, axes))


def _absolute_sum(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    return over(build, Reduction.SUM, build.map(Function.ABS, value), axes)


def _log_sum(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    return build.map(Function.LOG, over(build, Reduction.SUM, value, axes))


def _log_sum_exp(build: Builder, value: Value, axes: Sequence[int]) -> Value:
    """max + log(sum(exp(x - max))), with 0 in the place of an infinite maximum."""
    top = over(build, Reduction.MAX, value, axes)
    infinite = build.map(Function.IS_INF, top)
    top = build.map(Function.SELECT, infinite, build.scalar(0, value.dtype), top)
    grown = build.map(Function.EXP, build.map(Function.SUB, value, top))
    return build.map(Function.ADD, _log_sum(build, grown, axes), top)


_TOTALS: dict[str, Total] = {
    "ReduceSum": _plain(Reduction.SUM),
    "ReduceProd": _plain(Reduction.PROD),
    "ReduceMax": _plain(Reduction.MAX),
    "ReduceMin": _plain(Reduction.MIN),
    "ReduceMean": mean_over,
    "ReduceL1": _absolute_sum,
    "ReduceL2": _euclidean,
    "ReduceSumSquare": _sum_of_squares,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
}


def _reduction(name: str, total: Total) -> None:
    @operator(name, since=1)
    def rule(node: Node) -> Value:
        """Axes are an attribute in older versions, an operand in newer ones; none means all."""
        value = node.input(0)
        axes = node.known_integers(1) if node.optional(1) is not None else node.integers("axes")
        if not axes and node.integer("noop_with_empty_axes", 0):
            return total(node.build, value, [])
        found = normalised_axes(axes, value.rank) if axes else list(range(value.rank))
        result = total(node.build, value, found)
        if node.integer("keepdims", 1):
            return result
        kept = [size for axis, size in enumerate(value.shape) if axis not in found]
        return node.build.reshape(result, kept)


for _name, _total in _TOTALS.items():
    _reduction(_name, _total)


@operator("ArgMax", since=1)
def arg_max(node: Node) -> Value:
    return _arg(node, Reduction.ARG_MAX)


@operator("ArgMin", since=1)
def arg_min(node: Node) -> Value:
    return _arg(node, Reduction.ARG_MIN)


def _arg(node: Node, function: Reduction) -> Value:
    """The first such place, or the last: that is the first of the reversed axis."""
    value, build = node.input(0), node.build
    axis = normalised_axis(node.integer("axis", 0), value.rank)
    length, last = value.shape[axis], node.integer("select_last_index", 0)
    if not length:
        raise Malformed("an empty axis has no largest or smallest element")
    shape = list(value.shape)
    shape[axis : axis + 1] = [1] if node.integer("keepdims", 1) else []
    searched = cut(build, value, axis, length - 1, length, -1) if last else value
    place = build.reduce(function, searched, prod(value.shape[axis + 1 :]), length, shape)
    if not last:
        return place
    return build.map(Function.SUB, build.scalar(length - 1, DType.I64), place)


@operator("CumSum", since=11)
def running_sum(node: Node) -> Value:
    return _running(node, Function.ADD, neutral=0)


@operator("CumProd", since=26)
def running_product(node: Node) -> Value:
    return _running(node, Function.MUL, neutral=1)


def _running(node: Node, function: Function, neutral: int) -> Value:
    """Doubling: after step s each place holds what the 2^s elements that end there make."""
    value, build = node.build.widened(node.input(0)), node.build
    axes = node.known_integers(1)
    if len(axes) != 1:
        raise Malformed(f"{node.op} runs along one axis")
    axis = normalised_axis(axes[0], value.rank)
    length = value.shape[axis]
    filling = build.scalar(neutral, value.dtype).array
    assert filling is not None
    fill = int.from_bytes(filling.tobytes(), "little")
    direction = -1 if node.integer("reverse", 0) else 1
    if node.integer("exclusive", 0):
        value = cut(build, value, axis, -direction, length, fill=fill)
    reach = 1
    while reach < length:
        before = cut(build, value, axis, -direction * reach, length, fill=fill)
        value = build.map(function, value, before)
        reach *= 2
    return build.cast(value, node.input(0).dtype)
