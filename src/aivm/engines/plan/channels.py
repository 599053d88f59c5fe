"""Convolutions, pooling and what stands between them, with the channels last in memory.

Part of the first pass (see `graph`). A program has channels before places; here the results of
convolutions and poolings are stored the other way round, and elementwise functions, borders, joins
and reductions follow the order in which they find their operands. Views hide that from all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Protocol

from aivm.engines.plan.views import (
    View,
    broadcast,
    dense_view,
    inverse,
    memory_order,
    merged_axes,
    pads,
    reshaped,
    split_of,
    transposed,
    without_ones,
)
from aivm.engines.plan.windows import (
    CHANNELS_MIN,
    ELEMENTS_MAX,
    Factors,
    Frame,
    Taps,
    WindowProduct,
    Windows,
    factors_of,
    windows_behind,
)
from aivm.isa.instructions import Cast, Concat, Instruction, Map, MatMul, Move, Reduce, TensorType
from aivm.isa.opcodes import Reduction
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType

# Neighbours so many floats apart share a set of a cache: a line between them keeps them apart.
CONFLICT_FLOATS, LINE_FLOATS = 256, 16

Work = Instruction | WindowProduct | Taps | Frame


class Emit(Protocol):
    """Appends a node that computes `value` (None: a new one), dense; returns all of it."""

    def __call__(
        self, value: int | None, type_: TensorType, work: Work, operands: Sequence[View]
    ) -> View: ...


@dataclass(slots=True)
class ChannelsLast:
    """Makes the nodes of instructions that are better off in another order of axes."""

    program: Program
    views: dict[int, View]
    emit: Emit
    dense: Callable[[View], View]
    framed: dict[tuple[object, ...], View] = field(default_factory=dict)

    def lowered(self, value: int, work: Instruction) -> View | None:
        """Where the instruction's result is; None where it is left to others."""
        if work.type.elements == 0:
            return None
        operands = [self.views[operand] for operand in work.operands]
        match work:
            case MatMul():
                return self.product(value, work, operands)
            case Reduce():
                return self.pooled(value, work) or self.reduced(value, work, operands[0])
            case Map() | Cast():
                return self.elementwise(value, work, operands)
            case Concat():
                return self.joined(value, work, operands)
            case Move():
                return self.bordered(value, work, operands[0])
            case _:
                return None

    # --- convolution ----------------------------------------------------------------------------

    def product(self, value: int, work: MatMul, operands: Sequence[View]) -> View | None:
        """Weights on the left: computed the other way round, so that channels run along vectors."""
        factors = factors_of(work, operands[0])
        if factors is None:
            return None
        windows = windows_behind(self.program, work.operands[1], work.type.shape[-1])
        if windows is None:
            rows = self.plain(value, work, factors, operands)
        else:
            rows = self.convolution(value, factors, windows)
        return None if rows is None else reshaped(_channels_second(rows), work.type.shape)

    def plain(
        self, value: int, work: MatMul, factors: Factors, operands: Sequence[View]
    ) -> View | None:
        """Without windows (1 x 1): worth it where the weights can be packed beforehand."""
        constants = range(self.program.first_constant, self.program.first_instruction)
        left, right = operands
        if left.value not in constants or right.value in constants:
            return None
        if factors.filters < CHANNELS_MIN:
            return None
        shape = work.type.shape
        whole = broadcast(right, (*shape[:-2], *right.shape[-2:]))
        cut = (factors.images, factors.groups, factors.depth, shape[-1])
        taps = reshaped(whole, cut) or reshaped(self.dense(whole), cut)
        assert taps is not None, "a dense view takes any shape"
        return self.rows(value, factors, transposed(taps, (0, 1, 3, 2)), places=1)

    def convolution(self, value: int, factors: Factors, windows: Windows) -> View | None:
        image = self.image(windows, factors.images)
        channels = windows.move.source[0] // factors.images
        if image is None or channels * windows.tap_count != factors.groups * factors.depth:
            return None
        if factors.groups == channels and factors.filters == 1:
            weights = transposed(factors.weights, (2, 0, 1))
            column = View(weights.value, weights.offset, weights.shape[:2], weights.strides[:2])
            return self.taps(value, windows, image, None, (self.dense(column),))
        if channels % factors.groups or factors.filters < CHANNELS_MIN:
            return None
        if any(windows.border()[0]) or any(windows.border()[1]):
            image = self.frame(windows, image, memory_order(image))
        depth = channels // factors.groups
        sizes, strides = image.shape[2:], image.strides[2:]
        split = View(
            image.value,
            image.offset,
            (factors.images, factors.groups, depth, *sizes),
            (image.strides[0], image.strides[1] * depth, image.strides[1], *strides),
        )
        walk, places = windows.over(split), len(windows.places)
        order = (0, 1, *range(3, 3 + places), 2, *range(3 + places, len(walk.shape)))
        return self.rows(value, factors, transposed(walk, order), places)

    def rows(self, value: int, factors: Factors, taps: View, places: int) -> View:
        """The product of taps [image, group, place..., tap...] as [image, place..., channel]."""
        weights = transposed(factors.weights, (0, 2, 1))
        shape = (factors.images, *taps.shape[2 : 2 + places], factors.groups, factors.filters)
        self.emit(value, TensorType(DType.F32, shape), WindowProduct(places), (taps, weights))
        return dense_view(value, (*shape[:-2], factors.groups * factors.filters))

    # --- what happens in a window, channel by channel ---------------------------------------------

    def pooled(self, value: int, work: Reduce) -> View | None:
        """A reduction over the taps of windows."""
        known = work.function in (Reduction.MAX, Reduction.MIN, Reduction.SUM)
        if not known or work.type.dtype is not DType.F32:
            return None
        windows = windows_behind(self.program, work.operands[0], work.inner)
        if windows is None or windows.tap_count != work.length:
            return None
        image = self.image(windows, None)
        if image is None:
            return None
        rows = self.taps(value, windows, image, work.function, ())
        return reshaped(_channels_second(rows), work.type.shape)

    def taps(
        self,
        value: int,
        windows: Windows,
        image: View,
        function: Reduction | None,
        weights: Sequence[View],
    ) -> View:
        before, after = windows.border()
        if any(before) or any(after) or image.strides[1] != 1:
            image = self.frame(windows, image, (0, *range(2, len(image.shape)), 1))
        walk = windows.over(image)
        walk = transposed(walk, (0, *range(2, len(walk.shape)), 1))
        shape = (walk.shape[0], *windows.place_shape, walk.shape[-1])
        work = Taps(len(windows.places), function)
        return self.emit(value, TensorType(DType.F32, shape), work, (walk, *weights))

    # --- images and their borders -----------------------------------------------------------------

    def image(self, windows: Windows, images: int | None) -> View | None:
        """The walked image as [image, channel, size...]; `images` is None where any number will
        do. None where its taps would be too far apart for the kernels."""
        (operand,) = windows.move.operands
        planes, *sizes = windows.move.source
        before, after = windows.border()
        edges = zip(before, windows.move.source, after, strict=True)
        if prod(sum(edge) for edge in edges) >= ELEMENTS_MAX:
            return None
        view = self.views[operand]
        if images is None:
            is_cut = len(view.shape) == len(sizes) + 2 and view.shape[2:] == tuple(sizes)
            images = view.shape[0] if is_cut else 1
        if planes % images:
            return None
        shape = (images, planes // images, *sizes)
        found = reshaped(view, shape) or reshaped(self.dense(view), shape)
        assert found is not None, "a dense view takes any shape"
        spans = zip(found.strides, found.shape, strict=True)
        return found if sum(abs(stride) * size for stride, size in spans) < ELEMENTS_MAX else None

    def frame(self, windows: Windows, image: View, order: Sequence[int]) -> View:
        """The image with what taps find beyond it, stored in the given order of axes."""
        edges = [(0, *edge) for edge in windows.border()]
        before, after = (tuple(edge[axis] for axis in order) for edge in edges)
        key = (image, before, after, windows.move.fill, tuple(order))
        if key not in self.framed:
            inner = transposed(image, order)
            sizes = [sum(size) for size in zip(before, inner.shape, after, strict=True)]
            if order[-1] == 1 and sizes[-1] % CONFLICT_FLOATS == 0:
                sizes[-1] += LINE_FLOATS
            type_ = TensorType(DType.F32, tuple(sizes))
            work = Frame(before, after, windows.move.fill)
            self.framed[key] = transposed(self.emit(None, type_, work, (inner,)), inverse(order))
        whole = self.framed[key]
        start = zip(edges[0], whole.strides, strict=True)
        offset = whole.offset + sum(edge * stride for edge, stride in start)
        return View(whole.value, offset, image.shape, whole.strides)

    # --- what follows the order of its operands ---------------------------------------------------

    def elementwise(self, value: int, work: Map | Cast, operands: Sequence[View]) -> View | None:
        shape = work.type.shape
        order = _order_of(operands, shape)
        if order is None:
            return None
        turned = [transposed(broadcast(view, shape), order) for view in operands]
        type_ = TensorType(work.type.dtype, tuple(shape[axis] for axis in order))
        return transposed(self.emit(value, type_, work, turned), inverse(order))

    def joined(self, value: int, work: Concat, operands: Sequence[View]) -> View | None:
        shape = work.type.shape
        axis = split_of(shape, work.outer, sum(work.lengths) * work.inner)
        while axis is not None and axis < len(shape) and shape[axis] == 1 != sum(work.lengths):
            axis += 1
        if axis is None or axis >= len(shape) or shape[axis] != sum(work.lengths):
            return None
        shapes = [(*shape[:axis], length, *shape[axis + 1 :]) for length in work.lengths]
        if any(view.shape != wanted for view, wanted in zip(operands, shapes, strict=True)):
            return None
        order = _order_of(operands[:1], shapes[0])
        if order is None:
            return None
        turned = tuple(shape[a] for a in order)
        at = order.index(axis)
        outer, inner = prod(turned[:at]), prod(turned[at + 1 :])
        parts = [
            self.shaped(transposed(view, order), (outer, length, inner))
            for view, length in zip(operands, work.lengths, strict=True)
        ]
        type_ = TensorType(work.type.dtype, turned)
        joint = replace(work, type=type_, outer=outer, inner=inner)
        return transposed(self.emit(value, type_, joint, parts), inverse(order))

    def bordered(self, value: int, work: Move, operand: View) -> View | None:
        """Padding alone, of axes that stay what they are."""
        if not pads(work) or operand.shape != work.source:
            return None
        order = _order_of((operand,), operand.shape)
        if order is None or sorted(work.axes) != list(range(len(work.source))):
            return None
        turned = [work.axes.index(axis) for axis in order]  # of the result
        type_ = TensorType(work.type.dtype, tuple(work.type.shape[axis] for axis in turned))
        move = replace(
            work,
            type=type_,
            axes=tuple(work.axes[axis] for axis in turned),
            steps=tuple(work.steps[axis] for axis in turned),
        )
        return transposed(self.emit(value, type_, move, (operand,)), inverse(turned))

    def reduced(self, value: int, work: Reduce, operand: View) -> View | None:
        """Over places, of what has its channels behind them: all channels of an image together."""
        shape = without_ones(operand.shape)
        split = split_of(shape, work.outer, work.length)
        if work.inner != 1 or operand.is_dense or not split or work.length == 1:
            return None
        strides = [s for s, size in zip(operand.strides, operand.shape, strict=True) if size != 1]
        images = merged_axes(shape[: split - 1], (tuple(strides[: split - 1]),))
        places = merged_axes(shape[split:], (tuple(strides[split:]),))
        if strides[split - 1] != 1 or len(images) > 1 or len(places) > 1:
            return None
        (outer, (image,)), (length, (place,)) = images[0], places[0]
        view = View(
            operand.value,
            operand.offset,
            (outer, length, shape[split - 1]),
            (image, place, 1),
        )
        columns = replace(work, outer=outer, inner=shape[split - 1])
        return self.emit(value, work.type, columns, (view,))

    def shaped(self, view: View, shape: tuple[int, ...]) -> View:
        same = reshaped(view, shape) or reshaped(self.dense(view), shape)
        assert same is not None, "a dense view takes any shape"
        return same


def _channels_second(rows: View) -> View:
    """[image, place..., channel] as [image, channel, place...]."""
    last = len(rows.shape) - 1
    return transposed(rows, (0, last, *range(1, last)))


def _order_of(operands: Sequence[View], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The order of axes in which the first full operand that is turned lies in memory."""
    for view in operands:
        axes = [axis for axis in memory_order(view) if view.shape[axis] > 1]
        repeats = any(view.strides[axis] == 0 for axis in axes)
        if view.shape == shape and axes != sorted(axes) and not repeats:
            return memory_order(view)
    return None
