from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.compiler.quantise import QuantisedModel, Scheme, quantise
from aivm.engines import open_engine
from aivm.errors import UnsupportedModel

# Error that rounding to 8 or 4 bits may bring to one layer, relative to its largest output.
TOLERANCE = {Scheme.INT8: 0.03, Scheme.WEIGHTS8: 0.01, Scheme.WEIGHTS4: 0.1}


def normal(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def one_node(
    operator: str, x: Array, weights: Sequence[Array], opset: int = 17, **attributes: Any
) -> ModelProto:
    names = [f"w{i}" for i in range(len(weights))]
    order = [names[0], "x"] if operator == "Gather" else ["x", *names]
    integer = x.dtype == np.int64
    graph = helper.make_graph(
        [helper.make_node(operator, order, ["y"], name="layer", **attributes)],
        "one",
        [
            helper.make_tensor_value_info(
                "x", TensorProto.INT64 if integer else TensorProto.FLOAT, ["n", *x.shape[1:]]
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(each, name) for each, name in zip(weights, names, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: ModelProto, x: Array) -> Array:
    made = compile_model(model, {"x": x.shape})
    executable = open_engine("wasm").load(made.program, made.constants)
    try:
        return executable.run([x])[0]
    finally:
        executable.close()


def error(found: Array, expected: Array) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


CASES = {
    "matmul": ("MatMul", normal(3, 5, 64), [normal(64, 48)], {}),
    "gemm": ("Gemm", normal(4, 64), [normal(48, 64), normal(48)], {"transB": 1}),
    "scaled gemm": (
        "Gemm",
        normal(4, 64),
        [normal(64, 48), normal(1, 48)],
        {"alpha": 0.5, "beta": 2.0},
    ),
    "gemm without C": ("Gemm", normal(4, 64), [normal(64, 48)], {}),
    "conv": ("Conv", normal(2, 8, 9, 9), [normal(24, 8, 3, 3), normal(24)], {"pads": [1, 1, 0, 2]}),
    "strided conv": (
        "Conv",
        normal(2, 8, 30),
        [normal(40, 8, 5)],
        {"strides": [2], "dilations": [2]},
    ),
    "table": ("Gather", np.array([[0, 5], [39, 7]]), [normal(40, 32)], {}),
}


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("case", CASES)
def test_a_layer_stays_close_in_our_engine_and_in_onnxruntime(
    case: str, scheme: Scheme, opset: int
) -> None:
    operator, x, weights, attributes = CASES[case]
    model = one_node(operator, x, weights, opset, **attributes)
    changed = quantise(model, scheme)
    assert [layer.node for layer in changed.layers] == ["layer"]
    expected, found = run(model, x), run(changed.proto, x)
    assert 0 < error(found, expected) < TOLERANCE[scheme]
    session = onnxruntime.InferenceSession(changed.proto.SerializeToString())
    assert error(session.run(None, {"x": x})[0], found) < 1e-5


@pytest.mark.parametrize("case", ["matmul", "gemm", "conv"])
def test_what_else_is_in_the_batch_changes_no_bit(case: str) -> None:
    operator, x, weights, attributes = CASES[case]
    changed = quantise(one_node(operator, x, weights, **attributes), Scheme.INT8).proto
    together = run(changed, np.concatenate([x, 1000 * x]))
    for place in range(len(x)):
        assert run(changed, x[place : place + 1]).tobytes() == together[place].tobytes()


def test_rows_of_zeros_and_of_what_is_not_finite() -> None:
    x = normal(4, 64)
    x[0], x[1, 3], x[2, 4] = 0, np.nan, -np.inf
    y = run(quantise(one_node("MatMul", x, [normal(64, 48)]), Scheme.INT8).proto, x)
    assert (y[0] == 0).all()
    assert np.isnan(y[1:3]).all()
    assert np.isfinite(y[3]).all()


def test_the_weights_are_gone_and_the_interface_stays() -> None:
    _, x, weights, _ = CASES["matmul"]
    model = one_node("MatMul", x, weights)
    changed = quantise(model, Scheme.INT8).proto
    assert len(changed.SerializeToString()) < 0.5 * len(model.SerializeToString())
    assert [i.name for i in changed.graph.input] == ["x"]
    assert [o.name for o in changed.graph.output] == ["y"]


def test_the_same_model_gives_the_same_bytes() -> None:
    _, x, weights, _ = CASES["matmul"]
    made = [quantise(one_node("MatMul", x, weights), Scheme.WEIGHTS4) for _ in range(2)]
    assert len({each.proto.SerializeToString(deterministic=True) for each in made}) == 1


def kept(model: ModelProto, scheme: Scheme = Scheme.INT8) -> dict[str, str]:
    found: QuantisedModel = quantise(model, scheme)
    return {each.node: each.reason for each in found.kept}


def test_kept_layers_say_why() -> None:
    x, big = normal(2, 64), normal(64, 64)
    nodes = [
        helper.make_node("MatMul", ["x", "big"], ["a"], name="quantised"),
        helper.make_node("MatMul", ["a", "small"], ["b"], name="small layer"),
        helper.make_node("MatMul", ["a", "deep"], ["c"], name="batched"),
        helper.make_node("Gemm", ["a", "tall"], ["d"], name="columns", transA=1),
    ]
    arrays = {"big": big, "small": normal(64, 2), "deep": normal(2, 64, 64), "tall": normal(2, 600)}
    graph = helper.make_graph(
        nodes,
        "several",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "bcd"],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert kept(model) == {
        "small layer": "only 128 weights",
        "batched": "weights of rank 3",
        "columns": "its rows are columns (transA)",
    }
    found = quantise(model, Scheme.WEIGHTS8)
    assert [layer.node for layer in found.layers] == ["quantised", "columns"]


def test_refusals() -> None:
    _, x, weights, _ = CASES["matmul"]
    with pytest.raises(UnsupportedModel, match="no node 'other'"):
        quantise(one_node("MatMul", x, weights), Scheme.INT8, keep=["other"])
    with pytest.raises(UnsupportedModel, match="no layer to quantise"):
        quantise(one_node("MatMul", x, weights), Scheme.INT8, keep=["layer"])
    with pytest.raises(UnsupportedModel, match="opset 10"):
        quantise(one_node("MatMul", x, weights, opset=10), Scheme.INT8)
    weights = [np.full((64, 48), np.inf, np.float32)]
    with pytest.raises(UnsupportedModel, match="no layer"):
        quantise(one_node("MatMul", x, weights), Scheme.INT8)
