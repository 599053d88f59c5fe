"""Strided views: how a Move that only rearranges costs nothing.

A view names a tensor that exists in memory and says where its elements are: element `index` of the
view lies at `offset + sum(index[d] * strides[d])` of the tensor, in elements. Strides may be zero
(a broadcast) or negative (a flip).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aivm.isa.instructions import Move

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """`shape` elements of the stored tensor `value`; all numbers count elements."""

    value: int
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def is_dense(self) -> bool:
        """True where the elements lie one after another, as in a tensor of this shape."""
        pairs = zip(self.shape, self.strides, dense_strides(self.shape), strict=True)
        return all(size == 1 or stride == dense for size, stride, dense in pairs)


def dense_strides(shape: Shape) -> tuple[int, ...]:
    """The strides of a row-major tensor."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def dense_view(value: int, shape: Shape) -> View:
    return View(value, 0, shape, dense_strides(shape))


def reshaped(view: View, shape: Shape) -> View | None:
    """The same elements in order under another shape; None where strides cannot say it."""
    if view.elements == 0 or view.is_dense:
        return View(view.value, view.offset, shape, dense_strides(shape))
    axes = merged_axes(view.shape, (view.strides,))
    strides: list[int] = []
    remaining = list(axes)
    size, (stride,) = remaining.pop()
    for wanted in reversed(shape):
        if wanted == 1:
            strides.append(0)
            continue
        if size == 1:
            size, (stride,) = remaining.pop()
        if size % wanted:
            return None
        strides.append(stride)
        size, stride = size // wanted, stride * wanted
    return View(view.value, view.offset, shape, tuple(reversed(strides)))


def broadcast(view: View, shape: Shape) -> View:
    """The view repeated to `shape` as numpy broadcasts."""
    missing = len(shape) - len(view.shape)
    pairs = zip(view.shape, view.strides, strict=True)
    strides = tuple(0 if size == 1 else stride for size, stride in pairs)
    return View(view.value, view.offset, shape, (0,) * missing + strides)


def transposed(view: View, order: Sequence[int]) -> View:
    """The view whose axis i is axis `order[i]`."""
    shape = tuple(view.shape[axis] for axis in order)
    return View(view.value, view.offset, shape, tuple(view.strides[axis] for axis in order))


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes `order`."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def memory_order(view: View) -> tuple[int, ...]:
    """The axes from the one with the widest stride to the narrowest; those of size 1 first."""
    axes = range(len(view.shape))
    return tuple(sorted(axes, key=lambda a: (view.shape[a] > 1, -abs(view.strides[a]))))


def moved(view: View, move: Move) -> View | None:
    """What `move` makes of a view of its operand; None where it pads or strides cannot say it."""
    source = reshaped(view, move.source)
    if source is None or pads(move):
        return None
    return source_walk(source, move)


def source_walk(source: View, move: Move) -> View:
    """Offset and strides of the move's walk over a view that has the shape `move.source`."""
    origins = zip(move.origins, source.strides, strict=True)
    offset = source.offset + sum(origin * stride for origin, stride in origins)
    steps = zip(move.axes, move.steps, strict=True)
    strides = tuple(0 if axis < 0 else step * source.strides[axis] for axis, step in steps)
    return View(source.value, offset, move.type.shape, strides)


def pads(move: Move) -> bool:
    """Whether any element of the result lies outside the source."""
    if move.type.elements == 0:
        return False
    low, high = list(move.origins), list(move.origins)
    for size, axis, step in zip(move.type.shape, move.axes, move.steps, strict=True):
        if axis >= 0:
            low[axis] += min(0, step * (size - 1))
            high[axis] += max(0, step * (size - 1))
    bounds = zip(low, high, move.source, strict=True)
    return any(first < 0 or last >= size for first, last, size in bounds)


def merged_axes(
    shape: Shape, strides: tuple[tuple[int, ...], ...]
) -> list[tuple[int, tuple[int, ...]]]:
    """The fewest (size, strides) that walk the same elements in the same order, for all operands.

    `strides` holds one tuple an operand. Neighbouring axes merge where for every operand the outer
    stride is the inner one times the inner size; axes of size 1 vanish, but one axis always stays.
    """
    merged: list[tuple[int, tuple[int, ...]]] = []
    for size, steps in zip(shape, zip(*strides, strict=True), strict=True):
        if size == 1:
            continue
        if merged and merged[-1][1] == tuple(step * size for step in steps):
            merged[-1] = (merged[-1][0] * size, steps)
        else:
            merged.append((size, steps))
    return merged or [(1, (0,) * len(strides))]


def without_ones(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def strides_over(view: View, shape: Shape) -> tuple[int, ...]:
    """Strides of the view broadcast to `shape`, for the axes of `shape` that are not of size 1."""
    strides = broadcast(view, shape).strides
    return tuple(stride for size, stride in zip(shape, strides, strict=True) if size != 1)


def split_of(space: Shape, outer: int, length: int) -> int | None:
    """Where to cut `space` so that `outer` rows of `length` elements remain."""
    for split in range(len(space) + 1):
        if prod(space[:split]) == outer and prod(space[split:]) == length:
            return split
    return None
