import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

F32 = np.float32


@pytest.mark.parametrize(
    "options",
    [{}, {"strides": [2, 1]}, {"dilations": [2, 1]}, {"pads": [1, 0, 1, 2]}],
)
def test_columns_to_image(agree, rng, options):
    strides, dilations = options.get("strides", [1, 1]), options.get("dilations", [1, 1])
    pads = options.get("pads", [0] * 4)
    block, image = [2, 3], [7, 6]
    windows = [
        (image[a] + pads[a] + pads[a + 2] - dilations[a] * (block[a] - 1) - 1) // strides[a] + 1
        for a in (0, 1)
    ]
    x = rng.normal(size=(2, 3 * 6, windows[0] * windows[1])).astype(F32)
    constants = {"image": np.array(image), "block": np.array(block)}
    agree("Col2Im", {"x": x}, constants=constants, opset=18, **options)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 0, 1]])
def test_places_of_the_largest(agree, rng, order, pads):
    x = rng.integers(-3, 3, (2, 3, 6, 5)).astype(F32)  # with ties
    options = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": pads, "storage_order": order}
    agree("MaxPool", {"x": x}, outputs=["y", "places"], **options)


def test_places_of_the_largest_of_bytes(agree, rng):
    x = rng.integers(-128, -126, (1, 1, 5, 5)).astype(np.int8)
    options = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}
    agree("MaxPool", {"x": x}, outputs=["y", "places"], **options)


@pytest.mark.parametrize("shape", [None, [1, 2, 7, 6]])
def test_max_unpool(run, make_model, rng, shape):
    x = rng.permutation(72).reshape(1, 2, 6, 6).astype(F32)
    options = {"kernel_shape": [2, 2], "strides": [2, 2]}
    names = ["values", "places"] + (["shape"] if shape else [])
    nodes = [
        helper.make_node("MaxPool", ["x"], ["values", "places"], **options),
        helper.make_node("MaxUnpool", names, ["y"], **options),
    ]
    constants = {"shape": np.array(shape)} if shape else {}
    model = make_model(nodes, {"x": x}, {"y": TensorProto.FLOAT}, constants=constants)
    expected = ReferenceEvaluator(model).run(None, {"x": x})
    assert np.array_equal(run(model, {"x": x})[0], expected[0])
