import numpy as np
import pytest

F32 = np.float32
CASES = {
    "plain": {},
    "pads": {"pads": [1, 0, 2, 1]},
    "strides": {"strides": [2, 3]},
    "dilations": {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
    "same_upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same_lower": {"auto_pad": "SAME_LOWER", "strides": [3, 2]},
    "valid": {"auto_pad": "VALID"},
}


@pytest.mark.parametrize("case", CASES)
def test_conv_2d(agree, rng, case):
    x = rng.normal(size=(2, 3, 9, 8)).astype(F32)
    weights = {"w": rng.normal(size=(4, 3, 3, 2)).astype(F32), "b": np.arange(4, dtype=F32)}
    agree("Conv", {"x": x}, constants=weights, **CASES[case])


@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_groups(agree, rng, group, bias):
    x = rng.normal(size=(2, 4, 6, 6)).astype(F32)
    weights = {"w": rng.normal(size=(8, 4 // group, 3, 3)).astype(F32)}
    if bias:
        weights["b"] = rng.normal(size=8).astype(F32)
    agree("Conv", {"x": x}, constants=weights, group=group, pads=[1, 1, 1, 1])


@pytest.mark.parametrize("shape", [(7,), (5, 6, 4)])
def test_one_and_three_spatial_axes(agree, rng, shape):
    x = rng.normal(size=(1, 2, *shape)).astype(F32)
    w = rng.normal(size=(3, 2, *[2] * len(shape))).astype(F32)
    agree("Conv", {"x": x}, constants={"w": w}, pads=[1] * (2 * len(shape)))


@pytest.mark.parametrize("strides", [[1, 1], [2, 2]])
def test_one_by_one(agree, rng, strides):
    x = rng.normal(size=(2, 3, 4, 4)).astype(F32)
    w = rng.normal(size=(5, 3, 1, 1)).astype(F32)
    agree("Conv", {"x": x}, constants={"w": w}, strides=strides)


def test_weights_may_be_an_input(agree, rng):
    x, w = rng.normal(size=(1, 2, 5, 5)).astype(F32), rng.normal(size=(2, 2, 3, 3)).astype(F32)
    agree("Conv", {"x": x, "w": w})


TRANSPOSED = {
    "plain": {},
    "strides": {"strides": [2, 3]},
    "pads": {"strides": [2, 2], "pads": [1, 0, 0, 1]},
    "output_padding": {"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]},
    "dilations": {"dilations": [2, 2], "strides": [1, 2]},
    "output_shape": {"strides": [2, 2], "output_shape": [9, 8]},
    "same_upper": {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "same_lower": {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
}


@pytest.mark.parametrize("case", TRANSPOSED)
@pytest.mark.parametrize("group", [1, 2])
def test_conv_transpose(agree, rng, case, group):
    x = rng.normal(size=(2, 4, 4, 4)).astype(F32)
    weights = {"w": rng.normal(size=(4, 3, 3, 2)).astype(F32)}
    weights["b"] = rng.normal(size=3 * group).astype(F32)
    agree("ConvTranspose", {"x": x}, constants=weights, group=group, **TRANSPOSED[case])
