import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.errors import InvalidIndex, UnsupportedModel

F32 = np.float32
KINDS = {np.dtype(F32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


def compiled_and_bytes(operator, feeds, outputs, attributes):
    node = helper.make_node(operator, list(feeds), outputs, domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, KINDS[a.dtype], a.shape) for n, a in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return compile_model(data, {}), data


def check(operator, feeds, outputs=("y",), **attributes):
    feeds = {name: np.asarray(array) for name, array in feeds.items()}
    compiled, data = compiled_and_bytes(operator, feeds, outputs, attributes)
    arrays = [feeds[name] for name in compiled.input_names]
    found = open_engine("reference").load(compiled.program, compiled.constants).run(arrays)
    expected = onnxruntime.InferenceSession(data).run(None, feeds)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.fixture
def x(rng):
    return rng.normal(size=(5, 3)).astype(F32)


def test_features_are_picked(x):
    check("ArrayFeatureExtractor", {"x": x, "i": np.array([2, 0])})
    check("ArrayFeatureExtractor", {"x": np.arange(4), "i": np.array([[3, 1, 1]])})


def test_features_are_scaled_and_cut(x):
    check("Binarizer", {"x": x}, threshold=0.25)
    check("Scaler", {"x": x}, offset=[0.5, -1.0, 2.0], scale=[2.0, 0.5, 3.0])
    check("Scaler", {"x": np.arange(6).reshape(2, 3)}, offset=[1.0], scale=[0.5])


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_rows_are_normalised(x, norm):
    x = np.vstack([x, np.zeros((1, 3), F32)])
    check("Normalizer", {"x": x}, norm=norm)


def test_missing_values_are_replaced(x):
    x[1, 2] = np.nan
    nan = float("nan")
    check("Imputer", {"x": x}, imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=nan)
    numbers = np.array([[1, 2], [-1, 4]])
    check("Imputer", {"x": numbers}, imputed_value_int64s=[9], replaced_value_int64=-1)


def test_features_are_joined(x):
    check("FeatureVectorizer", {"a": x, "b": 2 * x}, inputdimensions=[3, 3])


def test_labels_are_encoded():
    x = np.array([[3, 7], [1, 4]])
    integers = {"keys_int64s": [1, 3, 7], "default_int64": -5}
    check("LabelEncoder", {"x": x}, values_int64s=[10, 30, 70], **integers)
    check("LabelEncoder", {"x": x}, keys_int64s=[1, 3], values_floats=[0.5, 1.5], default_float=2.5)
    floats = np.array([1.5, np.nan, 2.5], F32)
    check("LabelEncoder", {"x": floats}, keys_floats=[2.5, 1.5], values_int64s=[2, 1])


def test_text_is_refused():
    with pytest.raises(UnsupportedModel, match="encodes text"):
        check("LabelEncoder", {"x": np.array([1])}, keys_int64s=[1], values_strings=["a"])


def test_categories():
    x = np.array([[4], [2], [9]])
    check("OneHotEncoder", {"x": x}, cats_int64s=[2, 3, 4], zeros=1)
    compiled, _ = compiled_and_bytes("OneHotEncoder", {"x": x}, ["y"],
                                     {"cats_int64s": [2, 3, 4], "zeros": 0})  # fmt: skip
    executable = open_engine("reference").load(compiled.program, compiled.constants)
    with pytest.raises(InvalidIndex):
        executable.run([x])


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"])
def test_linear_models(rng, x, transform):
    weights = (0.1 * rng.normal(size=9)).tolist()
    options = {"coefficients": weights, "intercepts": [0.5, 0.4, 0.45], "post_transform": transform}
    check("LinearClassifier", {"x": x}, ["label", "score"], classlabels_ints=[5, 6, 8], **options)
    if transform == "NONE":
        check("LinearRegressor", {"x": x}, targets=3, **options)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_two_classes_with_one_row(rng, x, transform):
    check(
        "LinearClassifier", {"x": x}, ["label", "score"], classlabels_ints=[3, 9],
        coefficients=rng.normal(size=3).tolist(), intercepts=[0.1], post_transform=transform,
    )  # fmt: skip


def test_what_runtimes_disagree_on_is_refused(x):
    with pytest.raises(UnsupportedModel, match="runtimes disagree"):
        check(
            "LinearClassifier", {"x": x}, ["label", "score"], classlabels_ints=[3, 9],
            coefficients=[1.0, 2.0, 3.0], post_transform="SOFTMAX",
        )  # fmt: skip


KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("chances", [False, True])
def test_support_vector_classifiers(rng, x, kernel, classes, chances):
    vectors, pairs = [20, 3, 4][:classes], classes * (classes - 1) // 2
    options = {
        "kernel_type": kernel, "kernel_params": [0.3, 0.2, 3.0], "vectors_per_class": vectors,
        "support_vectors": rng.normal(size=3 * sum(vectors)).tolist(),
        "coefficients": rng.normal(size=(classes - 1) * sum(vectors)).tolist(),
        "rho": rng.normal(size=pairs).tolist(), "classlabels_ints": [4, 1, 7][:classes],
    }  # fmt: skip
    if chances:
        options |= {"prob_a": [-1.0] * pairs, "prob_b": [0.1] * pairs}
    check("SVMClassifier", {"x": x}, ["label", "score"], **options)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("one_class", [0, 1])
def test_support_vector_regressors(rng, x, kernel, one_class):
    check(
        "SVMRegressor", {"x": x}, kernel_type=kernel, kernel_params=[0.3, 0.2, 2.0], n_supports=6,
        support_vectors=rng.normal(size=18).tolist(), one_class=one_class,
        coefficients=rng.normal(size=6).tolist(), rho=[0.3],
    )  # fmt: skip


def test_what_is_zipped_stands_for_itself(x):
    node = helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[1, 2, 3]
    )
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, None))
    output = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", 1, [5, 3])], [output]
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    compiled = compile_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), {})
    (found,) = open_engine("reference").load(compiled.program, compiled.constants).run([x])
    assert np.array_equal(found, x)
