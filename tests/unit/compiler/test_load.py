"""Files that are not good ONNX models end in a clear error of ours, never in anything else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from aivm.compiler import builder, compile_model, inspect_model, load_model
from aivm.compiler.load import in_one_piece
from aivm.errors import AivmError, InternalError, MalformedModel, UnsupportedModel
from aivm.numerics.dtypes import DType


def small_model() -> ModelProto:
    """y = max(x @ w + b, 0), through a reshape to a shape that is computed."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
        helper.make_node("Add", ["product", "b"], ["sum"], name="sum"),
        helper.make_node("Relu", ["sum"], ["positive"], name="relu"),
        helper.make_node("Shape", ["positive"], ["shape"], name="shape"),
        helper.make_node("Reshape", ["positive", "shape"], ["y"], name="reshape"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(np.ones((3, 2), np.float32), "w"),
            numpy_helper.from_array(np.ones(2, np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def refused(model: ModelProto | bytes, error: type[AivmError], reason: str) -> AivmError:
    with pytest.raises(error, match=reason) as caught:
        compile_model(model, {"x": (4, 3)})
    return caught.value


def test_the_small_model_is_good():
    assert compile_model(small_model().SerializeToString(), {"x": (4, 3)}).input_names == ("x",)


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a model", b"\x08\x08", bytes(1000)])
def test_other_files(data):
    refused(data, MalformedModel, "not an ONNX model")


def test_every_truncation_is_refused():
    data = small_model().SerializeToString()
    for length in range(0, len(data) - 1, 7):
        with pytest.raises((MalformedModel, UnsupportedModel)):
            compile_model(data[:length], {"x": (4, 3)})


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_give_a_program_or_a_clear_error(flips):
    data = bytearray(small_model().SerializeToString())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    try:
        inspect_model(bytes(data))
        compile_model(bytes(data), {"x": (4, 3)})
    except AivmError as error:
        assert not isinstance(error, InternalError)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_model(data):
    with pytest.raises(AivmError):
        compile_model(data, {})


@pytest.mark.parametrize("opset", [0, 29, 2**40])
def test_opsets_that_the_rules_do_not_know(opset):
    model = small_model()
    model.opset_import[0].version = opset
    refused(model, UnsupportedModel, f"opset {opset} is outside")


def test_a_domain_imported_twice():
    model = small_model()
    model.opset_import.append(helper.make_opsetid("ai.onnx", 16))
    refused(model, MalformedModel, "two versions of one")


def test_operators_of_strangers():
    model = small_model()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node[2].domain = "com.example"
    refused(model, UnsupportedModel, "'relu'.*domain 'com.example'")


def test_an_operator_that_does_not_exist():
    model = small_model()
    model.graph.node[2].op_type = "Rectify"
    refused(model, MalformedModel, "Rectify")


def test_an_operator_without_a_rule_is_named_with_its_version_and_operands():
    model = small_model()
    model.graph.node[2].op_type = "RandomUniformLike"
    reason = r"node 'relu' \(RandomUniformLike\): operator RandomUniformLike-1 has no"
    error = refused(model, UnsupportedModel, reason)
    assert "f32[4, 2]" in error.message
    assert "supported_operators" in error.hint


def test_data_outside_of_the_file():
    model = small_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add(key="location", value="weights.bin")
    refused(model, UnsupportedModel, "'w': its elements are in another file, 'weights.bin'")
    for outside in ("/etc/passwd", "../weights.bin", "a/../../b", "", "c:\\weights", "a\x00b"):
        entry.value = outside
        refused(model, MalformedModel, "not one beside the model")


def test_data_in_a_file_beside_the_model():
    model = small_model()
    expected = compile_model(model, {"x": (4, 3)})
    tensor = model.graph.initializer[0]
    files = {"data/weights.bin": memoryview(b"1234" + tensor.raw_data + b"5678")}
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "data/weights.bin", "offset": "4", "length": "24"}.items():
        tensor.external_data.add(key=key, value=value)
    checked = load_model(model, files.__getitem__)
    assert compile_model(checked, {"x": (4, 3)}).program == expected.program
    tensor.external_data[1].value = "9"
    with pytest.raises(MalformedModel, match="ends at byte 33"):
        compile_model(load_model(model, files.__getitem__), {"x": (4, 3)})


def test_two_nodes_with_one_result():
    model = small_model()
    model.graph.node[1].output[0] = "product"
    refused(model, MalformedModel, "product")


def test_a_cycle():
    model = small_model()
    model.graph.node[0].input[0] = "y"
    refused(model, MalformedModel, "'?y'?")


@pytest.mark.parametrize("dims", [[3, 3], [-3, -2], [2**40, 2**40], [2**63 - 1, 2], [3, 2, 0]])
def test_dimensions_that_the_data_do_not_have(dims):
    model = small_model()
    model.graph.initializer[0].dims[:] = dims
    refused(model, (MalformedModel, UnsupportedModel), "'?w'?|shape|dimension")


def test_a_rank_beyond_the_limit():
    model = small_model()
    model.graph.initializer[0].dims[:] = [3, 2] + [1] * 7
    refused(model, UnsupportedModel, "rank 9")


def test_typed_data_of_the_wrong_length():
    model = small_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data[:] = [1.0] * 5
    refused(model, MalformedModel, "5 instead of 6 elements")


def test_a_boolean_that_is_neither_true_nor_false():
    model = small_model()
    model.graph.initializer.append(
        TensorProto(name="flag", data_type=TensorProto.BOOL, dims=[1], raw_data=b"\x02")
    )
    refused(model, MalformedModel, "other than 0 and 1")


def test_double_precision_is_refused_by_name():
    model = small_model()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(2), "b"))
    refused(model, UnsupportedModel, r"'sum' \(Add\): element type DOUBLE is not defined")


def test_shapes_that_do_not_belong_together():
    model = small_model()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(5, np.float32), "b"))
    refused(model, MalformedModel, r"node 'sum' \(Add\): shapes .* do not broadcast")


def test_operands_of_different_types():
    model = small_model()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(2, np.int64), "b"))
    refused(model, UnsupportedModel, r"'sum' \(Add\): ADD is not defined for \(F32, I64\)")


def test_a_function_that_calls_itself():
    model = small_model()
    model.opset_import.append(helper.make_opsetid("local", 1))
    body = helper.make_node("Again", ["x"], ["y"], domain="local")
    opsets = [helper.make_opsetid("local", 1), helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Again", ["x"], ["y"], [body], opsets))
    model.graph.node[2].op_type, model.graph.node[2].domain = "Again", "local"
    refused(model, MalformedModel, "Again|recursi|cycle")


def test_functions_that_the_model_brings_are_expanded():
    model = small_model()
    model.opset_import.append(helper.make_opsetid("local", 1))
    clip = helper.make_node("LeakyRelu", ["a"], ["b"])
    clip.attribute.append(
        onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    )
    function = helper.make_function(
        "local", "Bend", ["a"], ["b"], [clip], [helper.make_opsetid("", 17)], ["slope"]
    )
    model.functions.append(function)
    bend = helper.make_node("Bend", ["sum"], ["positive"], domain="local", slope=0.25)
    model.graph.node[2].CopyFrom(bend)
    compiled = compile_model(model, {"x": (4, 3)})
    assert any(np.array_equal(constant, np.float32(0.25)) for constant in compiled.constants)


def test_subgraphs_that_nest_too_deep():
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    leaf = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "leaf", [], [output])
    graph = leaf
    for _ in range(30):
        choice = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=leaf)
        graph = helper.make_graph([choice], "outer", [], [output])
    model = small_model()
    model.graph.node.append(graph.node[0])
    refused(model, UnsupportedModel, "nest deeper")


def test_functions_that_expand_without_end(monkeypatch):
    """Each calls the one before it twice: 2^22 nodes out of a small file."""
    model = small_model()
    model.opset_import.append(helper.make_opsetid("local", 1))
    opsets = [helper.make_opsetid("local", 1), helper.make_opsetid("", 17)]
    for level in range(22):
        inner = (
            {"op_type": f"F{level - 1}", "domain": "local"} if level else {"op_type": "Identity"}
        )
        body = [
            helper.make_node(inputs=["a"], outputs=["b"], **inner),
            helper.make_node(inputs=["b"], outputs=["c"], **inner),
        ]
        model.functions.append(
            helper.make_function("local", f"F{level}", ["a"], ["c"], body, opsets)
        )
    model.graph.node[2].op_type, model.graph.node[2].domain = "F21", "local"
    monkeypatch.setattr(builder, "MAX_LOWERED_NODES", 1000)
    refused(model, UnsupportedModel, "expands to over")


def test_constants_that_would_fill_the_memory():
    """Joined with itself fourteen times, a constant of 16 bytes would have 4 GiB."""
    model = small_model()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(4, np.float32), "c0"))
    for level in range(14):
        model.graph.node.append(
            helper.make_node("Concat", [f"c{level}"] * 4, [f"c{level + 1}"], axis=0)
        )
    model.graph.node.append(helper.make_node("ReduceSum", ["c14"], ["total"]))
    model.graph.output.append(helper.make_tensor_value_info("total", TensorProto.FLOAT, [1]))
    compiled = compile_model(model, {"x": (4, 3)})
    assert sum(constant.nbytes for constant in compiled.constants) < 1 << 20


@pytest.mark.parametrize("operator", ["Resize", "Pad"])
def test_tables_that_would_take_for_ever(operator):
    model = small_model()
    if operator == "Resize":
        constant = numpy_helper.from_array(np.array([1, 2e9], np.float32), "k")
        node = helper.make_node("Resize", ["sum", "", "k"], ["positive"])
    else:
        constant = numpy_helper.from_array(np.array([0, 0, 0, 2**32 - 9]), "k")
        node = helper.make_node("Pad", ["sum", "k"], ["positive"], mode="edge")
    model.graph.initializer.append(constant)
    model.graph.node[2].CopyFrom(node)
    refused(model, UnsupportedModel, "table of")


# --- what runtimes accept though the checker would not ------------------------------------------


def accepted(model: ModelProto) -> None:
    """It is the small model, whatever was left out of its description."""
    good = compile_model(small_model(), {"x": (4, 3)})
    found = compile_model(model.SerializeToString(), {"x": (4, 3)})
    assert (found.program, found.input_names) == (good.program, good.input_names)
    assert inspect_model(model).inputs[0].dtype is DType.F32


def test_outputs_need_neither_shape_nor_type():
    model = small_model()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    accepted(model)
    assert inspect_model(model).outputs[0].shape is None
    model.graph.output[0].ClearField("type")
    accepted(model)
    assert inspect_model(model).outputs[0].dtype is None


def test_a_value_inside_can_be_made_an_output_by_its_name_alone():
    model = small_model()
    model.graph.output.append(onnx.ValueInfoProto(name="sum"))
    assert compile_model(model, {"x": (4, 3)}).output_names == ("y", "sum")


def test_inputs_need_no_shape_but_a_type():
    model = small_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    accepted(model)
    model.graph.input[0].ClearField("type")
    refused(model, MalformedModel, "type")


@pytest.mark.parametrize("size", [-1, ""])
def test_open_dimensions_are_written_in_several_ways(size):
    model = small_model()
    dimension = model.graph.input[0].type.tensor_type.shape.dim[0]
    if size == -1:
        dimension.dim_value = -1
    else:
        dimension.dim_param = ""
    accepted(model)
    assert inspect_model(model).inputs[0].shape == (None, 3)


def test_the_graph_needs_no_name_and_the_standard_domain_has_two():
    model = small_model()
    model.graph.name = ""
    accepted(model)
    model.opset_import[0].domain = "ai.onnx"
    accepted(model)
    for node in model.graph.node:
        node.domain = "ai.onnx"
    accepted(model)


def test_a_checked_model_is_not_checked_again_and_is_a_copy(monkeypatch):
    model = small_model()
    checked = load_model(model)
    del model.graph.node[:]
    monkeypatch.setattr(onnx.checker, "check_model", None)
    assert load_model(checked) is checked
    for rows in (1, 2):
        assert compile_model(checked, {"x": (rows, 3)}).program.inputs[0].shape == (rows, 3)


def test_the_checkers_reason_is_one_line():
    model = small_model()
    model.graph.node[3].input[0] = "nowhere"
    error = refused(model, MalformedModel, "sorted")
    assert "\n" not in error.message
    assert "OpType: Shape" in error.message


def test_nodes_in_another_order_are_sorted():
    model = small_model()
    straight = compile_model(model, {"x": (4, 3)})
    model.graph.node.reverse()
    assert compile_model(model, {"x": (4, 3)}).program == straight.program


def test_a_model_in_one_piece_holds_what_was_in_other_files():
    model = small_model()
    tensor = model.graph.initializer[0]
    files = {"w.bin": memoryview(bytes(tensor.raw_data))}
    expected = compile_model(model, {"x": (4, 3)}).program
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    whole = in_one_piece(load_model(model, files.__getitem__))
    assert compile_model(whole, {"x": (4, 3)}).program == expected


@pytest.mark.parametrize(
    ("node", "constants", "reason"),
    [
        (helper.make_node("Hardmax", ["x"], ["y"]), {"x": np.zeros((2, 0))}, "of no elements"),
        (
            helper.make_node("OneHot", ["i", "d", "v"], ["y"]),
            {"i": np.array([0]), "d": np.array(3), "v": np.ones(3)},
            "not the two of OneHot",
        ),
        (
            helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], pads=[2**62, 2**62]),
            {"x": np.zeros((1, 1, 4))},
            "further away|outside 0",
        ),
        (
            helper.make_node("TopK", ["x", "i"], ["y", "z"]),
            {"x": np.zeros(4), "i": np.array([1, 2])},
            "must be one integer",
        ),
    ],
)
def test_operands_that_a_rule_cannot_use(node, constants, reason):
    tensors = [
        numpy_helper.from_array(a.astype(np.float32) if a.dtype == float else a, name)
        for name, a in constants.items()
    ]
    output = helper.make_empty_tensor_value_info("y")
    graph = helper.make_graph([node], "g", [], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises((MalformedModel, UnsupportedModel), match=reason):
        compile_model(model, {})
