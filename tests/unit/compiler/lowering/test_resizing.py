import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.errors import UnsupportedModel

F32 = np.float32
COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


def scales(*values):
    return {"roi": np.array([], F32), "scales": np.array(values, F32)}


def sizes(*values):
    return {"sizes": np.array(values, np.int64)}


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("factor", [0.6, 1.0, 2.0, 2.5])
def test_modes_and_coordinates(agree, rng, mode, coordinates, factor):
    x = rng.normal(size=(1, 2, 5, 7)).astype(F32)
    agree(
        "Resize",
        {"x": x},
        constants=scales(1, 1, factor, factor),
        mode=mode,
        coordinate_transformation_mode=coordinates,
    )


@pytest.mark.parametrize("rule", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_rounding_of_nearest_places(agree, rng, rule):
    x = rng.normal(size=(1, 1, 6, 6)).astype(F32)
    agree("Resize", {"x": x}, constants=scales(1, 1, 0.5, 1.5), mode="nearest", nearest_mode=rule)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_sizes(agree, rng, mode):
    x = rng.normal(size=(1, 2, 5, 7)).astype(F32)
    names = ["x", "", "", "sizes"]
    agree("Resize", {"x": x}, constants=sizes(1, 2, 8, 3), inputs=names, mode=mode)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialiasing(agree, rng, mode):
    x = rng.normal(size=(1, 1, 9, 9)).astype(F32)
    constants = scales(1, 1, 0.4, 0.6)
    agree("Resize", {"x": x}, constants=constants, opset=18, mode=mode, antialias=1)


def test_cubic_without_the_outside(agree, rng):
    x = rng.normal(size=(1, 1, 4, 4)).astype(F32)
    constants = scales(1, 1, 1.5, 1.5)
    agree("Resize", {"x": x}, constants=constants, mode="cubic", exclude_outside=1)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_aspect_ratio_on_named_axes(agree, rng, policy):
    x = rng.normal(size=(1, 1, 4, 6)).astype(F32)
    agree(
        "Resize",
        {"x": x},
        constants=sizes(7, 8),
        inputs=["x", "", "", "sizes"],
        opset=18,
        axes=[2, 3],
        keep_aspect_ratio_policy=policy,
    )


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_version_10(agree, rng, mode):
    x = rng.normal(size=(1, 1, 4, 6)).astype(F32)
    constants = {"scales": np.array([1, 1, 2, 3], F32)}
    agree("Resize", {"x": x}, constants=constants, opset=10, mode=mode)


def test_scales_that_are_data_are_refused(make_model, run):
    feeds = {"x": np.zeros((1, 1, 2, 2), F32), "s": np.ones(4, F32)}
    node = helper.make_node("Resize", ["x", "", "s"], ["y"])
    with pytest.raises(UnsupportedModel, match="input 2 depends on the model's inputs"):
        run(make_model([node], feeds, {"y": TensorProto.FLOAT}), feeds)
