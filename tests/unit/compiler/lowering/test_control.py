import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.compiler.lowering import control
from aivm.engines import open_engine
from aivm.errors import AivmError, InvalidIndex, UnsupportedModel

F32 = np.float32
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, kind, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(name, nodes, inputs, outputs, constants=()):
    return helper.make_graph(nodes, name, inputs, outputs, list(constants))


def scalar(name, number, kind=FLOAT):
    return helper.make_tensor(name, kind, [], [number])


def branches():
    """then: x + 1, with a constant of its own; else: x * x. Both see x around them."""
    add = helper.make_node("Add", ["x", "one"], ["then_out"])
    multiply = helper.make_node("Mul", ["x", "x"], ["else_out"])
    return {
        "then_branch": graph("then", [add], [], [value("then_out", FLOAT)], [scalar("one", 1.0)]),
        "else_branch": graph("else", [multiply], [], [value("else_out", FLOAT)]),
    }


def check(model, feeds, run):
    """The same as onnxruntime, which wants no shapes that contradict themselves."""
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, dict(feeds))
    for ours, theirs in zip(run(model, feeds), expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# --- If ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "expected"), [(2, [2, 3]), (3, [1, 4, 9])])
def test_a_condition_on_shapes_is_decided_at_compile_time(run, make_model, size, expected):
    nodes = [
        helper.make_node("Size", ["x"], ["n"]),
        helper.make_node("Less", ["n", "three"], ["small"]),
        helper.make_node("If", ["small"], ["y"], **branches()),
    ]
    x = np.arange(1, size + 1, dtype=F32)
    model = make_model(nodes, {"x": x}, {"y": FLOAT}, constants={"three": np.array(3, np.int64)})
    assert run(model, {"x": x})[0].tolist() == expected


@pytest.mark.parametrize("flag", [True, False])
def test_a_condition_on_data_selects(run, make_model, flag):
    feeds = {"x": np.array([3, 5], F32), "flag": np.array(flag)}
    model = make_model([helper.make_node("If", ["flag"], ["y"], **branches())], feeds, {"y": FLOAT})
    check(model, feeds, run)


@pytest.mark.parametrize("flags", [(a, b) for a in (True, False) for b in (True, False)])
def test_nested_choices(run, make_model, flags):
    inner = helper.make_node("If", ["second"], ["inner_out"], **branches())
    negate = helper.make_node("Neg", ["x"], ["outer_out"])
    outer = helper.make_node(
        "If",
        ["first"],
        ["y"],
        then_branch=graph("a", [inner], [], [value("inner_out", FLOAT)]),
        else_branch=graph("b", [negate], [], [value("outer_out", FLOAT)]),
    )
    feeds = {"x": np.array([3, 5], F32)}
    feeds |= {"first": np.array(flags[0]), "second": np.array(flags[1])}
    check(make_model([outer], feeds, {"y": FLOAT}), feeds, run)


def choice_of_places():
    """then: the table at a place that is given; else: zero."""
    pick = helper.make_node("Gather", ["table", "place"], ["then_out"])
    zero = helper.make_node("Sub", ["x", "x"], ["else_out"])
    return helper.make_node(
        "If",
        ["flag"],
        ["y"],
        then_branch=graph("then", [pick], [], [value("then_out", FLOAT)]),
        else_branch=graph("else", [zero], [], [value("else_out", FLOAT)]),
    )


def test_an_index_outside_is_a_fault_only_in_the_branch_that_is_taken(run, make_model):
    table = {"table": np.array([1, 2, 3], F32)}
    feeds = {"x": np.array(7, F32), "flag": np.array(False), "place": np.array(9)}
    model = make_model([choice_of_places()], feeds, {"y": FLOAT}, constants=table)
    assert run(model, feeds)[0] == 0
    assert run(model, feeds | {"flag": np.array(True), "place": np.array(-1)})[0] == 3
    with pytest.raises(InvalidIndex):
        run(model, feeds | {"flag": np.array(True)})


def test_branches_of_different_shapes_are_refused_unless_the_condition_is_bound(make_model):
    wider = helper.make_node("Concat", ["x", "x"], ["else_out"], axis=0)
    parts = branches() | {"else_branch": graph("else", [wider], [], [value("else_out", FLOAT)])}
    inputs = {"x": np.ones(2, F32), "flag": np.array(True)}
    node = helper.make_node("If", ["flag"], ["y"], name="choice", **parts)
    model = make_model([node], inputs, {"y": FLOAT})
    with pytest.raises(UnsupportedModel, match=r"'choice'.*f32\[2\] and f32\[4\]") as caught:
        compile_model(model, {})
    assert "bindings" in caught.value.hint
    compiled = compile_model(model, {}, bindings={"flag": np.array(True)})
    assert compiled.input_names == ("x",)


def test_a_branch_that_does_not_fit_the_shapes_is_refused(make_model):
    contradiction = helper.make_node("MatMul", ["x", "wide"], ["else_out"])
    parts = branches() | {
        "else_branch": graph("else", [contradiction], [], [value("else_out", FLOAT)])
    }
    inputs = {"x": np.ones(2, F32), "flag": np.array(True)}
    node = helper.make_node("If", ["flag"], ["y"], **parts)
    wide = {"wide": np.ones((3, 3), F32)}
    model = make_model([node], inputs, {"y": FLOAT}, constants=wide)
    with pytest.raises(UnsupportedModel, match=r"else_branch does not fit.*cannot be multiplied"):
        compile_model(model, {})


# --- Loop --------------------------------------------------------------------------------------


def loop_body(condition):
    """total += x * round; scans the total. `condition`: nodes that make `again` from the rest."""
    nodes = [
        helper.make_node("Cast", ["round"], ["number"], to=FLOAT),
        helper.make_node("Mul", ["x", "number"], ["step"]),
        helper.make_node("Add", ["total", "step"], ["total_out"]),
        helper.make_node("Identity", ["total_out"], ["seen"]),
        *condition,
    ]
    inputs = [value("round", INT64, []), value("goes", BOOL, []), value("total", FLOAT)]
    outputs = [value("again", BOOL), value("total_out", FLOAT), value("seen", FLOAT, [2])]
    return graph("body", nodes, inputs, outputs, [scalar("three", 3, INT64)])


KEEP = [helper.make_node("Identity", ["goes"], ["again"])]
UNTIL_THREE = [helper.make_node("Less", ["round", "three"], ["again"])]


@pytest.mark.parametrize(("trips", "condition"), [(5, KEEP), (9, UNTIL_THREE), (None, UNTIL_THREE)])
def test_a_known_number_of_rounds(run, make_model, trips, condition):
    feeds = {"x": np.array([1, 2], F32), "start": np.array([10, 20], F32)}
    constants = {"go": np.array(True), "trips": np.array(trips or 0)}
    names = ["trips" if trips is not None else "", "go", "start"]
    node = helper.make_node("Loop", names, ["last", "all"], body=loop_body(condition))
    model = make_model([node], feeds, {"last": FLOAT, "all": FLOAT}, constants=constants)
    check(model, feeds, run)


def test_no_rounds(run, make_model):
    feeds = {"x": np.array([1, 2], F32), "start": np.array([10, 20], F32)}
    constants = {"trips": np.array(0)}
    node = helper.make_node("Loop", ["trips", "", "start"], ["last", "all"], body=loop_body(KEEP))
    model = make_model([node], feeds, {"last": FLOAT, "all": FLOAT}, constants=constants)
    check(model, feeds, run)


def while_below(limit):
    """Doubles the total while its first element is below the limit."""
    nodes = [
        helper.make_node("Add", ["total", "total"], ["total_out"]),
        helper.make_node("ReduceMax", ["total_out"], ["top"], keepdims=0),
        helper.make_node("Less", ["top", "limit"], ["again"]),
    ]
    inputs = [value("round", INT64, []), value("goes", BOOL, []), value("total", FLOAT)]
    outputs = [value("again", BOOL), value("total_out", FLOAT)]
    return graph("body", nodes, inputs, outputs, [scalar("limit", limit)])


@pytest.mark.parametrize("first", [1, 30, 200])
def test_an_end_that_depends_on_data_needs_a_bound(run, make_model, first):
    feeds = {"start": np.array([first, 0], F32), "go": np.array(True)}
    node = helper.make_node("Loop", ["trips", "go", "start"], ["y"], body=while_below(100.0))
    model = make_model([node], feeds, {"y": FLOAT}, constants={"trips": np.array(12)})
    check(model, feeds, run)
    check(model, feeds | {"go": np.array(False)}, run)


def test_an_end_that_depends_on_data_without_a_bound_is_refused(make_model):
    feeds = {"start": np.array([1, 0], F32), "go": np.array(True)}
    node = helper.make_node("Loop", ["", "go", "start"], ["y"], body=while_below(100.0))
    with pytest.raises(UnsupportedModel, match="how often it runs depends"):
        compile_model(make_model([node], feeds, {"y": FLOAT}), {})


def test_an_endless_loop_is_refused(make_model, monkeypatch):
    monkeypatch.setattr(control, "MAX_ROUNDS", 20)
    feeds = {"x": np.array([1, 2], F32), "start": np.array([10, 20], F32)}
    node = helper.make_node("Loop", ["", "", "start"], ["y", ""], body=loop_body(KEEP))
    with pytest.raises(AivmError, match="runs more than 20 times"):
        compile_model(make_model([node], feeds, {"y": FLOAT}), {})


# --- Scan --------------------------------------------------------------------------------------


def scan_body():
    """The state grows by the row; the output is its square."""
    nodes = [
        helper.make_node("Add", ["state", "row"], ["state_out"]),
        helper.make_node("Mul", ["state_out", "state_out"], ["square"]),
    ]
    inputs = [value("state", FLOAT, [2]), value("row", FLOAT, [2])]
    return graph(
        "body", nodes, inputs, [value("state_out", FLOAT, [2]), value("square", FLOAT, [2])]
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_directions": [1]},
        {"scan_output_directions": [1], "scan_output_axes": [1]},
        {"scan_input_axes": [-1]},
    ],
)
def test_scan(run, make_model, rng, attributes):
    rows = rng.normal(size=(2, 5) if "scan_input_axes" in attributes else (5, 2)).astype(F32)
    feeds = {"start": np.array([1, -1], F32), "rows": rows}
    node = helper.make_node(
        "Scan",
        ["start", "rows"],
        ["last", "all"],
        body=scan_body(),
        num_scan_inputs=1,
        **attributes,
    )
    check(make_model([node], feeds, {"last": FLOAT, "all": FLOAT}), feeds, run)


def test_scan_of_version_8_walks_every_element_of_the_batch(make_model, rng):
    feeds = {"start": np.zeros((3, 2), F32), "rows": rng.normal(size=(3, 4, 2)).astype(F32)}
    node = helper.make_node(
        "Scan", ["", "start", "rows"], ["last", "all"], body=scan_body(), num_scan_inputs=1
    )
    model = make_model([node], feeds, {"last": FLOAT, "all": FLOAT}, opset=8)
    compiled = compile_model(model, {})
    executable = open_engine("reference").load(compiled.program, compiled.constants)
    last, every = executable.run([feeds["start"], feeds["rows"]])
    totals = np.cumsum(feeds["rows"], axis=1)
    np.testing.assert_allclose(last, totals[:, -1], rtol=1e-5)
    np.testing.assert_allclose(every, totals**2, rtol=1e-5)


def test_bodies_of_another_interface_are_malformed(make_model):
    feeds = {"x": np.array([1, 2], F32)}
    node = helper.make_node("Loop", ["trips", "", "x", "x"], ["a", "b", "c"], body=loop_body(KEEP))
    model = make_model([node], feeds, {"a": FLOAT}, constants={"trips": np.array(3)})
    with pytest.raises(AivmError, match="takes 3 values, not 4"):
        compile_model(onnx.load_from_string(model.SerializeToString()), {})
