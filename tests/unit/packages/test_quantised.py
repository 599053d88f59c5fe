from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from aivm.compiler import compile_model
from aivm.compiler.quantise import Scheme
from aivm.errors import BadInput
from aivm.packages.quantised import quantise_and_measure, synthetic_samples


def embedder() -> ModelProto:
    """Ids [n] of a table of 400 rows, times a matrix; a mask that multiplies."""
    rng = np.random.default_rng(1)
    table, matrix = (rng.standard_normal((400, 64), np.float32) for _ in range(2))
    nodes = [
        helper.make_node("Cast", ["ids"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "wide"], ["rows"]),
        helper.make_node("MatMul", ["rows", "matrix"], ["product"], name="product"),
        helper.make_node("Cast", ["mask"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["product", "factor"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["n"]),
            helper.make_tensor_value_info("mask", TensorProto.INT64, ["n", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 400])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(matrix.T.copy(), "matrix"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SHAPES = {"ids": (6,), "mask": (6, 1)}


def test_synthetic_integers_stay_inside_the_tables_that_they_index() -> None:
    samples = synthetic_samples(compile_model(embedder(), SHAPES))
    ids = np.concatenate([sample["ids"] for sample in samples])
    assert ids.dtype == np.int32
    assert 1 < ids.max() < 400
    assert max(sample["mask"].max() for sample in samples) == 1


@pytest.mark.parametrize("scheme", Scheme)
def test_the_report_says_what_was_measured(scheme: Scheme) -> None:
    report = quantise_and_measure(embedder(), scheme, shapes=SHAPES, bindings={})
    document = json.loads(report.file().source)
    assert document == json.loads(json.dumps(report.document()))
    assert (document["scheme"], document["synthetic_samples"]) == (scheme, True)
    assert document["after"]["constant_bytes"] < 0.4 * document["before"]["constant_bytes"]
    (output,) = document["outputs"]
    assert 0 < output["rms"] < 0.2
    assert 0.98 < output["cosine"] < 1
    assert [layer["node"] for layer in document["layers"]] == ["rows", "product"]


def test_given_samples_may_have_any_shape() -> None:
    samples = [
        {"ids": np.arange(n, dtype=np.int32), "mask": np.ones((n, 1), np.int64)} for n in (2, 9)
    ]
    report = quantise_and_measure(
        embedder(), Scheme.INT8, shapes=SHAPES, bindings={}, samples=samples
    )
    assert (report.samples, report.synthetic) == (2, False)


def test_a_sample_without_an_input_is_refused() -> None:
    with pytest.raises(BadInput, match="no input 'mask'"):
        quantise_and_measure(
            embedder(),
            Scheme.INT8,
            shapes=SHAPES,
            bindings={},
            samples=[{"ids": np.zeros(6, np.int32)}],
        )
