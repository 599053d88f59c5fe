import numpy as np
import pytest
from onnx import TensorProto, helper

F32 = np.float32


def test_float_powers(agree):
    x = np.array([0.5, 1, 2, 3], F32)
    for exponent in (np.array(2, F32), np.array(0.5, F32), np.array([1, 2, 3, -1], F32)):
        agree("Pow", {"x": x}, constants={"e": exponent})
        agree("Pow", {"x": x, "e": exponent})
    agree("Pow", {"x": x}, constants={"e": np.array(2)})


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_powers(agree, dtype):
    x = np.array([-3, -1, 0, 1, 2, 7], dtype)
    agree("Pow", {"x": x, "e": np.array([3, 63, 5, 60, 30, 11], dtype)})
    agree("Pow", {"x": x}, constants={"e": np.array(5)})
    agree("Pow", {"x": x, "e": np.array([3, 2, 1, 7, 10, 4], F32)})


def test_large_integer_powers_are_exact(run, make_model):
    x, e = np.array([3, -1, 1, 2, 2]), np.array([39, 1001, 2**40, 62, -1])
    node = helper.make_node("Pow", ["x", "e"], ["y"])
    found = run(make_model([node], {"x": x, "e": e}, {"y": TensorProto.INT64}), {"x": x, "e": e})
    assert found[0].tolist() == [3**39, -1, 1, 2**62, 0]


@pytest.mark.parametrize("fmod", [0, 1])
def test_integer_remainders(agree, rng, fmod):
    x, y = rng.integers(-100, 100, 50), rng.integers(1, 20, 50) * rng.choice([-1, 1], 50)
    agree("Mod", {"a": x, "b": y}, fmod=fmod)


def test_float_remainders_are_exact(run, make_model, rng):
    x = (rng.normal(size=400) * 10.0 ** rng.integers(-30, 30, 400)).astype(F32)
    y = (rng.normal(size=400) * 10.0 ** rng.integers(-30, 30, 400)).astype(F32)
    feeds = {"x": x, "y": y}
    node = helper.make_node("Mod", ["x", "y"], ["r"], fmod=1)
    (found,) = run(make_model([node], feeds, {"r": TensorProto.FLOAT}), feeds)
    assert np.array_equal(found, np.fmod(x, y))


def test_remainders_with_the_sign_of_the_divisor(run, make_model):
    x, y = np.array([5.5, -5.5, 5.5, -5.5, 6], F32), np.array([2, 2, -2, -2, -2], F32)
    feeds = {"x": x, "y": y}
    model = make_model([helper.make_node("Mod", ["x", "y"], ["r"])], feeds, {"r": 1}, opset=23)
    assert run(model, feeds)[0].tolist() == [1.5, 0.5, -0.5, -1.5, 0]
