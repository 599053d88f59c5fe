import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.errors import MalformedModel, UnsupportedModel

F32 = np.float32


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k(agree, rng, axis, largest):
    x = rng.integers(-3, 4, (4, 6, 5)).astype(F32)  # with many ties
    k = {"k": np.array([3])}
    for opset in (11, 24):
        options = {"axis": axis, "largest": largest, "opset": min(opset, 23)}
        agree("TopK", {"x": x}, constants=k, outputs=["values", "places"], **options)


def test_top_k_of_other_versions_and_types(agree, rng):
    x = rng.normal(size=(2, 7)).astype(F32)
    agree("TopK", {"x": x}, outputs=["values", "places"], k=2, opset=9)
    numbers = {"x": rng.integers(-50, 50, (3, 8))}
    agree("TopK", numbers, constants={"k": np.array([8])}, outputs=["values", "places"], opset=11)
    agree("TopK", {"x": x}, constants={"k": np.array([0])}, outputs=["v", "p"], opset=11)


def compiled_from(make_model, operator, x, constant, **attributes):
    outputs = ["y", "places"] if operator == "TopK" else ["y"]
    node = helper.make_node(operator, ["x", "c"], outputs, **attributes)
    model = make_model([node], {"x": x}, {"y": TensorProto.FLOAT}, constants={"c": constant})
    return compile_model(model, {})


def test_more_than_there_is(make_model):
    with pytest.raises(MalformedModel, match="no 9 elements"):
        compiled_from(make_model, "TopK", np.ones(3, F32), np.array([9]))
    with pytest.raises(MalformedModel, match="longer than axis 0"):
        compiled_from(make_model, "Compress", np.ones(2, F32), np.ones(5, bool), axis=0)


def test_lengths_that_depend_on_data_must_be_known(run, make_model):
    x = np.array([[0, 2, 0], [3, 0, 4]], F32)
    node = helper.make_node("NonZero", ["x"], ["y"])
    model = make_model([node], {"x": x}, {"y": TensorProto.INT64})
    with pytest.raises(UnsupportedModel, match="shapes would too") as caught:
        run(model, {"x": x})
    assert "bindings" in caught.value.hint


@pytest.mark.parametrize("x", [np.array([[0, 2, 0], [3, 0, 4]], F32), np.array(3), np.zeros(2)])
def test_non_zero(run, make_model, x):
    x = x.astype(F32)
    model = make_model(
        [helper.make_node("NonZero", ["c"], ["y"])],
        {},
        {"y": TensorProto.INT64},
        constants={"c": x},
    )
    expected = np.array(np.nonzero(x)) if x.ndim else np.zeros((0, 1))
    found = run(model, {})[0]
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_compress(agree, rng, axis):
    options = {} if axis is None else {"axis": axis}
    condition = {"c": np.array([False, True, True])}
    agree("Compress", {"x": rng.normal(size=(3, 4)).astype(F32)}, constants=condition, **options)


@pytest.mark.parametrize("sort", [0, 1])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_unique(make_model, sort, axis):
    x = np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]], F32)
    options = {} if axis is None else {"axis": axis}
    names = {"y": TensorProto.FLOAT} | dict.fromkeys(("first", "which", "count"), TensorProto.INT64)
    node = helper.make_node("Unique", ["x"], list(names), sorted=sort, **options)
    model = make_model([node], {"x": x}, names)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, {"x": x})
    compiled = compile_model(model, {}, bindings={"x": x})
    found = open_engine("reference").load(compiled.program, compiled.constants).run([])
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours, theirs)
