from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aivm.engines.plan.views import (
    Shape,
    View,
    broadcast,
    dense_strides,
    dense_view,
    merged_axes,
    moved,
    pads,
    reshaped,
    split_of,
    strides_over,
)
from aivm.isa.instructions import Move, TensorType
from aivm.numerics.dtypes import DType


def elements(view: View, stored: np.ndarray) -> np.ndarray:
    """What the view shows of a flat array."""
    index = np.full(view.shape, view.offset)
    for axis, stride in enumerate(view.strides):
        steps = np.arange(view.shape[axis]) * stride
        index = index + steps.reshape([-1 if a == axis else 1 for a in range(len(view.shape))])
    return stored[index]


def move(shape: Shape, source: Shape, axes: Shape, steps: Shape, origins: Shape) -> Move:
    return Move((0,), TensorType(DType.F32, shape), source, axes, steps, origins)


def test_dense_views_are_dense_whatever_the_stride_of_a_single_element() -> None:
    assert dense_view(0, (2, 3, 4)).is_dense
    assert View(0, 5, (2, 1, 3), (3, 99, 1)).is_dense
    assert not View(0, 0, (2, 3), (1, 2)).is_dense
    assert not View(0, 0, (2, 3), (0, 1)).is_dense


def test_a_transposed_view_is_split_and_merged_where_strides_allow() -> None:
    heads = moved(
        dense_view(0, (128, 384)),
        move((12, 128, 32), (128, 12, 32), (1, 0, 2), (1, 1, 1), (0, 0, 0)),
    )
    assert heads == View(0, 0, (12, 128, 32), (32, 384, 1))
    assert reshaped(heads, (3, 4, 128, 32)) == View(0, 0, (3, 4, 128, 32), (128, 32, 384, 1))
    assert reshaped(heads, (128, 12, 32)) is None


@given(st.permutations([2, 3, 4]), st.sampled_from([(24,), (4, 6), (2, 12), (6, 1, 4), (8, 3)]))
def test_a_reshaped_view_shows_the_same_elements(order: list[int], shape: Shape) -> None:
    sizes, axes = (2, 3, 4), [[2, 3, 4].index(size) for size in order]
    stored = np.arange(24)
    strides = tuple(dense_strides(sizes)[axis] for axis in axes)
    view = View(0, 0, tuple(order), strides)
    again = reshaped(view, shape)
    if again is not None:
        expected = elements(view, stored).reshape(shape)
        np.testing.assert_array_equal(elements(again, stored), expected)


def test_moves_compose_into_offset_and_strides() -> None:
    stored = np.arange(20)
    flipped = moved(dense_view(0, (20,)), move((4, 5), (4, 5), (0, 1), (1, -1), (0, 4)))
    assert flipped is not None
    sliced = moved(flipped, move((2, 3), (4, 5), (0, 1), (2, 2), (1, 0)))
    assert sliced is not None
    expected = stored.reshape(4, 5)[:, ::-1][1::2, ::2]
    np.testing.assert_array_equal(elements(sliced, stored), expected)


def test_a_move_that_leaves_its_source_is_no_view() -> None:
    outside = move((4,), (3,), (0,), (1,), (0,))
    assert pads(outside)
    assert moved(dense_view(0, (3,)), outside) is None
    assert not pads(move((0,), (3,), (0,), (1,), (9,)))
    assert pads(move((2, 2), (3,), (0, 0), (1, 2), (0,)))
    assert not pads(move((2, 2), (4,), (0, 0), (1, 2), (0,)))


def test_broadcasting_gives_zero_strides() -> None:
    assert broadcast(dense_view(0, (3, 1)), (2, 3, 4)) == View(0, 0, (2, 3, 4), (0, 1, 0))
    assert strides_over(dense_view(0, (5,)), (1, 4, 1, 5)) == (0, 1)


def test_axes_merge_only_where_all_operands_allow() -> None:
    assert merged_axes((2, 3, 4), ((12, 4, 1),)) == [(24, (1,))]
    assert merged_axes((2, 3, 4), ((12, 4, 1), (0, 0, 1))) == [(6, (4, 0)), (4, (1, 1))]
    assert merged_axes((1, 1), ((7, 7),)) == [(1, (0,))]
    assert merged_axes((2, 1, 4), ((4, 99, 1),)) == [(8, (1,))]


def test_splits() -> None:
    assert split_of((2, 3, 4), 6, 4) == 2
    assert split_of((2, 3, 4), 2, 12) == 1
    assert split_of((2, 3, 4), 1, 24) == 0
    assert split_of((2, 3, 4), 4, 6) is None
    assert split_of((), 1, 1) == 0
