"""Weights as small integers: symmetric, one scale for each channel or group.

A weight w is stored as q = w / s rounded to nearest even; what is computed with is s * q. At 8 bits
s = max |w| / 127 over the channel. At 4 bits q is -8 to 7, and s begins as the weight of greatest
size divided by -8, so that this one is kept exactly; of a few scales around it, the group takes the
one with the least squared error. All arithmetic here is binary32, each operation rounded once, so
the same weights give the same bytes on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

GROUP = 32  # weights that share a scale at 4 bits
_LARGEST = np.float32(127)
_OFFSET = 8  # a 4-bit number is stored as q + 8
_TRIED = np.arange(24, 37, dtype=np.float32) / np.float32(32)  # 0.75 to 1.125 of the first scale
# A channel of zeros has this scale: any will do, but for one whose inverse is infinite.
_LEAST = np.float32(2.0**-100)


@dataclass(frozen=True, slots=True)
class Channels:
    """8-bit weights: `numbers` I8 in the shape of the weights, `scales` F32, one a channel."""

    numbers: npt.NDArray[np.int8]
    scales: Floats


def by_channel(weights: Floats, axis: int) -> Channels:
    """One scale for each index of `axis`. The weights must be finite."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    largest = np.abs(weights).max(axis=others, initial=0).astype(np.float32)
    scales: Floats = np.maximum(largest / _LARGEST, _LEAST)
    shaped = scales.reshape([-1 if other == axis else 1 for other in range(weights.ndim)])
    return Channels(np.rint(weights / shaped).astype(np.int8), scales)


@dataclass(frozen=True, slots=True)
class Groups:
    """4-bit weights of shape (depth, columns): `pairs` U8 (depth / 2, columns), the lower half of a
    byte for the even row; `scales` F32 (depth / GROUP, 1, columns)."""

    pairs: npt.NDArray[np.uint8]
    scales: Floats


def by_group(weights: Floats) -> Groups:
    """One scale for GROUP rows of a column; the depth must be a multiple of GROUP."""
    depth, columns = weights.shape
    grouped = weights.reshape(depth // GROUP, GROUP, columns)
    scales = _group_scales(grouped)
    numbers = (_numbers(grouped, scales) + _OFFSET).astype(np.uint8)
    rows = numbers.reshape(depth // 2, 2, columns)
    pairs: npt.NDArray[np.uint8] = rows[:, 0] | rows[:, 1] << np.uint8(4)
    return Groups(pairs, scales)


def _numbers(grouped: Floats, scales: Floats) -> Floats:
    numbers: Floats = np.clip(np.rint(grouped / scales), -_OFFSET, _OFFSET - 1)
    return numbers


def _group_scales(grouped: Floats) -> Floats:
    """(groups, 1, columns)."""
    place = np.abs(grouped).argmax(axis=1)[:, None]
    first = np.take_along_axis(grouped, place, axis=1) / np.float32(-_OFFSET)
    first = np.where(np.abs(first) < _LEAST, _LEAST, first)
    best, least = first, np.full(first.shape, np.inf, np.float32)
    for factor in _TRIED:
        scales = first * factor
        wrong = scales * _numbers(grouped, scales) - grouped
        error = _summed(wrong * wrong)
        best, least = np.where(error < least, scales, best), np.minimum(error, least)
    return best


def _summed(grouped: Floats) -> Floats:
    """The sum over GROUP rows, by halves: an order of its own, that no library chooses."""
    while grouped.shape[1] > 1:
        half = grouped.shape[1] // 2
        grouped = grouped[:, :half] + grouped[:, half:]
    return grouped
