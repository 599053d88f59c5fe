import numpy as np
import pytest

F32 = np.float32
REDUCTIONS = [
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
]  # fmt: skip
AXES = [[0], [1], [2], [-1], [0, 1], [1, 2], [0, 2], [0, 1, 2], [-1, 0]]


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_every_choice_of_axes(agree, rng, operator, axes):
    x = rng.uniform(0.5, 2, (3, 4, 5)).astype(F32)
    constants = {"axes": np.array(axes, np.int64)}
    agree(operator, {"x": x}, constants=constants, opset=18, keepdims=len(axes) % 2)


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceL2"])
def test_axes_as_attribute_before_version_18(agree, rng, operator):
    x = rng.normal(size=(3, 4, 5)).astype(F32)
    agree(operator, {"x": x}, opset=13, axes=[1], keepdims=0)
    agree(operator, {"x": x}, opset=13)


def test_no_axes_means_all_or_none(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    none = {"axes": np.array([], np.int64)}
    agree("ReduceSum", {"x": x}, constants=none)
    agree("ReduceSum", {"x": x}, constants=none, noop_with_empty_axes=1)


def test_axes_of_size_one_need_no_transposition(agree, rng):
    x = rng.normal(size=(3, 1, 4, 1, 5)).astype(F32)
    agree("ReduceSum", {"x": x}, constants={"axes": np.array([0, 2, 3], np.int64)}, keepdims=0)


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"])
def test_integers(agree, rng, operator):
    x = rng.integers(-5, 5, (3, 4)).astype(np.int32)
    agree(operator, {"x": x}, constants={"axes": np.array([1], np.int64)}, opset=18)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_places_of_extremes_among_equals(agree, rng, operator, axis, last, keepdims):
    x = rng.integers(0, 3, (4, 6, 5)).astype(F32)
    agree(operator, {"x": x}, axis=axis, select_last_index=last, keepdims=keepdims)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_running_sums(agree, rng, exclusive, reverse, axis):
    x = rng.normal(size=(5, 7)).astype(F32)
    constants = {"axis": np.array(axis, np.int64)}
    agree("CumSum", {"x": x}, constants=constants, exclusive=exclusive, reverse=reverse)
