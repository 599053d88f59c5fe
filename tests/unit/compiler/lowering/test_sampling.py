import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import UnsupportedModel

F32 = np.float32


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_grid_sample(agree, rng, mode, padding, aligned):
    feeds = {
        "x": rng.normal(size=(2, 3, 5, 7)).astype(F32),
        "grid": rng.uniform(-1.4, 1.4, (2, 4, 6, 2)).astype(F32),
    }
    options = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    agree("GridSample", feeds, opset=16, **options)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample_of_volumes(agree, rng, mode):
    feeds = {
        "x": rng.normal(size=(1, 2, 3, 4, 5)).astype(F32),
        "grid": rng.uniform(-1.2, 1.2, (1, 2, 3, 4, 3)).astype(F32),
    }
    agree("GridSample", feeds, opset=20, mode=mode)


def test_a_place_that_is_no_number_is_no_fault(run, make_model):
    feeds = {"x": np.ones((1, 1, 2, 2), F32), "grid": np.full((1, 1, 1, 2), np.nan, F32)}
    node = helper.make_node("GridSample", ["x", "grid"], ["y"])
    (found,) = run(make_model([node], feeds, {"y": TensorProto.FLOAT}, opset=16), feeds)
    assert found.shape == (1, 1, 1, 1)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("half", ["half_pixel", "output_half_pixel"])
def test_roi_align(agree, rng, mode, half):
    corners = rng.uniform(0, 12, (4, 2))
    feeds = {
        "x": rng.normal(size=(2, 3, 8, 9)).astype(F32),
        "regions": np.hstack([corners, corners + rng.uniform(0, 9, (4, 2))]).astype(F32),
        "images": np.array([0, 1, 1, 0]),
    }
    agree(
        "RoiAlign", feeds, opset=16, mode=mode, coordinate_transformation_mode=half,
        output_height=3, output_width=2, sampling_ratio=2, spatial_scale=0.6,
    )  # fmt: skip


def test_a_number_of_samples_that_depends_on_the_regions_is_refused(make_model):
    feeds = {"x": np.ones((1, 1, 4, 4), F32), "r": np.ones((1, 4), F32), "i": np.array([0])}
    node = helper.make_node("RoiAlign", list(feeds), ["y"])
    with pytest.raises(UnsupportedModel, match="sampling_ratio"):
        compile_model(make_model([node], feeds, {"y": TensorProto.FLOAT}), {})
