from __future__ import annotations

import numpy as np
import pytest

from aivm.compiler.quantise.weights import GROUP, by_channel, by_group


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_are_within_half_a_step(axis: int) -> None:
    weights = normal(5, 6, 7) * np.float32(3)
    found = by_channel(weights, axis)
    assert found.scales.shape == (weights.shape[axis],)
    shape = [-1 if other == axis else 1 for other in range(3)]
    steps = found.scales.reshape(shape)
    assert (np.abs(found.numbers * steps - weights) <= steps * 0.5001).all()
    assert np.abs(found.numbers).max() == 127  # the greatest weight of a channel is kept


def test_a_channel_of_zeros_stays_zero() -> None:
    found = by_channel(np.zeros((4, 3), np.float32), 1)
    assert not found.numbers.any()
    assert (found.scales > 0).all()


def unpacked(pairs: np.ndarray, scales: np.ndarray) -> np.ndarray:
    rows = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1, pairs.shape[1])
    numbers = (rows.astype(np.float32) - 8).reshape(-1, GROUP, pairs.shape[1])
    return (numbers * scales).reshape(rows.shape)


def test_groups_come_close_and_keep_their_order() -> None:
    weights = normal(4 * GROUP, 10)
    found = by_group(weights)
    assert found.pairs.shape == (2 * GROUP, 10)
    assert found.scales.shape == (4, 1, 10)
    wrong = unpacked(found.pairs, found.scales) - weights
    assert np.linalg.norm(wrong) < 0.1 * np.linalg.norm(weights)


def test_a_group_that_fits_is_exact() -> None:
    numbers = np.arange(GROUP) % 16 - 8
    weights = (numbers * np.float32(0.25)).reshape(GROUP, 1).astype(np.float32)
    found = by_group(weights)
    assert (unpacked(found.pairs, found.scales) == weights).all()


def test_a_group_of_zeros_stays_zero() -> None:
    found = by_group(np.zeros((GROUP, 2), np.float32))
    assert not unpacked(found.pairs, found.scales).any()
