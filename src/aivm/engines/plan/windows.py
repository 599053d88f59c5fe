"""Windows over an image: convolution and pooling without laying their windows out.

A program writes a convolution as a Move that lays out all taps of all windows, times the weights.
Here the Move is looked through: what it walks becomes a strided view of the image itself (with a
border, where taps leave it), and the steps read the taps where they lie. Results have their
channels last, [image, place..., channel]: the kernels' vectors run along them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from aivm.engines.plan.views import Shape, View, dense_view, moved, pads, reshaped
from aivm.isa.instructions import MatMul, Move
from aivm.isa.opcodes import Reduction
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType

CHANNELS_MIN = 8  # a product with fewer columns would leave most of a vector idle
ELEMENTS_MAX = 2**31  # what the offsets of taps can reach


@dataclass(frozen=True, slots=True)
class WindowProduct:
    """A plan's own instruction: rows of places times weights.

    Operands: a view [image, group, place..., tap...] and weights [group, tap, channel]. The result
    is [image, place..., group, channel], each element the chain over the taps in order.
    """

    places: int  # how many axes


@dataclass(frozen=True, slots=True)
class Taps:
    """A plan's own instruction: what happens in a window, for every channel by itself.

    Operand 0 is a view [image, place..., tap..., channel], the result [image, place..., channel].
    Without a reduction it is the chain of fused products with operand 1, [tap, channel], from +0.
    """

    places: int
    reduction: Reduction | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A plan's own instruction: the operand with elements `fill` around it."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    fill: int


@dataclass(frozen=True, slots=True)
class Windows:
    """How a Move walks an image [plane, size...]: `taps` and `places` are its result's axes."""

    move: Move
    taps: range
    places: range

    @property
    def tap_count(self) -> int:
        """Of one plane."""
        return prod(self.move.type.shape[axis] for axis in self.taps)

    @property
    def place_shape(self) -> Shape:
        return tuple(self.move.type.shape[axis] for axis in self.places)

    def border(self) -> tuple[Shape, Shape]:
        """How far taps reach beyond each axis of the image, before and after it."""
        move = self.move
        low, high = list(move.origins), list(move.origins)
        for size, axis, step in zip(move.type.shape, move.axes, move.steps, strict=True):
            low[axis] += min(0, step * (size - 1))
            high[axis] += max(0, step * (size - 1))
        before = tuple(max(0, -first) for first in low)
        ends = zip(high, move.source, strict=True)
        return before, tuple(max(0, last - (size - 1)) for last, size in ends)

    def over(self, image: View) -> View:
        """The view [lead..., place..., tap...] of an image [lead..., size...]."""
        move, lead = self.move, len(image.shape) - len(self.move.source) + 1
        spatial = image.strides[lead:]
        starts = zip(move.origins[1:], spatial, strict=True)
        offset = image.offset + sum(origin * stride for origin, stride in starts)
        axes = (*self.places, *self.taps)
        sizes = (*image.shape[:lead], *(move.type.shape[axis] for axis in axes))
        walks = (move.steps[axis] * spatial[move.axes[axis] - 1] for axis in axes)
        return View(image.value, offset, sizes, (*image.strides[:lead], *walks))


def windows_behind(program: Program, value: int, places: int) -> Windows | None:
    """The windows of `places` places that `value` holds, seen through reshapes; None: others."""
    while value >= program.first_instruction:
        move = program.instructions[value - program.first_instruction]
        if not isinstance(move, Move) or move.type.elements == 0:
            return None
        if not _is_reshape(move):
            return _as_windows(move, places)
        (value,) = move.operands
    return None


def _is_reshape(move: Move) -> bool:
    if move.type.elements != prod(move.source) or pads(move):
        return False
    view = moved(dense_view(0, move.source), move)
    return view is not None and view.is_dense and view.offset == 0


def _as_windows(move: Move, places: int) -> Windows | None:
    """The move's axes cut into planes, taps and places, where it is a walk of that kind."""
    shape = move.type.shape
    planes_alone = move.axes[:1] == (0,) and 0 not in move.axes[1:] and -1 not in move.axes
    if not planes_alone or move.steps[0] != 1 or move.origins[0] != 0:
        return None
    if shape[0] != move.source[0] or (len(set(move.axes)) == len(move.axes) and not pads(move)):
        return None
    for split in range(1, len(shape) + 1):
        if prod(shape[split:]) == places:
            return Windows(move, range(1, split), range(split, len(shape)))
    return None


@dataclass(frozen=True, slots=True)
class Factors:
    """A product with weights on its left: [image..., group..., filter, tap] x [..., tap, place]."""

    weights: View  # [group, filter, tap]
    images: int

    @property
    def groups(self) -> int:
        return self.weights.shape[0]

    @property
    def filters(self) -> int:
        """Of one group."""
        return self.weights.shape[1]

    @property
    def depth(self) -> int:
        return self.weights.shape[2]


def factors_of(product: MatMul, left: View) -> Factors | None:
    """The factors of a product whose left operand is the same for all images; None: it is not."""
    batch = product.type.shape[:-2]
    if product.type.dtype is not DType.F32 or product.transpose_b or product.type.elements == 0:
        return None
    rows, depth = left.shape[-2:]
    row, column = left.strides[-2:]
    if product.transpose_a:
        rows, depth, row, column = depth, rows, column, row
    groups = prod(left.shape[:-2])
    batch_of_left = left.shape[:-2] if groups > 1 else ()
    while batch_of_left[:1] == (1,):
        batch_of_left = batch_of_left[1:]
    if depth == 0 or batch[len(batch) - len(batch_of_left) :] != batch_of_left:
        return None
    whole = View(
        left.value, left.offset, (*left.shape[:-2], rows, depth), (*left.strides[:-2], row, column)
    )
    weights = reshaped(whole, (groups, rows, depth))
    return None if weights is None else Factors(weights, prod(batch) // groups)
