import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler.lowering.spectra import turn_table

F32 = np.float32


@pytest.mark.parametrize("length", [1, 2, 3, 8, 12, 100, 1024])
def test_tables_are_cosines_and_sines(length):
    angles = 2 * np.pi * np.arange(length) / length
    np.testing.assert_allclose(turn_table(length), [np.cos(angles), np.sin(angles)], atol=3.1e-8)


def transform(make_model, run, operator, feeds, constants, opset=20, **attributes):
    node = helper.make_node(operator, [*feeds, *constants], ["y"], **attributes)
    model = make_model([node], feeds, {"y": TensorProto.FLOAT}, constants=constants, opset=opset)
    (found,) = run(model, feeds)
    return found[..., 0] + 1j * found[..., 1] if found.shape[-1] == 2 else found[..., 0]


@pytest.mark.parametrize("axis", [1, -2])
@pytest.mark.parametrize("length", [None, 5, 12])
def test_transforms(make_model, run, rng, axis, length):
    x = rng.normal(size=(2, 8, 6, 2)).astype(F32)
    numbers, place = x[..., 0] + 1j * x[..., 1], axis if axis > 0 else axis + 1
    constants = {"n": np.array(length if length else x.shape[axis]), "axis": np.array(axis)}
    for inverse, expected in ((0, np.fft.fft), (1, np.fft.ifft)):
        found = transform(make_model, run, "DFT", {"x": x}, constants, inverse=inverse)
        np.testing.assert_allclose(found, expected(numbers, length, axis=place), atol=2e-6)


def test_one_sided_transforms(make_model, run, rng):
    x = rng.normal(size=(3, 9, 1)).astype(F32)
    sizes = {"n": np.array(9), "axis": np.array(1)}
    half = transform(make_model, run, "DFT", {"x": x}, sizes, onesided=1)
    np.testing.assert_allclose(half, np.fft.rfft(x[..., 0]), atol=2e-6)
    parts = np.stack([half.real, half.imag], axis=-1).astype(F32)
    back = transform(make_model, run, "DFT", {"x": parts}, sizes, onesided=1, inverse=1)
    np.testing.assert_allclose(back, x[..., 0], atol=2e-6)


def test_the_axis_is_an_attribute_in_version_17(agree, rng):
    agree("DFT", {"x": rng.normal(size=(2, 8, 1)).astype(F32)}, axis=1, opset=17)


def test_spectra_of_windows(agree, rng):
    x = {"x": rng.normal(size=(2, 40, 1)).astype(F32)}
    step, window = np.array(5), np.hanning(16).astype(F32)
    for onesided in (0, 1):
        agree("STFT", x, constants={"step": step, "w": window}, opset=17, onesided=onesided)
