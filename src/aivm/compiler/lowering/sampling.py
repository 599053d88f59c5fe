"""Reading images at places between their pixels: GridSample and RoiAlign.

Images [N, C, ...] are laid out as rows, one for each pixel of each image, with the channels in it:
every tap is then one gather of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut
from aivm.compiler.lowering.reduction import over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType


@dataclass(frozen=True, slots=True)
class _Tap:
    """One place on one axis for every point: a whole coordinate (F32), its weight, and whether it
    counts (None: always)."""

    place: Value
    weight: Value | None
    inside: Value | None


def _number(build: Builder, value: float) -> Value:
    return build.scalar(value, DType.F32)


def _rows(build: Builder, image: Value) -> Value:
    """[N, C, ...] as [N * pixels, C]."""
    batch, channels = image.shape[:2]
    flat = build.reshape(image, (batch, channels, prod(image.shape[2:])))
    return build.reshape(build.transpose(flat, (0, 2, 1)), (batch * flat.shape[2], channels))


def _tap_values(
    build: Builder, rows: Value, sizes: Sequence[int], first: Value, taps: Sequence[_Tap]
) -> Value:
    """The pixels that the taps name, one on each axis: [points..., C], zero where one is outside.

    `first` is the row of the first pixel of each point's image.
    """
    flat, inside = first, None
    for axis, (size, tap) in enumerate(zip(sizes, taps, strict=True)):
        place = _clamped(build, tap.place, size)
        step = build.scalar(prod(sizes[axis + 1 :]), DType.I64)
        flat = build.map(Function.ADD, flat, build.map(Function.MUL, place, step))
        if tap.inside is not None:
            inside = tap.inside if inside is None else build.map(Function.AND, inside, tap.inside)
    found = build.gather(rows, flat, 0)
    if inside is None:
        return found
    column = build.reshape(inside, (*inside.shape, 1))
    return build.map(Function.SELECT, column, found, build.scalar(0, found.dtype))


def _clamped(build: Builder, place: Value, size: int) -> Value:
    """A whole coordinate as I64 on the axis."""
    low = build.map(Function.MAX, place, _number(build, 0))
    return build.cast(build.map(Function.MIN, low, _number(build, size - 1)), DType.I64)


def _weight(build: Builder, taps: Sequence[_Tap]) -> Value | None:
    """The product of the taps' weights, as a column beside the channels."""
    weights = [tap.weight for tap in taps if tap.weight is not None]
    if not weights:
        return None
    total = weights[0]
    for weight in weights[1:]:
        total = build.map(Function.MUL, total, weight)
    return build.reshape(total, (*total.shape, 1))


def _on_axis(build: Builder, place: Value, size: int) -> Value:
    return build.map(
        Function.AND,
        build.map(Function.LESS_EQUAL, _number(build, 0), place),
        build.map(Function.LESS_EQUAL, place, _number(build, size - 1)),
    )


# --- GridSample --------------------------------------------------------------------------------

_MODES = {"bilinear": "linear", "bicubic": "cubic"}


@operator("GridSample", since=16)
def grid_sample(node: Node) -> Value:
    """x [N, C, ...], grid [N, places..., axes], whose coordinates name the last axis first.

    -1 and 1 are the ends of an axis.
    """
    build, image, grid = node.build, node.build.widened(node.input(0)), node.input(1)
    grid = build.widened(grid)
    sizes, points = image.shape[2:], grid.shape[1:-1]
    mode = node.text("mode", "bilinear" if node.version < 20 else "linear")
    mode = _MODES.get(mode, mode)
    padding, aligned = node.text("padding_mode", "zeros"), bool(node.integer("align_corners", 0))
    fits = image.rank == grid.rank >= 3 and grid.shape[-1] == len(sizes) == len(points)
    if not fits or image.shape[0] != grid.shape[0] or 0 in sizes:
        raise Malformed(f"a grid of shape {grid.shape} does not fit an image {image.shape}")
    if padding not in ("zeros", "border", "reflection") or mode not in _AXIS_TAPS:
        raise Malformed(f"there is no mode {mode!r} or padding_mode {padding!r}")
    if mode == "cubic" and len(sizes) != 2:
        raise Unsupported("mode cubic is defined for two spatial axes")
    axes = []
    for axis, size in enumerate(sizes):
        last = cut(build, grid, grid.rank - 1, len(sizes) - 1 - axis, 1)
        coordinate = _pixels(build, build.reshape(last, grid.shape[:-1]), size, aligned)
        axes.append(_AXIS_TAPS[mode](build, coordinate, size, padding, aligned))
    first = build.iota(DType.I64, (image.shape[0], *[1] * len(points)), 0, step=prod(sizes))
    rows, total = _rows(build, image), None
    for taps in product(*axes):
        seen = _tap_values(build, rows, sizes, first, taps)
        weight = _weight(build, taps)
        if weight is None:
            total = seen
        elif total is None:
            total = build.map(Function.MUL, seen, weight)
        else:
            total = build.map(Function.FMA, seen, weight, total)
    assert total is not None, "every axis has taps"
    order = (0, total.rank - 1, *range(1, total.rank - 1))
    return build.cast(build.transpose(total, order), node.input(0).dtype)


def _pixels(build: Builder, place: Value, size: int, aligned: bool) -> Value:
    """A coordinate in -1..1 in pixels."""
    grown = build.map(Function.ADD, place, _number(build, 1))
    if aligned:
        half = build.map(Function.MUL, grown, _number(build, 0.5))
        return build.map(Function.MUL, half, _number(build, size - 1))
    scaled = build.map(Function.MUL, grown, _number(build, size))
    less = build.map(Function.SUB, scaled, _number(build, 1))
    return build.map(Function.MUL, less, _number(build, 0.5))


def _padded(build: Builder, place: Value, size: int, padding: str, aligned: bool) -> Value:
    """A coordinate moved onto the axis, as the padding mode says; zeros leave it where it is."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        place = _reflected(build, place, size, aligned)
    low = build.map(Function.MAX, place, _number(build, 0))
    return build.map(Function.MIN, low, _number(build, size - 1))


def _reflected(build: Builder, place: Value, size: int, aligned: bool) -> Value:
    """Folded between the centres of the border pixels (aligned), or between their outer edges."""
    low, span = (0.0, size - 1.0) if aligned else (-0.5, float(size))
    if not span:
        return build.map(Function.MUL, place, _number(build, 0))
    distance = build.map(Function.ABS, build.map(Function.SUB, place, _number(build, low)))
    rest = build.map(Function.FMOD, distance, _number(build, 2 * span))
    back = build.map(Function.SUB, _number(build, 2 * span), rest)
    folded = build.map(Function.MIN, rest, back)
    return build.map(Function.ADD, folded, _number(build, low))


def _nearest(build: Builder, place: Value, size: int, padding: str, aligned: bool) -> list[_Tap]:
    near = _padded(build, build.map(Function.ROUND, place), size, padding, aligned)
    near = build.map(Function.ROUND, near)
    return [_Tap(near, None, _on_axis(build, near, size) if padding == "zeros" else None)]


def _linear(build: Builder, place: Value, size: int, padding: str, aligned: bool) -> list[_Tap]:
    place = _padded(build, place, size, padding, aligned)
    low = build.map(Function.FLOOR, place)
    high = build.map(Function.ADD, low, _number(build, 1))
    far = build.map(Function.SUB, place, low)
    near = build.map(Function.SUB, _number(build, 1), far)
    return [_Tap(p, w, _on_axis(build, p, size)) for p, w in ((low, near), (high, far))]


_CUBIC = -0.75


def _cubic(build: Builder, place: Value, size: int, padding: str, aligned: bool) -> list[_Tap]:
    """Four taps, each of which is padded for itself."""
    low = build.map(Function.FLOOR, place)
    far = build.map(Function.SUB, place, low)
    taps = []
    for offset in (-1, 0, 1, 2):
        distance = build.map(Function.ABS, build.map(Function.SUB, far, _number(build, offset)))
        at = build.map(Function.ADD, low, _number(build, offset))
        at = build.map(Function.ROUND, _padded(build, at, size, padding, aligned))
        inside = _on_axis(build, at, size) if padding == "zeros" else None
        taps.append(_Tap(at, _cubic_weight(build, distance, near=offset in (0, 1)), inside))
    return taps


def _cubic_weight(build: Builder, x: Value, *, near: bool) -> Value:
    """The kernel of Keys with a = -0.75, for |x| <= 1 (near) or 1..2."""
    a, line = _CUBIC, partial(_number, build)
    steps = (a + 2, -(a + 3), 0.0, 1.0) if near else (a, -5 * a, 8 * a, -4 * a)
    total = line(steps[0])
    for coefficient in steps[1:]:
        total = build.map(Function.FMA, total, x, line(coefficient))
    return total


_AXIS_TAPS = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}


# --- RoiAlign ----------------------------------------------------------------------------------


@operator("RoiAlign", since=10)
def roi_align(node: Node) -> Value:
    """x [N, C, H, W], regions [R, 4], images of the regions [R] -> [R, C, height, width]."""
    build, image = node.build, node.build.widened(node.input(0))
    regions, which = node.build.widened(node.input(1)), node.input(2)
    if image.rank != 4 or regions.shape[1:] != (4,) or which.shape != regions.shape[:1]:
        raise Malformed(f"regions {regions.shape}, {which.shape} do not fit {image.shape}")
    ratio, mode = node.integer("sampling_ratio", 0), node.text("mode", "avg")
    if ratio < 1:
        raise Unsupported(
            "without sampling_ratio the number of samples depends on the regions",
            change="Export with a sampling_ratio of 1 or more.",
        )
    default = "output_half_pixel" if node.version < 16 else "half_pixel"
    half = node.text("coordinate_transformation_mode", default) == "half_pixel"
    shape = (node.integer("output_height", 1), node.integer("output_width", 1))
    axes = [
        _region_taps(node, regions, axis, image.shape[2 + axis], shape[axis], ratio, half)
        for axis in (0, 1)
    ]
    pixels = image.shape[2] * image.shape[3]
    images = build.reshape(build.cast(which, DType.I64), (which.type.elements, *[1] * 4))
    first = build.map(Function.MUL, images, build.scalar(pixels, DType.I64))
    rows = _rows(build, image)
    terms = []
    for taps in product(*axes):
        seen = _tap_values(build, rows, image.shape[2:], first, taps)
        weight = _weight(build, taps)
        assert weight is not None
        terms.append(build.map(Function.MUL, seen, weight))
    best = mode == "max"
    joined = terms[0]
    for term in terms[1:]:
        joined = build.map(Function.MAX if best else Function.ADD, joined, term)
    pooled = over(build, Reduction.MAX if best else Reduction.SUM, joined, [2, 4])
    if not best:
        pooled = build.map(Function.DIV, pooled, _number(build, ratio * ratio))
    found = build.reshape(pooled, (regions.shape[0], *shape, image.shape[1]))
    return build.cast(build.transpose(found, (0, 3, 1, 2)), node.input(0).dtype)


def _region_taps(
    node: Node, regions: Value, axis: int, size: int, bins: int, ratio: int, half: bool
) -> list[_Tap]:
    """Both neighbours of every sample on an axis; as [R, bins, ratio, 1, 1] or [R, 1, 1, ...]."""
    build, number = node.build, partial(_number, node.build)
    scale = number(node.number("spatial_scale", 1.0))
    lead = (regions.shape[0], *[1] * 4)
    start, end = (
        build.map(
            Function.MUL, build.reshape(cut(build, regions, 1, 1 - axis + side, 1), lead), scale
        )
        for side in (0, 2)
    )
    if half:
        start, end = (build.map(Function.SUB, edge, number(0.5)) for edge in (start, end))
    extent = build.map(Function.SUB, end, start)
    if not half:
        extent = build.map(Function.MAX, extent, number(1))
    width = build.map(Function.DIV, extent, number(bins))
    split = (1, bins, 1, 1, 1) if axis == 0 else (1, 1, 1, bins, 1)
    fine = (1, 1, ratio, 1, 1) if axis == 0 else (1, 1, 1, 1, ratio)
    place = build.cast(build.iota(DType.I64, split, 1 + 2 * axis), DType.F32)
    sample = build.cast(build.iota(DType.I64, fine, 2 + 2 * axis), DType.F32)
    inner = build.map(Function.ADD, sample, number(0.5))
    step = build.map(Function.DIV, build.map(Function.MUL, inner, width), number(ratio))
    line = build.map(Function.ADD, start, build.map(Function.MUL, place, width))
    at = build.map(Function.ADD, line, step)
    inside = build.map(
        Function.AND,
        build.map(Function.LESS_EQUAL, number(-1), at),
        build.map(Function.LESS_EQUAL, at, number(size)),
    )
    at = build.map(Function.MAX, at, number(0))
    at = build.map(Function.MIN, at, number(size - 1))
    low = build.map(Function.FLOOR, at)
    far = build.map(Function.SUB, at, low)
    near = build.map(Function.SUB, number(1), far)
    high = build.map(Function.ADD, low, number(1))
    return [_Tap(low, near, inside), _Tap(high, far, inside)]
