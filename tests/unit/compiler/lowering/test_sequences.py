import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import AivmError, UnsupportedModel

F32 = np.float32
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
X = np.arange(12, dtype=F32).reshape(4, 3)


def check(model, feeds, run):
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for ours, theirs in zip(run(model, feeds), session.run(None, dict(feeds)), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def test_a_sequence_is_built_changed_and_joined(run, make_model):
    nodes = [
        node("Neg", ["x"], "minus"),
        node("SequenceConstruct", ["x", "minus"], "two"),
        node("SequenceInsert", ["two", "x", "one"], "three"),
        node("SequenceErase", ["three", "last"], "left"),
        node("SequenceAt", ["left", "last"], "end"),
        node("SequenceLength", ["three"], "count"),
        node("ConcatFromSequence", ["three"], "joined", axis=1),
        node("ConcatFromSequence", ["left"], "stacked", axis=-1, new_axis=1),
    ]
    constants = {"one": np.array(1), "last": np.array(-1)}
    outputs = {"end": FLOAT, "count": INT64, "joined": FLOAT, "stacked": FLOAT}
    check(make_model(nodes, {"x": X}, outputs, constants=constants), {"x": X}, run)


def test_an_empty_sequence_grows(run, make_model):
    nodes = [
        node("SequenceEmpty", [], "none"),
        node("SequenceInsert", ["none", "x"], "one"),
        node("SequenceLength", ["none"], "before"),
        node("SequenceLength", ["one"], "after"),
    ]
    check(make_model(nodes, {"x": X}, {"before": INT64, "after": INT64}), {"x": X}, run)


@pytest.mark.parametrize(
    ("split", "keepdims"), [(None, 0), (None, 1), (np.array(3), 1), (np.array([1, 3]), 1)]
)
def test_split_to_sequence(run, make_model, split, keepdims):
    given = {} if split is None else {"split": split}
    nodes = [
        node("SplitToSequence", ["x", *given], "parts", axis=0, keepdims=keepdims),
        node("SequenceAt", ["parts", "last"], "y"),
        node("SequenceLength", ["parts"], "count"),
    ]
    constants = given | {"last": np.array(-1)}
    model = make_model(nodes, {"x": X}, {"y": FLOAT, "count": INT64}, constants=constants)
    check(model, {"x": X}, run)


def test_sequence_map(run, make_model):
    body = helper.make_graph(
        [node("Add", ["item", "same"], "sum")],
        "body",
        [helper.make_tensor_value_info(name, FLOAT, None) for name in ("item", "same")],
        [helper.make_tensor_value_info("sum", FLOAT, None)],
    )
    nodes = [
        node("SplitToSequence", ["x"], "parts", axis=0),
        node("SequenceMap", ["parts", "shift"], "moved", body=body),
        node("ConcatFromSequence", ["moved"], "y", axis=0),
    ]
    feeds = {"x": X, "shift": np.array([1, 2, 3], F32)}
    check(make_model(nodes, feeds, {"y": FLOAT}), feeds, run)


def test_optionals(run, make_model):
    nodes = [
        node("Optional", ["x"], "some"),
        node("OptionalHasElement", ["some"], "is_there"),
        node("OptionalGetElement", ["some"], "y"),
    ]
    check(make_model(nodes, {"x": X}, {"is_there": BOOL, "y": FLOAT}, opset=18), {"x": X}, run)


def test_branches_may_give_sequences_of_one_length(run, make_model):
    def branch(name, *items):
        output = helper.make_tensor_sequence_value_info(name, FLOAT, None)
        return helper.make_graph([node("SequenceConstruct", items, name)], name, [], [output])

    nodes = [
        node("Neg", ["x"], "minus"),
        node(
            "If", ["flag"], "chosen",
            then_branch=branch("straight", "x", "minus"),
            else_branch=branch("swapped", "minus", "x"),
        ),
        node("SequenceAt", ["chosen", "zero"], "y"),
    ]  # fmt: skip
    constants = {"zero": np.array(0)}
    for flag in (True, False):
        feeds = {"x": X, "flag": np.array(flag)}
        check(make_model(nodes, feeds, {"y": FLOAT}, constants=constants), feeds, run)


def test_positions_and_lengths_must_be_known(make_model):
    nodes = [node("SequenceConstruct", ["x", "x"], "two"), node("SequenceAt", ["two", "at"], "y")]
    feeds = {"x": X, "at": np.array(0)}
    model = make_model(nodes, feeds, {"y": FLOAT})
    with pytest.raises(UnsupportedModel, match="depends on the model's inputs"):
        compile_model(model, {})
    with pytest.raises(AivmError, match="no position 5 among 2"):
        compile_model(model, {}, bindings={"at": np.array(5)})


def test_a_sequence_is_no_output(make_model):
    model = make_model([node("SequenceConstruct", ["x"], "y")], {"x": X}, {"y": FLOAT})
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", FLOAT, None))
    with pytest.raises(UnsupportedModel, match="'y' is not a tensor"):
        compile_model(model, {})
