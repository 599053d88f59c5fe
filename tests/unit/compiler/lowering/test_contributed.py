import numpy as np
import onnxruntime
import pytest
from onnx import helper

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.errors import UnsupportedModel

F32 = np.float32


def check(operator, feeds, outputs=("y",), *, steps=0, **attributes):
    """The same as onnxruntime, which defines these operators; bytes may be `steps` off."""
    feeds = {name: np.asarray(array) for name, array in feeds.items()}
    node = helper.make_node(operator, list(feeds), outputs, domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in feeds.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs if name],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    compiled = compile_model(data, {})
    arrays = [feeds[name] for name in compiled.input_names]
    found = open_engine("reference").load(compiled.program, compiled.constants).run(arrays)
    for ours, theirs in zip(
        found, onnxruntime.InferenceSession(data).run(None, feeds), strict=True
    ):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=steps or 2e-6)


def floats(rng, *shape):
    return rng.normal(size=shape).astype(F32)


@pytest.mark.parametrize("operator", ["Gelu", "FastGelu", "QuickGelu"])
def test_activations(rng, operator):
    check(operator, {"x": 3 * floats(rng, 4, 5)})


@pytest.mark.parametrize("operator", ["BiasGelu", "FastGelu"])
def test_activations_with_a_bias(rng, operator):
    check(operator, {"x": floats(rng, 4, 5), "b": floats(rng, 5)})


@pytest.mark.parametrize("transposed", [{}, {"transA": 1}, {"transB": 1}, {"transBatchA": 1}])
def test_fused_matmul(rng, transposed):
    feeds = {"a": floats(rng, 3, 3, 3), "b": floats(rng, 3, 3, 3)}
    check("FusedMatMul", feeds, alpha=0.25, **transposed)


@pytest.mark.parametrize(
    ("activation", "numbers"),
    [("Relu", []), ("Tanh", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.5])],
)
def test_fused_conv(rng, activation, numbers):
    feeds = {"x": floats(rng, 1, 2, 5, 5), "w": floats(rng, 3, 2, 3, 3), "b": floats(rng, 3)}
    options = {"activation_params": numbers} if numbers else {}
    check("FusedConv", feeds, activation=activation, **options)


def test_skipped_normalisations(rng):
    feeds = {"x": floats(rng, 2, 3, 8), "s": floats(rng, 2, 3, 8), "g": floats(rng, 8)}
    both = feeds | {"beta": floats(rng, 8), "bias": floats(rng, 8)}
    check("SkipLayerNormalization", both, ["y", "", "", "sum"], epsilon=1e-5)
    check("SkipSimplifiedLayerNormalization", feeds, ["y", "", "", "sum"], epsilon=1e-5)


def quantised(rng, name, shape, dtype=np.uint8):
    info = np.iinfo(dtype)
    return {
        name: rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True),
        f"{name}_scale": np.array(0.02, F32),
        f"{name}_zero": np.array(info.max // 2, dtype),
    }


def result(dtype=np.uint8):
    return {"y_scale": np.array(0.03, F32), "y_zero": np.array(5, dtype)}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
def test_quantised_sums_and_products(rng, operator, dtype):
    parts = quantised(rng, "a", (3, 4), dtype) | quantised(rng, "b", (4,), dtype)
    check(operator, parts | result(dtype))


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("QLinearLeakyRelu", {"alpha": 0.3}),
        ("QLinearSigmoid", {}),
        # onnxruntime looks exponentials up in a table, and rounds ties another way.
        ("QLinearSoftmax", {"axis": -1, "opset": 13, "steps": 1}),
        ("QLinearAveragePool", {"kernel_shape": [2, 2]}),
        ("QLinearGlobalAveragePool", {"channels_last": 0}),
    ],
)
def test_quantised_operators(rng, operator, attributes):
    check(operator, quantised(rng, "x", (1, 2, 4, 4)) | result(), **attributes)


def test_quantised_concat(rng):
    parts = result() | quantised(rng, "a", (2, 3)) | quantised(rng, "b", (2, 1))
    check("QLinearConcat", parts, axis=1)


def test_quantised_gemm(rng):
    feeds = quantised(rng, "a", (3, 6)) | quantised(rng, "b", (4, 6), np.int8)
    feeds["c"] = rng.integers(-500, 500, 4).astype(np.int32)
    check(
        "QGemm", feeds | {"y_scale": np.array(0.3, F32), "y_zero": np.array(5, np.uint8)}, transB=1
    )
    check("QGemm", feeds, transB=1, alpha=0.5)


def test_other_operators_of_the_domain_are_refused_by_name(rng):
    with pytest.raises(UnsupportedModel, match="no operator 'Trilu'"):
        check("Trilu", {"x": floats(rng, 3, 3)})
