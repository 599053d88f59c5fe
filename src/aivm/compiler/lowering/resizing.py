"""Resize: every result place is a weighted sum of a few source places, axis after axis.

Places and weights depend on shapes alone, so they are constants of the program, computed here in
binary64 (Python floats, which are the same everywhere) and rounded once to F32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np

from aivm.compiler.node import Node, normalised_axes
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

Taps = list[tuple[int, float]]
"""Source places (perhaps outside the axis) and their weights."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """How one axis is resized; `start` and `end` are the region of tf_crop_and_resize."""

    size: int
    result: int
    scale: float
    start: float = 0.0
    end: float = 1.0


def _half_pixel(axis: _Axis, place: int) -> float:
    return (place + 0.5) / axis.scale - 0.5


def _half_pixel_symmetric(axis: _Axis, place: int) -> float:
    adjustment = axis.result / (axis.scale * axis.size)
    return axis.size / 2 * (1 - adjustment) + (place + 0.5) / axis.scale - 0.5


def _pytorch_half_pixel(axis: _Axis, place: int) -> float:
    return _half_pixel(axis, place) if axis.result > 1 else 0.0


def _align_corners(axis: _Axis, place: int) -> float:
    return place * (axis.size - 1) / (axis.result - 1) if axis.result > 1 else 0.0


def _align_fractional_corners(axis: _Axis, place: int) -> float:
    """The length that the scale gives counts as it is, before it is rounded down."""
    length = axis.scale * axis.size
    return place * (axis.size - 1) / (length - 1) if axis.result > 1 else 0.0


def _asymmetric(axis: _Axis, place: int) -> float:
    return place / axis.scale


def _half_pixel_for_nearest(axis: _Axis, place: int) -> float:
    return (place + 0.5) / axis.scale


def _crop_and_resize(axis: _Axis, place: int) -> float:
    extent = axis.size - 1
    if axis.result > 1:
        step = (axis.end - axis.start) * extent / (axis.result - 1)
        return axis.start * extent + place * step
    return 0.5 * (axis.start + axis.end) * extent


# Since this version ONNX says that lengths can be fractions, and its own tests have them so.
_FRACTIONAL_LENGTHS = 19
_FRACTIONAL_CORNERS = "align_corners with fractional lengths"
_COORDINATES: dict[str, Callable[[_Axis, int], float]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    _FRACTIONAL_CORNERS: _align_fractional_corners,
    "asymmetric": _asymmetric,
    "tf_half_pixel_for_nn": _half_pixel_for_nearest,
    "tf_crop_and_resize": _crop_and_resize,
}
_NEAREST: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: ceil(x - 0.5),
    "round_prefer_ceil": lambda x: floor(x + 0.5),
    "floor": floor,
    "ceil": ceil,
}


@dataclass(frozen=True, slots=True)
class _Filter:
    """How coordinates become taps."""

    mode: str
    coordinates: str
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    antialias: bool = False
    exclude_outside: bool = False

    def taps(self, axis: _Axis, place: int) -> Taps:
        where = _COORDINATES[self.coordinates](axis, place)
        if self.mode == "nearest":
            return [(_NEAREST[self.nearest](where), 1.0)]
        shrink = min(1.0, axis.scale) if self.antialias else 1.0
        reach = (1.0 if self.mode == "linear" else 2.0) / shrink
        first, last = ceil(where - reach), floor(where + reach)
        taps = [(p, self._kernel((p - where) * shrink)) for p in range(first, last + 1)]
        if self.exclude_outside:
            taps = [(p, weight) for p, weight in taps if 0 <= p < axis.size]
        total = sum(weight for _, weight in taps)
        return [(p, weight / total) for p, weight in taps if weight] if total else [(first, 1.0)]

    def _kernel(self, distance: float) -> float:
        x = abs(distance)
        if self.mode == "linear":
            return max(0.0, 1 - x)
        a = self.cubic_a
        if x <= 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


@operator("Resize", since=10, until=11)
@operator("Upsample", since=7, until=10)
def resize_by_scales(node: Node) -> Value:
    """Before version 11: asymmetric coordinates, the floor of them in mode nearest."""
    value = node.input(0)
    if node.version < 9:
        scales = list(node.attributes["scales"].floats)
    else:
        scales = _known_floats(node, 1)
    _check_count(scales, value.rank)
    mode = node.text("mode", "nearest")
    axes = {
        axis: _Axis(size, floor(size * scale), scale)
        for axis, (size, scale) in enumerate(zip(value.shape, scales, strict=True))
    }
    return _resized(node, value, axes, _Filter(mode, "asymmetric", "floor"))


@operator("Resize", since=11)
def resize(node: Node) -> Value:
    value = node.input(0)
    filtering = _Filter(
        node.text("mode", "nearest"),
        node.text("coordinate_transformation_mode", "half_pixel"),
        node.text("nearest_mode", "round_prefer_floor"),
        node.number("cubic_coeff_a", -0.75),
        bool(node.integer("antialias", 0)),
        bool(node.integer("exclude_outside", 0)),
    )
    if filtering.mode not in ("nearest", "linear", "cubic"):
        raise Malformed(f"there is no mode {filtering.mode!r}")
    if filtering.coordinates not in _COORDINATES or filtering.nearest not in _NEAREST:
        raise Malformed("coordinate_transformation_mode or nearest_mode is unknown")
    axes = _read_axes(node, value, filtering)
    if filtering.coordinates == "align_corners" and node.version >= _FRACTIONAL_LENGTHS:
        filtering = replace(filtering, coordinates=_FRACTIONAL_CORNERS)
    result = _resized(node, value, axes, filtering)
    if filtering.coordinates == "tf_crop_and_resize":
        return _extrapolated(node, result, axes)
    return result


def _read_axes(node: Node, value: Value, filtering: _Filter) -> dict[int, _Axis]:
    """The axes that are named, with their result sizes and scales."""
    named = normalised_axes(node.integers("axes") or list(range(value.rank)), value.rank)
    roi = [0.0] * len(named) + [1.0] * len(named)
    if filtering.coordinates == "tf_crop_and_resize":
        roi = _known_floats(node, 1)
        _check_count(roi, 2 * len(named))
    sizes, scales = _sizes_and_scales(node, [value.shape[axis] for axis in named])
    return {
        axis: _Axis(
            value.shape[axis], sizes[place], scales[place], roi[place], roi[place + len(named)]
        )
        for place, axis in enumerate(named)
    }


def _sizes_and_scales(node: Node, present: Sequence[int]) -> tuple[list[int], list[float]]:
    scales = node.optional(2)
    if scales is not None and scales.type.elements:
        factors = _known_floats(node, 2)
        _check_count(factors, len(present))
        return [floor(n * f) for n, f in zip(present, factors, strict=True)], factors
    wanted = node.known_integers(3)
    _check_count(wanted, len(present))
    if any(size < 1 for size in (*present, *wanted)):
        raise Malformed(f"an axis cannot be resized from {list(present)} to {wanted}")
    factors = [size / n for size, n in zip(wanted, present, strict=True)]
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        factor = min(factors) if policy == "not_larger" else max(factors)
        return [floor(n * factor + 0.5) for n in present], [factor] * len(factors)
    return wanted, factors


def _known_floats(node: Node, place: int) -> list[float]:
    array = node.known(place)
    if array.dtype != np.float32 or array.ndim != 1 or not np.isfinite(array).all():
        raise Malformed(f"input {place} must be a vector of finite float32 numbers")
    return [float(number) for number in array]


def _check_count(numbers: Sequence[float], expected: int) -> None:
    if len(numbers) != expected:
        raise Malformed(f"{len(numbers)} scales, sizes or bounds for {expected}")


def _resized(node: Node, value: Value, axes: dict[int, _Axis], filtering: _Filter) -> Value:
    for number, axis in axes.items():
        if axis.scale <= 0 or axis.result < 0:
            raise Malformed(f"axis {number} cannot be scaled by {axis.scale}")
        if axis.result != axis.size or axis.scale != 1 or axis.start or axis.end != 1:
            value = _resized_axis(node, value, number, axis, filtering)
    return value


def _resized_axis(node: Node, value: Value, number: int, axis: _Axis, filtering: _Filter) -> Value:
    """The taps of all result places, as index and weight vectors: their weighted sum."""
    build = node.build
    check_table(axis.result * max(1, ceil(1 / axis.scale) if filtering.antialias else 1))
    taps = [filtering.taps(axis, place) for place in range(axis.result)]
    count = max((len(tap) for tap in taps), default=0)
    shape = (axis.result, *[1] * (value.rank - number - 1))
    total = None
    for slot in range(count):
        entries = [tap[slot] if slot < len(tap) else (0, 0.0) for tap in taps]
        places = np.array([min(max(p, 0), axis.size - 1) for p, _ in entries], np.int64)
        picked = build.gather(value, build.constant(places), number)
        if filtering.mode == "nearest":
            return picked
        weights = np.array([weight for _, weight in entries], np.float32).reshape(shape)
        wide = build.cast(picked, DType.F32)
        if total is None:
            total = build.map(Function.MUL, wide, build.constant(weights))
        else:
            total = build.map(Function.FMA, wide, build.constant(weights), total)
    return value if total is None else build.cast(total, value.dtype)


def _extrapolated(node: Node, value: Value, axes: Mapping[int, _Axis]) -> Value:
    """A given value wherever a coordinate lies outside the image."""
    build = node.build
    filling = build.scalar(node.number("extrapolation_value", 0.0), value.dtype)
    for number, axis in axes.items():
        places = [_crop_and_resize(axis, place) for place in range(axis.result)]
        outside = np.array([not 0 <= place <= axis.size - 1 for place in places])
        if outside.any():
            shape = (axis.result, *[1] * (value.rank - number - 1))
            mask = build.constant(outside.reshape(shape))
            value = build.map(Function.SELECT, mask, filling, value)
    return value
