import numpy as np
import pytest

F32 = np.float32


@pytest.mark.parametrize("operator", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int32])
def test_comparisons(agree, rng, operator, dtype):
    x = rng.integers(-3, 3, (4, 5)).astype(dtype)
    agree(operator, {"x": x, "z": rng.integers(-3, 3, (5,)).astype(dtype)})


def test_nan_is_not_comparable(agree):
    x = np.array([np.nan, 1, np.nan], F32)
    agree("GreaterOrEqual", {"x": x, "z": np.array([np.nan, np.nan, 1], F32)})


@pytest.mark.parametrize("operator", ["And", "Or", "Xor"])
def test_logic(agree, rng, operator):
    x = rng.integers(0, 2, (4, 5)).astype(bool)
    agree(operator, {"x": x, "z": rng.integers(0, 2, (5,)).astype(bool)})


def test_not(agree, rng):
    agree("Not", {"x": rng.integers(0, 2, (4, 5)).astype(bool)})


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_where_broadcasts_three_operands(agree, rng, dtype):
    feeds = {
        "c": rng.integers(0, 2, (4, 1)).astype(bool),
        "x": rng.integers(0, 9, (5,)).astype(dtype),
        "z": rng.integers(0, 9, (2, 1, 1)).astype(dtype),
    }
    agree("Where", feeds)


@pytest.mark.parametrize("signs", [{}, {"detect_negative": 0}, {"detect_positive": 0}])
def test_infinities_by_sign(agree, signs):
    agree("IsInf", {"x": np.array([np.inf, -np.inf, 0, np.nan, 1], F32)}, **signs)


def test_is_nan(agree):
    agree("IsNaN", {"x": np.array([np.inf, -np.inf, 0, np.nan, 1], F32)})
