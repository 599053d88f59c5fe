import numpy as np
import pytest

F32 = np.float32
CASES = {
    "plain": {"kernel_shape": [2, 3]},
    "strides": {"kernel_shape": [3, 2], "strides": [2, 2]},
    "pads": {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2], "strides": [2, 1]},
    "ceil": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    "ceil_pads": {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    "same": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "same_lower": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
}


@pytest.mark.parametrize("case", CASES)
def test_max_pool(agree, rng, case):
    agree("MaxPool", {"x": rng.normal(size=(2, 3, 8, 9)).astype(F32)}, **CASES[case])


def test_dilated_and_integer_max_pool(agree, rng):
    agree("MaxPool", {"x": rng.normal(size=(1, 2, 9)).astype(F32)}, kernel_shape=[3], dilations=[2])
    x = rng.integers(-128, 128, (1, 2, 6, 6)).astype(np.int8)
    agree("MaxPool", {"x": x}, kernel_shape=[2, 2], pads=[1, 1, 1, 1])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("include", [0, 1])
def test_average_pool(agree, rng, case, include):
    x = rng.normal(size=(2, 3, 8, 9)).astype(F32)
    agree("AveragePool", {"x": x}, count_include_pad=include, opset=19, **CASES[case])


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
def test_global_pools(agree, rng, operator, shape):
    agree(operator, {"x": rng.normal(size=shape).astype(F32)})


@pytest.mark.parametrize("p", [1, 2])
def test_power_pool(agree, rng, p):
    agree("LpPool", {"x": rng.normal(size=(1, 2, 6, 6)).astype(F32)}, kernel_shape=[2, 2], p=p)
