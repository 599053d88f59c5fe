import numpy as np
import pytest

F32 = np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantise_for_all(agree, rng, dtype):
    x = (rng.normal(size=(3, 40)) * 300).astype(F32)
    point = {"s": np.array(0.7, F32), "z": np.array(5, dtype)}
    agree("QuantizeLinear", {"x": x}, constants=point)


def test_quantise_ties_go_to_even(agree):
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9], F32)
    agree("QuantizeLinear", {"x": x}, constants={"s": np.array(1, F32), "z": np.array(0, np.int8)})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scales_along_an_axis(agree, rng, axis):
    x = rng.integers(-128, 128, (3, 3, 3)).astype(np.int8)
    point = {"s": rng.uniform(0.1, 1, 3).astype(F32), "z": np.array([1, -2, 3], np.int8)}
    agree("DequantizeLinear", {"x": x}, constants=point, axis=axis)
    agree("QuantizeLinear", {"x": x.astype(F32)}, constants=point, axis=axis)


def test_blocks(agree, rng):
    x = rng.integers(-128, 128, (2, 5)).astype(np.int8)
    point = {"s": rng.uniform(0.1, 1, (2, 3)).astype(F32)}
    agree("DequantizeLinear", {"x": x}, constants=point, opset=21, axis=1, block_size=2)


def test_dequantised_sums(agree, rng):
    x = rng.integers(-(2**31), 2**31, (4,)).astype(np.int32)
    agree("DequantizeLinear", {"x": x}, constants={"s": np.array(0.01, F32)})


def test_quantised_matmul_with_zero_points(agree, rng):
    a = rng.integers(0, 256, (3, 4)).astype(np.uint8)
    b = rng.integers(-128, 128, (4, 5)).astype(np.int8)
    agree("MatMulInteger", {"a": a, "b": b})
    points = {"az": np.array(7, np.uint8), "bz": np.arange(5, dtype=np.int8)}
    agree("MatMulInteger", {"a": a, "b": b}, constants=points)


def test_quantised_convolution(agree, rng):
    x = rng.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8)
    w = {"w": rng.integers(0, 256, (3, 2, 3, 3)).astype(np.uint8), "xz": np.array(9, np.uint8)}
    agree("ConvInteger", {"x": x}, constants=w, pads=[1, 1, 1, 1])


def test_dynamic_quantisation_is_expanded(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("DynamicQuantizeLinear", {"x": x}, outputs=["y", "scale", "zero"])
