import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import UnsupportedModel

KINDS = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8, np.int32: TensorProto.INT32,
         np.uint64: TensorProto.UINT64, np.int64: TensorProto.INT64}  # fmt: skip


@pytest.mark.parametrize("dtype", list(KINDS))
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts(run, make_model, rng, dtype, direction):
    bits, info = 8 * np.dtype(dtype).itemsize, np.iinfo(dtype)
    x = rng.integers(info.min, info.max, 40, dtype=dtype, endpoint=True)
    amount = np.resize(np.arange(bits + 3), 40).astype(dtype)
    feeds = {"x": x, "n": amount}
    node = helper.make_node("BitShift", ["x", "n"], ["y"], direction=direction)
    # Signed types came with version 28; the rule is the same.
    opset = 26 if info.min == 0 else 28
    (found,) = run(make_model([node], feeds, {"y": KINDS[dtype]}, opset=opset), feeds)
    for number, count, result in zip(x.tolist(), amount.tolist(), found.tolist(), strict=True):
        whole = number >> count if direction == "RIGHT" else number << count
        wrapped = (whole - info.min) % 2**bits + info.min
        assert result == wrapped


def test_bits_read_as_another_integer(run, make_model):
    x = np.array([-1, 5, -128], np.int8)
    node = helper.make_node("BitCast", ["x"], ["y"], to=TensorProto.UINT8)
    (found,) = run(make_model([node], {"x": x}, {"y": TensorProto.UINT8}, opset=26), {"x": x})
    assert found.tolist() == [255, 5, 128]


def test_bits_of_floats_are_read_where_they_are_known(make_model):
    x = np.ones(2, np.float32)
    node = helper.make_node("BitCast", ["x"], ["y"], to=TensorProto.INT32)
    model = make_model([node], {"x": x}, {"y": TensorProto.INT32}, opset=26)
    with pytest.raises(UnsupportedModel, match="bits of F32"):
        compile_model(model, {})
    compile_model(model, {}, bindings={"x": x})
