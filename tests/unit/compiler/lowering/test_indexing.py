import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.errors import InvalidIndex

F32 = np.float32


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2), (0,)])
def test_gather(agree, rng, axis, shape):
    x = rng.normal(size=(4, 5, 3)).astype(F32)
    agree("Gather", {"x": x, "i": rng.integers(-3, 3, shape)}, axis=axis)


def test_a_constant_place_is_a_slice(agree, rng):
    x = rng.normal(size=(4, 5)).astype(F32)
    agree("Gather", {"x": x}, constants={"i": np.array(-2, np.int64)}, axis=1)


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_elements(agree, rng, axis):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("GatherElements", {"x": x, "i": rng.integers(-3, 3, (2, 4))}, axis=axis)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gather_nd(agree, rng, depth):
    x = rng.normal(size=(3, 4, 5)).astype(F32)
    agree("GatherND", {"x": x, "i": rng.integers(-3, 3, (6, depth))})


def test_gather_nd_with_common_axes(agree, rng):
    x = rng.normal(size=(3, 4, 5)).astype(F32)
    agree("GatherND", {"x": x, "i": rng.integers(-4, 4, (3, 2, 1))}, batch_dims=1)


@pytest.mark.parametrize("operator", ["Gather", "GatherElements", "GatherND"])
@pytest.mark.parametrize("place", [4, -5, 2**61])
def test_a_place_outside_gives_no_result(run, make_model, operator, place):
    feeds = {"x": np.zeros((4, 4), F32), "i": np.full((1, 1), place, np.int64)}
    node = helper.make_node(operator, ["x", "i"], ["y"])
    with pytest.raises(InvalidIndex):
        run(make_model([node], feeds, {"y": TensorProto.FLOAT}), feeds)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_reverse_sequence(agree, rng, axes):
    x = rng.normal(size=(4, 4, 3)).astype(np.float32)
    lengths = np.array([1, 4, 2, 3])
    agree("ReverseSequence", {"x": x, "n": lengths}, time_axis=axes[0], batch_axis=axes[1])
