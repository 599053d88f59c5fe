import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import UnsupportedModel

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
X = np.array([[1.5, -2.25, 3], [0.1, 7, -8]], np.float32)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def cast(source, target, to):
    return node("Cast", [source], target, to=to)


def check(make_model, run, nodes, constants=None, kind=FLOAT):
    model = make_model(nodes, {"x": X}, {"y": kind}, constants=constants)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, {"x": X})
    (found,) = run(model, {"x": X})
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_constants_are_computed_in_binary64_and_rounded_once(make_model, run):
    nodes = [
        node("Mul", ["third", "seven"], "product"),
        node("Sqrt", ["product"], "root"),
        node("Sub", ["root", "third"], "rest"),
        cast("rest", "narrow", FLOAT),
        node("Mul", ["x", "narrow"], "y"),
    ]
    check(make_model, run, nodes, {"third": np.array(1 / 3), "seven": np.array([[7.1]])})


def test_sizes_are_scaled_as_exporters_do_it(make_model, run):
    nodes = [
        node("Shape", ["x"], "shape"),
        cast("shape", "sizes", DOUBLE),
        node("Mul", ["sizes", "factor"], "scaled"),
        node("Floor", ["scaled"], "whole"),
        cast("whole", "target", INT64),
        node("Expand", ["one", "target"], "y"),
    ]
    constants = {"factor": np.array([2.5, 1.7]), "one": np.ones((1, 1), np.float32)}
    check(make_model, run, nodes, constants)


def test_constants_are_cut_joined_and_compared(make_model, run):
    nodes = [
        node("Concat", ["a", "b"], "joined", axis=0),
        node("Slice", ["joined", "one", "three"], "middle"),
        node("Reshape", ["middle", "square"], "column"),
        cast("column", "narrow", FLOAT),
        node("Add", ["x", "narrow"], "y"),
    ]
    constants = {"a": np.array([0.1, 0.2]), "b": np.array([0.3])}
    constants |= {"one": np.array([1]), "three": np.array([3]), "square": np.array([2, 1])}
    check(make_model, run, nodes, constants)


def test_a_value_may_be_moved_and_compared_while_it_is_double(make_model, run):
    nodes = [
        cast("x", "wide", DOUBLE),
        node("Transpose", ["wide"], "turned"),
        node("Max", ["turned", "zero"], "positive"),
        node("Reshape", ["positive", "flat"], "line"),
        cast("line", "y", FLOAT),
    ]
    check(make_model, run, nodes, {"zero": np.array(0.0), "flat": np.array([6])})
    compare = [cast("x", "wide", DOUBLE), node("Less", ["wide", "two"], "y")]
    check(make_model, run, compare, {"two": np.array(2.0)}, kind=TensorProto.BOOL)


def test_a_double_exponent(make_model, run):
    model = make_model([node("Pow", ["x", "two"], "y")], {"x": X}, {"y": FLOAT},
                       constants={"two": np.array(2.0)})  # fmt: skip
    np.testing.assert_array_equal(run(model, {"x": X})[0], X * X)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([cast("x", "wide", DOUBLE), node("Exp", ["wide"], "e"), cast("e", "y", FLOAT)], {}),
        ([cast("x", "wide", DOUBLE), node("Mul", ["wide", "c"], "e"), cast("e", "y", FLOAT)],
         {"c": np.array(0.1)}),
        ([cast("x", "wide", DOUBLE), node("Less", ["wide", "c"], "y")], {"c": np.array(0.1)}),
        ([node("Exp", ["c"], "e"), cast("e", "y", FLOAT)], {"c": np.array([0.1])}),
    ],
)  # fmt: skip
def test_what_would_need_binary64_is_refused(make_model, nodes, constants):
    kind = TensorProto.BOOL if nodes[-1].op_type == "Less" else FLOAT
    model = make_model(nodes, {"x": X}, {"y": kind}, constants=constants)
    with pytest.raises(UnsupportedModel, match="DOUBLE is not defined"):
        compile_model(model, {})


def test_a_double_is_no_output(make_model):
    model = make_model([cast("x", "y", DOUBLE)], {"x": X}, {"y": DOUBLE})
    with pytest.raises(UnsupportedModel, match=r"DOUBLE is not defined|f64"):
        compile_model(model, {})
