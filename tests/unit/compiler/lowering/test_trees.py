import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.errors import MalformedModel, UnsupportedModel

F32 = np.float32
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def forest(rng, modes, *, trees=3, depth=3, entries="target", ids=(0,), positive=False):
    """Complete trees with random questions, as attributes."""
    columns = {
        key: []
        for key in (
            "treeids",
            "nodeids",
            "featureids",
            "values",
            "modes",
            "truenodeids",
            "falsenodeids",
            "missing_value_tracks_true",
        )
    }
    leaves = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    inner = 2**depth - 1
    for tree in range(trees):
        for node in range(2 * inner + 1):
            leaf = node >= inner
            row = (
                tree,
                node,
                int(rng.integers(4)),
                float(rng.integers(-2, 3)),
                "LEAF" if leaf else str(rng.choice(modes)),
                0 if leaf else 2 * node + 1,
                0 if leaf else 2 * node + 2,
                int(rng.integers(2)),
            )
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            for target in ids if leaf else ():
                weight = float(rng.normal())
                weight = abs(weight) / trees / 2 if positive else weight
                for column, value in zip(
                    leaves.values(), (tree, node, target, weight), strict=True
                ):
                    column.append(value)
    attributes = {f"nodes_{key}": column for key, column in columns.items()}
    return attributes | {f"{entries}_{key}": column for key, column in leaves.items()}  # fmt: skip


def check(operator, attributes, x, outputs=1, version=3):
    names = [f"y{place}" for place in range(outputs)]
    node = helper.make_node(operator, ["x"], names, domain="ai.onnx.ml", **attributes)
    kinds = [TensorProto.FLOAT] if outputs == 1 else [TensorProto.INT64, TensorProto.FLOAT]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", x.shape[1]])],
        [helper.make_tensor_value_info(n, k, None) for n, k in zip(names, kinds, strict=True)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    compiled = compile_model(data, {"x": x.shape})
    found = open_engine("reference").load(compiled.program, compiled.constants).run([x])
    expected = onnxruntime.InferenceSession(data).run(None, {"x": x})
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.fixture
def x(rng):
    x = rng.integers(-3, 4, (40, 4)).astype(F32)
    x[::9, 1] = np.nan
    return x


@pytest.mark.parametrize("modes", [[mode] for mode in MODES] + [MODES])
def test_every_mode(rng, x, modes):
    check("TreeEnsembleRegressor", forest(rng, modes) | {"n_targets": 1}, x)


@pytest.mark.parametrize("function", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("base", [{}, {"base_values": [0.5, -1.0]}])
def test_aggregation(rng, x, function, base):
    attributes = forest(rng, ["BRANCH_LEQ"], ids=(0, 1)) | base
    check("TreeEnsembleRegressor", attributes | {"n_targets": 2, "aggregate_function": function}, x)


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"])
def test_classes(rng, x, transform):
    attributes = forest(rng, ["BRANCH_LT"], entries="class", ids=(0, 1, 2))
    attributes |= {"classlabels_int64s": [7, 3, 5], "post_transform": transform}
    check("TreeEnsembleClassifier", attributes, x, outputs=2)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_two_classes_with_one_score(rng, x, positive, transform):
    attributes = forest(rng, ["BRANCH_LEQ"], entries="class", positive=positive)
    attributes |= {"classlabels_int64s": [4, 9], "post_transform": transform}
    if positive and transform == "LOGISTIC":
        with pytest.raises(UnsupportedModel, match="runtimes disagree"):
            check("TreeEnsembleClassifier", attributes, x, outputs=2)
        return
    check("TreeEnsembleClassifier", attributes, x, outputs=2)


def test_text_labels_are_refused_where_they_are_wanted(rng, x):
    attributes = forest(rng, ["BRANCH_LEQ"], entries="class", ids=(0, 1))
    attributes |= {"classlabels_strings": ["no", "yes"]}
    with pytest.raises(UnsupportedModel, match="labels are text"):
        check("TreeEnsembleClassifier", attributes, x, outputs=2)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("nodes_truenodeids", 99, "not there"),
        ("nodes_falsenodeids", 0, "cycle"),
        ("nodes_featureids", 4, "do not have"),
        ("nodes_modes", "BRANCH_ODD", "unknown mode"),
    ],
)
def test_trees_that_are_none(rng, x, key, value, reason):
    attributes = forest(rng, ["BRANCH_LEQ"])
    attributes[key][1] = value
    with pytest.raises(MalformedModel, match=reason):
        check("TreeEnsembleRegressor", attributes, x)


def test_version_5_with_members_of_sets():
    def tensor(values, dtype):
        return numpy_helper.from_array(np.array(values, dtype))

    attributes = {
        "n_targets": 1, "aggregate_function": 1, "post_transform": 0, "tree_roots": [0],
        "nodes_modes": tensor([0, 6, 6], np.uint8), "nodes_featureids": [0, 0, 0],
        "nodes_splits": tensor([11, 232344.0, np.nan], F32), "nodes_truenodeids": [0, 1, 0],
        "nodes_trueleafs": [1, 0, 1], "nodes_falsenodeids": [2, 2, 1],
        "nodes_falseleafs": [0, 1, 1], "leaf_targetids": [0, 0, 0],
        "leaf_weights": tensor([1, 10, 100], F32),
        "membership_values": tensor([1.2, 3.7, 8, 9, np.nan, 12, 7, np.nan], F32),
    }  # fmt: skip
    attributes["nodes_truenodeids"], attributes["nodes_trueleafs"] = [1, 0, 0], [0, 1, 1]
    x = np.array([[1.2], [3.4], [12], [7], [9]], F32)
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", 1, [5, 1])],
        [helper.make_tensor_value_info("y", 1, None)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    compiled = compile_model(helper.make_model(graph, opset_imports=opsets, ir_version=9), {})
    (y,) = open_engine("reference").load(compiled.program, compiled.constants).run([x])
    # Below 11: a member of the first set, or not; above: a member of the second set, or not.
    assert y.reshape(-1).tolist() == [1, 100, 1, 100, 1]
