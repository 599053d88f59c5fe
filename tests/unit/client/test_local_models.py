"""`aivm.load` with models and arrays as strangers bring them; onnxruntime is the judge."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

import aivm
from aivm.client import local
from aivm.commitments import bundle_root, tensor_root
from aivm.errors import BadInput, InvalidIndex, TooLarge, WrongTensor
from aivm.numerics.dtypes import DType

Array = np.ndarray[Any, Any]
X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
FLOAT = TensorProto.FLOAT


def value(name: str, kind: int = FLOAT, shape: Sequence[int | str] = ("n", 3)) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def network(
    nodes: Sequence[Any],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, Array] | None = None,
    ir_version: int = 8,
) -> ModelProto:
    initializers = [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), initializers)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def agree(model: ModelProto, feeds: Mapping[str, Array]) -> None:
    """Equal to onnxruntime on the engines that people use; for operators that round nothing."""
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(feeds))
    for engine in ("native", "wasm"):
        with aivm.load(data, engine=engine) as loaded:
            found = loaded.run(feeds)
        assert list(found) == [output.name for output in session.get_outputs()]
        for ours, theirs in zip(found.values(), expected, strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def doubler():
    """y = x + x, for matrices of three columns."""
    node = helper.make_node("Add", ["x", "x"], ["y"])
    with aivm.load(
        network([node], [value("x")], [value("y")]).SerializeToString(), engine="native"
    ) as loaded:
        yield loaded


# --- models -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a/b:c.d e", "ü 漢字", "x=1", "0", "../../etc", "a\nb", "x" * 300]
)
def test_names_may_be_anything(name):
    node = helper.make_node("Relu", [name], [name + "!"], name="")
    agree(network([node], [value(name)], [value(name + "!")]), {name: X})


def test_an_output_may_be_an_input_a_constant_or_shared():
    nodes = [helper.make_node("Relu", ["x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])]
    outputs = [value("y"), value("x"), value("t"), value("w", shape=[3])]
    agree(network(nodes, [value("x")], outputs, {"w": X[0]}), {"x": X})
    agree(network([], [value("x")], [value("x")]), {"x": X})


def test_a_model_may_have_no_inputs_or_inputs_that_nothing_reads():
    constant = helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(X))
    agree(network([constant], [], [value("y")]), {})
    node = helper.make_node("Relu", ["x"], ["y"])
    unused = value("u", TensorProto.INT64, ["m"])
    agree(network([node], [value("x"), unused], [value("y")]), {"x": X, "u": np.arange(4)})


def test_a_constant_that_is_listed_as_input_is_a_default():
    node = helper.make_node("Add", ["x", "w"], ["y"])
    inputs = [value("x"), value("w", shape=[3])]
    model = network([node], inputs, [value("y")], {"w": np.ones(3, np.float32)}, ir_version=3)
    agree(model, {"x": X})
    with aivm.load(model.SerializeToString(), engine="native") as loaded:
        given = loaded.run({"x": X, "w": np.full(3, 5, np.float32)})
    np.testing.assert_array_equal(given["y"], X + 5)


INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_in_and_out(dtype):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Add", ["x", "s"], ["y"]),
        helper.make_node("Greater", ["x", "s"], ["large"]),
        helper.make_node("Not", ["large"], ["small"]),
        helper.make_node("Cast", ["small"], ["ones"], to=kind),
    ]
    inputs = [value("x", kind), value("s", kind, [])]
    outputs = [value("y", kind), value("small", TensorProto.BOOL), value("ones", kind)]
    feeds = {"x": np.arange(6).reshape(2, 3).astype(dtype), "s": np.array(2, dtype)}
    agree(network(nodes, inputs, outputs), feeds)


def test_float16_is_numpys_float16_and_its_receipt_names_f16():
    node = helper.make_node("Mul", ["x", "x"], ["y"])
    half = TensorProto.FLOAT16
    model = network([node], [value("x", half)], [value("y", half)])
    x = (X / 3).astype(np.float16)
    agree(model, {"x": x})
    with aivm.load(model.SerializeToString(), engine="native") as loaded:
        outputs, receipt = loaded.run_with_receipt({"x": x})
        turned = loaded.run({"x": x.astype(">f2")[:, ::-1]})["y"]
    np.testing.assert_array_equal(turned, outputs["y"][:, ::-1])
    assert receipt.outputs == bundle_root([tensor_root(outputs["y"].view(np.uint16), DType.F16)])
    assert receipt.outputs == bundle_root([tensor_root(outputs["y"])])


def test_any_number_of_rows_runs(doubler, monkeypatch):
    monkeypatch.setattr(local, "KEPT_PROGRAMS", 3)
    for rows in (1, 2, 0, 7, 1, 64, 2):
        x = np.full((rows, 3), 0.5, np.float32)
        np.testing.assert_array_equal(doubler.run({"x": x})["y"], x + x)
        assert len(doubler._prepared) <= 3


# --- arrays -------------------------------------------------------------------------------------


def frozen(array: Array) -> Array:
    array = array.copy()
    array.setflags(write=False)
    return array


LAYOUTS = {
    "fortran": np.asfortranarray(X),
    "transposed": np.ascontiguousarray(X.T).T,
    "reversed": X[::-1, ::-1],
    "every other": np.repeat(X, 2, axis=1)[:, ::2],
    "broadcast": np.broadcast_to(X[0], (4, 3)),
    "big-endian": X.astype(">f4"),
    "read-only": frozen(X),
    "unaligned": np.frombuffer(b"\0" + X.tobytes(), np.float32, offset=1).reshape(2, 3),
    "subclass": X.view(np.recarray),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_array_gives_the_same(doubler, layout):
    x = LAYOUTS[layout]
    before = x.tobytes()
    y = doubler.run({"x": x})["y"]
    np.testing.assert_array_equal(y, np.array(x, np.float32) * 2)
    assert x.tobytes() == before
    y[:] = 0  # the result belongs to the caller
    np.testing.assert_array_equal(doubler.run({"x": x})["y"], np.array(x, np.float32) * 2)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"x": X.astype(np.float64)}, "input 'x' has dtype float64, F32 needs float32"),
        ({"x": X.tolist()}, "input 'x' has dtype float64"),
        ({"x": 1.0}, r"shape \(\) does not fit input 'x'"),
        ({"x": [[1, 2], [3]]}, "input 'x' is not an array"),
        ({"x": X.astype(object)}, "has dtype object"),
        ({"x": X.astype(str)}, "input 'x' has dtype <U"),
        ({"x": None}, r"shape \(\) does not fit"),
        ({"x": X.astype(np.float16)}, "has dtype float16"),
        ({"x": X[:, :2]}, r"shape \(2, 2\) does not fit input 'x'.*\[n, 3\]"),
        ({}, "input 'x' is missing"),
        ({"x": X, "z": X}, "no input 'z'"),
        ({"z": X}, "input 'x' is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(doubler, inputs, reason):
    with pytest.raises(WrongTensor, match=reason):
        doubler.run(inputs)
    np.testing.assert_array_equal(doubler.run({"x": X})["y"], X * 2)


@pytest.mark.parametrize("shape", [(2**34, 1), (2**21, 2**21), (2**20, 2**19)])
@pytest.mark.parametrize("engine", ["native", "wasm", "reference"])
def test_an_array_that_fits_no_memory_is_refused(engine, shape):
    node = helper.make_node("Add", ["x", "x"], ["y"])
    model = network([node], [value("x", shape="ab")], [value("y", shape="ab")])
    huge = np.broadcast_to(np.float32(1), shape)
    with (
        aivm.load(model.SerializeToString(), engine=engine) as loaded,
        pytest.raises(BadInput, match=r"dimension|elements|memory"),
    ):
        loaded.run({"x": huge})


def test_a_run_that_failed_leaves_the_model_usable():
    node = helper.make_node("Gather", ["x", "i"], ["y"])
    inputs = [value("x"), value("i", TensorProto.INT64, ["k"])]
    model = network([node], inputs, [value("y")]).SerializeToString()
    for engine in ("native", "wasm", "reference"):
        with aivm.load(model, engine=engine) as loaded:
            for wrong in ([0, 9], [-9, 0]):
                with pytest.raises(InvalidIndex):
                    loaded.run({"x": X, "i": np.array(wrong)})
            (y,) = loaded.run({"x": X, "i": np.array([-1, 0])}).values()
            np.testing.assert_array_equal(y, X[::-1])


# --- life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["native", "wasm"])
def test_threads_share_one_model(engine):
    """Each thread has its own input and shape, and must get its own answer back."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Neg", ["t"], ["y"])]
    rng = np.random.default_rng(1)
    weights = rng.integers(-3, 4, (64, 64)).astype(np.float32)  # exact, whatever the order
    shape = ["n", 64]
    model = network(nodes, [value("x", shape=shape)], [value("y", shape=shape)], {"w": weights})
    wrong: list[int] = []

    def work(number: int) -> None:
        x = np.full((1 + number % 3, 64), number, np.float32)
        right = [np.array_equal(loaded.run({"x": x})["y"], -(x @ weights)) for _ in range(40)]
        if not all(right):
            wrong.append(number)

    with aivm.load(model.SerializeToString(), engine=engine) as loaded:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_models_do_not_disturb_each_other():
    models = []
    for operator in ("Neg", "Abs"):
        node = helper.make_node(operator, ["x"], ["y"])
        models.append(network([node], [value("x")], [value("y")]).SerializeToString())
    with aivm.load(models[0]) as negative, aivm.load(models[1]) as absolute:
        for _ in range(2):
            np.testing.assert_array_equal(negative.run({"x": X})["y"], -X)
            np.testing.assert_array_equal(absolute.run({"x": X})["y"], abs(X))


@pytest.mark.parametrize("engine", ["native", "wasm", "reference"])
def test_a_closed_model_says_so_and_its_results_live_on(engine):
    node = helper.make_node("Add", ["x", "x"], ["y"])
    model = network([node], [value("x")], [value("y")]).SerializeToString()
    loaded = aivm.load(model, engine=engine)
    y = loaded.run({"x": X})["y"]
    loaded.close()
    loaded.close()
    np.testing.assert_array_equal(y, X + X)
    with pytest.raises(ValueError, match="closed"):
        loaded.run({"x": X})


def test_a_model_is_checked_once_for_all_shapes(monkeypatch):
    node = helper.make_node("Add", ["x", "x"], ["y"])
    data = network([node], [value("x")], [value("y")]).SerializeToString()
    with aivm.load(data, engine="native") as loaded:
        monkeypatch.setattr("onnx.checker.check_model", None)
        for rows in (1, 2):
            loaded.run({"x": X[:rows]})


def test_running_computes_no_roots_that_nobody_asked_for(doubler, monkeypatch):
    doubler.run({"x": X})
    monkeypatch.setattr(local, "tensor_root", None)
    monkeypatch.setattr(local, "bundle_root", None)
    doubler.run({"x": X})


def test_a_model_larger_than_onnx_allows_is_not_even_read(tmp_path, monkeypatch):
    path = tmp_path / "large.onnx"
    path.write_bytes(bytes(100))
    monkeypatch.setattr(local, "MAX_MODEL_BYTES", 99)
    with pytest.raises(TooLarge, match="larger than an ONNX file can be"):
        aivm.load(path)
