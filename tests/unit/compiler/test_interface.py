import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import TensorInterface, inspect_model
from aivm.errors import UnsupportedModel
from aivm.numerics.dtypes import DType


def test_names_dtypes_shapes_and_operators(make_model):
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Neg", ["n"], ["y"])]
    model = make_model(nodes, {"x": np.zeros((2, 3), np.int64)}, {"y": TensorProto.INT64})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value")
    interface = inspect_model(model.SerializeToString())
    assert interface.inputs == (TensorInterface("x", DType.I64, ("batch", None)),)
    assert interface.outputs == (TensorInterface("y", DType.I64, ("any",)),)
    assert (interface.opset, interface.operators) == (17, {"Neg": 2})


def test_constants_are_no_inputs(make_model):
    node = helper.make_node("Add", ["x", "w"], ["y"])
    feeds = {"x": np.zeros(2, np.float32), "w": np.zeros(2, np.float32)}
    model = make_model([node], feeds, {"y": TensorProto.FLOAT}, constants={"w": feeds["w"]})
    assert [tensor.name for tensor in inspect_model(model).inputs] == ["x"]


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.DOUBLE, TensorProto.COMPLEX64])
def test_types_that_cannot_be_passed(make_model, kind):
    model = make_model([helper.make_node("Identity", ["x"], ["y"])], {"x": np.zeros(2)}, {"y": 1})
    model.graph.input[0].type.tensor_type.elem_type = kind
    with pytest.raises(UnsupportedModel, match="'x': element type"):
        inspect_model(model)


def test_sequences_cannot_be_passed(make_model):
    model = make_model([helper.make_node("Identity", ["x"], ["y"])], {"x": np.zeros(2)}, {"y": 1})
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(tensor))
    with pytest.raises(UnsupportedModel, match="'x' is not a tensor"):
        inspect_model(model)
