import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.errors import InvalidIndex

F32 = np.float32


@pytest.fixture
def data(rng):
    return rng.normal(size=(4, 5, 3)).astype(F32)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_elements(agree, rng, data, axis, reduction):
    shape = (2, 3, 3)
    index = rng.integers(-data.shape[axis], data.shape[axis], shape)
    if reduction == "none":  # places that differ: ONNX leaves open which of equal ones wins
        line = np.arange(shape[axis]) - 1
        index = np.broadcast_to(np.expand_dims(line, [d for d in range(3) if d != axis % 3]), shape)
    feeds = {"data": data, "index": index, "updates": rng.normal(size=shape).astype(F32)}
    agree("ScatterElements", feeds, axis=axis, reduction=reduction, opset=18)


def test_older_names(agree, data):
    feeds = {"data": data, "index": np.array([[[1, 0, 2]]]), "updates": np.ones((1, 1, 3), F32)}
    agree("Scatter", feeds, axis=1, opset=9)
    agree("ScatterElements", feeds, axis=1, opset=11)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_nd(agree, rng, data, depth, reduction):
    index = np.stack(
        [rng.permutation(size)[:3] - (size if axis else 0) for axis, size in enumerate((4, 5, 3))]
    )
    index = np.ascontiguousarray(index[:depth].T)
    updates = rng.normal(size=(3, *data.shape[depth:])).astype(F32)
    feeds = {"data": data, "index": index, "updates": updates}
    agree("ScatterND", feeds, reduction=reduction, opset=18)


def test_integers_wrap_and_bools_are_replaced(agree):
    bytes_ = {
        "data": np.full(3, 200, np.uint8),
        "i": np.array([1, 1]),
        "u": np.full(2, 30, np.uint8),
    }
    agree("ScatterElements", bytes_, reduction="add", opset=18)
    bools = {"data": np.array([True, False]), "i": np.array([0, 1]), "u": np.array([False, True])}
    agree("ScatterElements", bools, opset=18)


def test_an_index_outside_is_a_fault(run, make_model, data):
    feeds = {"data": data, "index": np.array([[0, 5]]), "updates": np.ones((1, 3), F32)}
    node = helper.make_node("ScatterND", list(feeds), ["y"])
    with pytest.raises(InvalidIndex):
        run(make_model([node], feeds, {"y": TensorProto.FLOAT}), feeds)
