import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import UnsupportedModel

F32 = np.float32


def branches():
    """then: x + 1 (a name of the outer graph); else: x * x."""

    def graph(name, nodes, constants=()):
        output = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        return helper.make_graph(nodes, name, [], [output], list(constants))

    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    add = helper.make_node("Add", ["x", "one"], ["then_out"])
    multiply = helper.make_node("Mul", ["x", "x"], ["else_out"])
    return {
        "then_branch": graph("then", [add], [one]),
        "else_branch": graph("else", [multiply]),
    }


@pytest.mark.parametrize(("size", "expected"), [(2, [2, 3]), (3, [1, 4, 9])])
def test_a_condition_on_shapes_is_decided_at_compile_time(run, make_model, size, expected):
    nodes = [
        helper.make_node("Size", ["x"], ["n"]),
        helper.make_node("Less", ["n", "three"], ["small"]),
        helper.make_node("If", ["small"], ["y"], **branches()),
    ]
    x = np.arange(1, size + 1, dtype=F32)
    constants = {"three": np.array(3, np.int64)}
    model = make_model(nodes, {"x": x}, {"y": TensorProto.FLOAT}, constants=constants)
    assert run(model, {"x": x})[0].tolist() == expected


def test_a_condition_on_data_is_refused_unless_it_is_bound(make_model):
    inputs = {"x": np.ones(2, F32), "flag": np.array(True)}
    node = helper.make_node("If", ["flag"], ["y"], name="choice", **branches())
    model = make_model([node], inputs, {"y": TensorProto.FLOAT})
    with pytest.raises(UnsupportedModel, match=r"'choice'.*condition depends") as caught:
        compile_model(model, {})
    assert "bindings" in caught.value.hint
    compiled = compile_model(model, {}, bindings={"flag": np.array(True)})
    assert compiled.input_names == ("x",)


def test_dropout_passes_its_input_on(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("Dropout", {"x": x}, opset=13)
    agree("Dropout", {"x": x}, outputs=["y", "mask"], opset=13)
    agree("Dropout", {"x": x}, opset=7, ratio=0.3)


def test_identity(agree, rng):
    agree("Identity", {"x": rng.normal(size=(3, 4)).astype(F32)})
