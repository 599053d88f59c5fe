"""Ensembles of decision trees (ai.onnx.ml).

All trees of all rows go down one level at a time: where each of them is, is a tensor of node
numbers; what a node asks, and where its answers lead, is looked up in tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.classifying import (
    best_class,
    check_single_score,
    chosen,
    class_labels,
    complement,
    features_of,
    labels_at,
    opposite,
    transformed,
)
from aivm.compiler.lowering.reduction import lowest_or_highest, over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table, read_tensor
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

_ML = "ai.onnx.ml"

# Which outcomes of comparing a feature with the node's number lead to the true branch:
# less, equal, greater.
_MODES = {
    "BRANCH_LEQ": (True, True, False),
    "BRANCH_LT": (True, False, False),
    "BRANCH_GTE": (False, True, True),
    "BRANCH_GT": (False, False, True),
    "BRANCH_EQ": (False, True, False),
    "BRANCH_NEQ": (True, False, True),
}
_MODE_NUMBERS = [*_MODES]
_MEMBER = 6


@dataclass
class Forest:
    """Nodes of all trees in one numbering. A leaf leads to itself."""

    feature: list[int] = field(default_factory=list)
    number: list[float] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    leaves: list[tuple[int, int, float]] = field(default_factory=list)  # node, target, weight

    def depth(self) -> int:
        """Steps to the deepest leaf. Raises Malformed if the nodes are no trees."""
        level, steps = set(self.roots), 0
        while True:
            following = {
                child
                for place in level
                for child in (self.yes[place], self.no[place])
                if child != place
            }
            if not following:
                return steps
            level, steps = following, steps + 1
            if steps > len(self.feature):
                raise Malformed("the nodes of a tree form a cycle")


# --- reading the attributes --------------------------------------------------------------------


def _read_forest(node: Node, entries: str) -> Forest:
    """The trees of versions before 5; `entries`: 'class' or 'target', what leaves speak of."""
    trees, numbers = _integers(node, "nodes_treeids"), _integers(node, "nodes_nodeids")
    count = len(trees)
    if len(numbers) != count:
        raise Malformed(f"{len(numbers)} nodes of {count} trees")
    place_of = {key: place for place, key in enumerate(zip(trees, numbers, strict=True))}
    modes = node.texts("nodes_modes") or []
    yes, no = _integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids")
    forest = Forest(
        feature=_integers(node, "nodes_featureids"),
        number=_floats(node, "nodes_values"),
        mode=modes,
        missing=[bool(x) for x in node.integers("nodes_missing_value_tracks_true") or [0] * count],
    )
    columns = (numbers, modes, yes, no, forest.feature, forest.number, forest.missing)
    if not count or any(len(column) != count for column in columns) or len(place_of) != count:
        raise Malformed("the lists that describe the nodes have different lengths, or none")
    for place, mode in enumerate(modes):
        leaf = mode == "LEAF"
        for branches, ids in ((forest.yes, yes), (forest.no, no)):
            target = place if leaf else place_of.get((trees[place], ids[place]))
            if target is None:
                raise Malformed(f"a branch leads to node {ids[place]}, which is not there")
            branches.append(target)
    firsts: dict[int, int] = {}
    for place, tree in enumerate(trees):
        firsts.setdefault(tree, place)
    forest.roots = list(firsts.values())
    keys = zip(
        _integers(node, f"{entries}_treeids"), _integers(node, f"{entries}_nodeids"), strict=False
    )
    ids, weights = _integers(node, f"{entries}_ids"), _floats(node, f"{entries}_weights")
    for key, target, weight in zip(keys, ids, weights, strict=False):
        if key not in place_of:
            raise Malformed(f"a weight is given for node {key[1]}, which is not there")
        forest.leaves.append((place_of[key], target, weight))
    return forest


def _integers(node: Node, name: str) -> list[int]:
    return node.integers(name) or []


def _floats(node: Node, name: str) -> list[float]:
    if f"{name}_as_tensor" in node.attributes:
        raise Unsupported(
            f"{name} are of type DOUBLE, which numerics 1 does not define",
            change="Convert the model with float32 inputs.",
        )
    return node.numbers(name) or []


def _read_forest_of_tensors(node: Node) -> Forest:
    """The trees of version 5: inner nodes and leaves are numbered apart."""
    feature = _integers(node, "nodes_featureids")
    count = len(feature)
    weights = _tensor_attribute(node, "leaf_weights").astype(np.float32)
    modes = _tensor_attribute(node, "nodes_modes").tolist()
    splits = _tensor_attribute(node, "nodes_splits").tolist()
    targets = _integers(node, "leaf_targetids")
    yes, no = _integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids")
    yes_leaf, no_leaf = _integers(node, "nodes_trueleafs"), _integers(node, "nodes_falseleafs")
    columns = (modes, splits, yes, no, yes_leaf, no_leaf)
    if any(len(column) != count for column in columns) or len(targets) != weights.size:
        raise Malformed("the lists that describe the nodes have different lengths")
    if not all(0 <= mode <= _MEMBER for mode in modes):
        raise Malformed(f"there is no mode {max(modes)}")
    forest = Forest(
        feature=[*feature, *[0] * len(targets)],
        number=[*splits, *[0.0] * len(targets)],
        mode=[*(["BRANCH_EQ", *_MODE_NUMBERS][0 if m == _MEMBER else m + 1] for m in modes),
              *["LEAF"] * len(targets)],
        missing=[bool(x) for x in node.integers("nodes_missing_value_tracks_true") or [0] * count],
    )  # fmt: skip
    forest.missing += [False] * len(targets)
    for place in range(count):
        forest.yes.append(_branch(yes[place], yes_leaf[place], count, len(targets)))
        forest.no.append(_branch(no[place], no_leaf[place], count, len(targets)))
    leaves = range(count, count + len(targets))
    forest.yes += leaves
    forest.no += leaves
    forest.leaves = list(zip(leaves, targets, weights.reshape(-1).tolist(), strict=True))
    _split_members(node, forest, modes)
    for root in _integers(node, "tree_roots"):
        if not 0 <= root < count:
            raise Malformed(f"a tree begins at node {root}, which is not there")
        single = yes_leaf[root] and no_leaf[root] and yes[root] == no[root]
        forest.roots.append(forest.yes[root] if single else root)
    return forest


def _tensor_attribute(node: Node, name: str) -> Array:
    tensor = node.tensor(name)
    if tensor is None:
        raise Malformed(f"attribute {name!r} is missing")
    return read_tensor(tensor, node.files).reshape(-1)


def _branch(place: int, is_leaf: int, nodes: int, leaves: int) -> int:
    if not 0 <= place < (leaves if is_leaf else nodes):
        raise Malformed(f"a branch leads to {place}, which is not there")
    return nodes + place if is_leaf else place


def _split_members(node: Node, forest: Forest, modes: Sequence[int]) -> None:
    """A node that asks for a member of a set becomes a chain of nodes that ask for one each."""
    places = [place for place, mode in enumerate(modes) if mode == _MEMBER]
    if not places:
        return
    sets: list[list[float]] = [[]]
    for number in _tensor_attribute(node, "membership_values").tolist():
        if np.isnan(number):
            sets.append([])
        else:
            sets[-1].append(number)
    if len(sets) != len(places) + 1 or sets.pop() or not all(sets):
        raise Malformed("membership_values do not fit the nodes that ask for members")
    for start, members in zip(places, sets, strict=True):
        place = start
        forest.number[place] = members[0]
        for number in members[1:]:
            following = len(forest.feature)
            forest.feature.append(forest.feature[start])
            forest.number.append(number)
            forest.mode.append("BRANCH_EQ")
            forest.missing.append(forest.missing[start])
            forest.yes.append(forest.yes[start])
            forest.no.append(forest.no[place])
            forest.no[place] = following
            place = following


# --- going down --------------------------------------------------------------------------------


def _leaves_reached(build: Builder, forest: Forest, features: Value) -> Value:
    """[N, trees]: the leaf that each row reaches in each tree."""
    rows, width = features.shape
    inner = [place for place, mode in enumerate(forest.mode) if mode != "LEAF"]
    if any(not 0 <= forest.feature[place] < width for place in inner):
        raise Malformed(f"a node asks for a feature that {width} features do not have")
    if any(forest.mode[place] not in _MODES for place in inner):
        raise Malformed("a node has an unknown mode")
    feature = [
        f if mode != "LEAF" else 0 for f, mode in zip(forest.feature, forest.mode, strict=True)
    ]
    tables = {
        "feature": build.constant(np.array(feature, np.int64)),
        "number": build.constant(np.array(forest.number, np.float32)),
        "yes": build.constant(np.array(forest.yes, np.int64)),
        "no": build.constant(np.array(forest.no, np.int64)),
    }
    flat = build.reshape(features, (rows * width,))
    offsets = build.iota(DType.I64, (rows, 1), 0, step=width)
    roots = build.constant(np.array([forest.roots], np.int64))
    now = build.broadcast(roots, (rows, len(forest.roots)))
    for _ in range(forest.depth() if rows else 0):
        asked = build.gather(tables["feature"], now, 0)
        seen = build.gather(flat, build.map(Function.ADD, asked, offsets), 0)
        answer = _answer(build, forest, now, seen, build.gather(tables["number"], now, 0))
        yes, no = (build.gather(tables[branch], now, 0) for branch in ("yes", "no"))
        now = build.map(Function.SELECT, answer, yes, no)
    return now


def _answer(build: Builder, forest: Forest, now: Value, seen: Value, number: Value) -> Value:
    """Whether each row takes the true branch of the node where it is."""
    outcomes = (
        build.map(Function.LESS, seen, number),
        build.map(Function.EQUAL, seen, number),
        build.map(Function.LESS, number, seen),
    )
    modes = [_MODES.get(mode, (False,) * 3) for mode in forest.mode]
    used = {mode for mode in forest.mode if mode != "LEAF"}
    answer: Value | None = None
    for which, outcome in enumerate(outcomes):
        leads = {_MODES[mode][which] for mode in used}
        if leads == {False}:
            continue
        if len(leads) > 1:
            table = build.constant(np.array([mode[which] for mode in modes]))
            outcome = build.map(Function.AND, outcome, build.gather(table, now, 0))
        answer = outcome if answer is None else build.map(Function.OR, answer, outcome)
    assert answer is not None, "every mode leads somewhere"
    on_nan = [
        missing or mode == "BRANCH_NEQ"
        for missing, mode in zip(forest.missing, forest.mode, strict=True)
    ]
    if any(on_nan):
        tracks = build.gather(build.constant(np.array(on_nan)), now, 0)
        absent = build.map(Function.AND, build.map(Function.IS_NAN, seen), tracks)
        answer = build.map(Function.OR, answer, absent)
    return answer


def _aggregated(
    build: Builder, forest: Forest, features: Value, targets: int, function: str
) -> Value:
    """[N, targets]: the weights of the leaves that a row reaches, over all trees."""
    if any(not 0 <= target < targets for _, target, _ in forest.leaves):
        raise Malformed(f"a leaf speaks of a target that {targets} targets do not have")
    nodes = len(forest.feature)
    check_table(nodes * targets)
    reduction = {"MIN": Reduction.MIN, "MAX": Reduction.MAX}.get(function, Reduction.SUM)
    if function not in ("SUM", "AVERAGE", "MIN", "MAX"):
        raise Malformed(f"there is no aggregate_function {function!r}")
    table = np.zeros((nodes, targets), np.float32)
    if reduction is not Reduction.SUM:
        neutral = lowest_or_highest(build, reduction, DType.F32).array
        table[:] = neutral
        table = _extremes(table, forest, reduction)
    else:
        for place, target, weight in forest.leaves:
            table[place, target] += np.float32(weight)
    reached = _leaves_reached(build, forest, features)
    weights = build.gather(build.constant(table), reached, 0)
    total = build.reshape(over(build, reduction, weights, [1]), (features.shape[0], targets))
    if reduction is not Reduction.SUM:
        absent = build.map(Function.IS_INF, total)
        return build.map(Function.SELECT, absent, build.scalar(0, DType.F32), total)
    if function == "AVERAGE":
        return build.map(Function.DIV, total, build.scalar(len(forest.roots), DType.F32))
    return total


def _extremes(table: Array, forest: Forest, reduction: Reduction) -> Array:
    better = min if reduction is Reduction.MIN else max
    for place, target, weight in forest.leaves:
        table[place, target] = better(table[place, target], np.float32(weight))
    return table


# --- the operators -----------------------------------------------------------------------------


def _lifted(node: Node, scores: Value) -> Value:
    """The scores plus base_values, one for all or one for each column."""
    base = _floats(node, "base_values")
    if not base:
        return scores
    if len(base) not in (1, scores.shape[1]):
        raise Malformed(f"{len(base)} base_values for {scores.shape[1]} scores")
    return node.build.map(Function.ADD, scores, node.build.constant(np.array(base, np.float32)))


@operator("TreeEnsembleRegressor", since=1, domain=_ML)
def tree_ensemble_regressor(node: Node) -> Value:
    forest, build = _read_forest(node, "target"), node.build
    function = node.text("aggregate_function", "SUM")
    targets = node.integer("n_targets", 1)
    total = _aggregated(build, forest, features_of(node), targets, function)
    return transformed(build, _lifted(node, total), node.text("post_transform", "NONE"))


@operator("TreeEnsemble", since=5, domain=_ML)
def tree_ensemble(node: Node) -> Value:
    functions = ("AVERAGE", "SUM", "MIN", "MAX")
    transforms = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
    function, transform = node.integer("aggregate_function", 1), node.integer("post_transform", 0)
    if not 0 <= function < len(functions) or not 0 <= transform < len(transforms):
        raise Malformed("aggregate_function or post_transform is unknown")
    forest, targets = _read_forest_of_tensors(node), node.integer("n_targets", 1)
    total = _aggregated(node.build, forest, features_of(node), targets, functions[function])
    return transformed(node.build, total, transforms[transform])


@operator("TreeEnsembleClassifier", since=1, domain=_ML)
def tree_ensemble_classifier(node: Node) -> Sequence[Value]:
    """Labels [N] and scores [N, C]. Two classes may share one score, as most exporters have it."""
    build, labels = node.build, class_labels(node, "classlabels_int64s")
    forest, transform = _read_forest(node, "class"), node.text("post_transform", "NONE")
    features = features_of(node)
    ids = {target for _, target, _ in forest.leaves}
    if len(labels) == 2 and len(ids) == 1:
        one = Forest(**{**forest.__dict__, "leaves": [(n, 0, w) for n, _, w in forest.leaves]})
        return _binary(node, _aggregated(build, one, features, 1, "SUM"), labels, forest)
    scores = _lifted(node, _aggregated(build, forest, features, len(labels), "SUM"))
    found = labels_at(build, labels, best_class(build, scores))
    return [found, transformed(build, scores, transform)]


def _binary(node: Node, score: Value, labels: Sequence[int], forest: Forest) -> Sequence[Value]:
    """One score for two classes: a probability if no weight is negative, else any number."""
    build, transform = node.build, node.text("post_transform", "NONE")
    base = _floats(node, "base_values")
    if base:
        score = build.map(Function.ADD, score, build.scalar(base[-1], DType.F32))
    if all(weight >= 0 for _, _, weight in forest.leaves):
        positive = build.map(Function.LESS, build.scalar(0.5, DType.F32), score)
        scores = complement(build, score)
        check_single_score(transform, allowed=("NONE",))
    else:
        check_single_score(transform)
        positive = build.map(Function.LESS, build.scalar(0, DType.F32), score)
        scores = opposite(build, score)
    return [chosen(build, positive, labels), transformed(build, scores, transform)]
