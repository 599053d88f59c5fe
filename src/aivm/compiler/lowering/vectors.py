"""Support vector machines (ai.onnx.ml)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, combinations

import numpy as np

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.classifying import (
    best_class,
    chosen,
    class_labels,
    features_of,
    labels_at,
    opposite,
    transformed,
)
from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.lowering.powers import product_of
from aivm.compiler.lowering.reduction import over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

_ML = "ai.onnx.ml"


def _kernels(node: Node, value: Value, vectors: Array) -> Value:
    """[N, V]: the kernel of each row and each support vector [V, F]."""
    build, name = node.build, node.text("kernel_type", "LINEAR")
    parameters = node.numbers("kernel_params") or [0.0, 0.0, 0.0]
    if len(parameters) != 3:
        raise Malformed(f"{len(parameters)} kernel_params, there are three")
    gamma, coefficient, degree = parameters
    if vectors.shape[1] != value.shape[1]:
        raise Malformed(f"support vectors {vectors.shape} do not fit features {value.shape}")
    number = partial(build.scalar, dtype=DType.F32)
    if name == "RBF":
        rows = build.reshape(value, (value.shape[0], 1, value.shape[1]))
        gap = build.map(Function.SUB, rows, build.constant(vectors))
        squares = over(build, Reduction.SUM, build.map(Function.MUL, gap, gap), [2])
        distance = build.reshape(squares, (value.shape[0], vectors.shape[0]))
        return build.map(Function.EXP, build.map(Function.MUL, distance, number(-gamma)))
    product = build.matmul(value, build.constant(np.ascontiguousarray(vectors.T)))
    if name == "LINEAR":
        return product
    line = build.map(
        Function.ADD, build.map(Function.MUL, product, number(gamma)), number(coefficient)
    )
    if name == "SIGMOID":
        return build.map(Function.TANH, line)
    if name == "POLY":
        if degree == int(degree) and 1 <= degree <= 16:
            return product_of(build, line, int(degree))
        return build.map(Function.POW, line, number(degree))
    raise Malformed(f"there is no kernel {name!r}")


_LANES = 16  # of a sum, see numerics 1


def _weighted(build: Builder, kernels: Value, weights: Array) -> Value:
    """[N, 1]: the sum of the kernels times their weights.

    Weights of both signs nearly cancel. Terms are put in an order in which every lane of the sum
    meets both signs in turn, so that no partial sum becomes large.
    """
    used = np.flatnonzero(weights)
    turn = np.zeros(used.size, np.int64)
    for sign in (True, False):
        same = (weights[used] > 0) == sign
        turn[same] = 2 * (np.arange(np.count_nonzero(same)) // _LANES) + sign
    order = used[np.argsort(turn, kind="stable")].astype(np.int64)
    terms = build.map(
        Function.MUL,
        build.gather(kernels, build.constant(order), 1),
        build.constant(np.ascontiguousarray(weights[order])),
    )
    return over(build, Reduction.SUM, terms, [1])


def _matrix(node: Node, name: str, rows: int) -> Array:
    numbers = np.array(node.numbers(name) or [], np.float32)
    if not rows or not numbers.size or numbers.size % rows:
        raise Malformed(f"{numbers.size} {name} do not make {rows} rows")
    return numbers.reshape(rows, -1)


def _offsets(node: Node, count: int) -> Array:
    rho = np.array(node.numbers("rho") or [], np.float32)
    if rho.size not in (1, count):
        raise Malformed(f"{rho.size} values of rho for {count} scores")
    return rho


@operator("SVMRegressor", since=1, domain=_ML)
def svm_regressor(node: Node) -> Value:
    """The weighted sum of kernels plus rho; its sign in models that know one class only."""
    build, value, supports = node.build, features_of(node), node.integer("n_supports", 0)
    if supports:
        seen = _kernels(node, value, _matrix(node, "support_vectors", supports))
    else:
        seen = value
    weights = _matrix(node, "coefficients", 1)
    if weights.shape[1] != seen.shape[1]:
        raise Malformed(f"{weights.shape[1]} coefficients for {seen.shape[1]} kernels")
    total = _weighted(build, seen, weights[0])
    total = build.map(Function.ADD, total, build.constant(_offsets(node, 1)))
    if node.integer("one_class", 0):
        inside = build.map(Function.LESS, build.scalar(0, DType.F32), total)
        one, minus = build.scalar(1, DType.F32), build.scalar(-1, DType.F32)
        return build.map(Function.SELECT, inside, one, minus)
    return transformed(build, total, node.text("post_transform", "NONE"))


@operator("SVMClassifier", since=1, domain=_ML)
def svm_classifier(node: Node) -> Sequence[Value]:
    """Labels [N], and scores: of each pair of classes, or probabilities of the classes."""
    build, labels = node.build, class_labels(node, "classlabels_ints")
    value, transform = features_of(node), node.text("post_transform", "NONE")
    counts = node.integers("vectors_per_class") or []
    if not sum(counts):
        return _linear(node, value, labels, transform)
    if len(counts) != len(labels) or any(count < 0 for count in counts):
        raise Malformed(f"{len(counts)} numbers of vectors for {len(labels)} classes")
    scores = _pair_scores(node, value, counts)
    votes = _votes(build, scores, len(labels))
    if node.numbers("prob_a"):
        chances = _probabilities(node, scores, len(labels))
        winner = best_class(build, votes)
        return [labels_at(build, labels, winner), transformed(build, chances, transform)]
    if len(labels) == 2:
        return _binary(node, scores, votes, labels, transform)
    return [
        labels_at(build, labels, best_class(build, votes)),
        transformed(build, scores, transform),
    ]


def _linear(node: Node, value: Value, labels: Sequence[int], transform: str) -> Sequence[Value]:
    """Without support vectors: one row of coefficients for each class."""
    build = node.build
    weights = _matrix(node, "coefficients", len(labels))
    if weights.shape[1] != value.shape[1]:
        raise Malformed(f"coefficients {weights.shape} do not fit features {value.shape}")
    product = build.matmul(value, build.constant(np.ascontiguousarray(weights.T)))
    scores = build.map(Function.ADD, product, build.constant(_offsets(node, len(labels))[:1]))
    found = labels_at(build, labels, best_class(build, scores))
    return [found, transformed(build, scores, transform)]


def _binary(
    node: Node, score: Value, votes: Value, labels: Sequence[int], transform: str
) -> Sequence[Value]:
    build = node.build
    positive = all(weight >= 0 for weight in node.numbers("coefficients") or [])
    if positive:
        top = over(build, Reduction.MAX, votes, [1])
        second = build.map(Function.LESS_EQUAL, build.scalar(0.5, DType.F32), top)
        found = chosen(build, second, labels)
    else:
        found = labels_at(build, labels, best_class(build, votes))
    return [found, transformed(build, opposite(build, score), transform)]


def _pair_scores(node: Node, value: Value, counts: Sequence[int]) -> Value:
    """[N, pairs]: for each pair of classes the kernels of both, weighted, plus rho."""
    build, total = node.build, sum(counts)
    kernels = _kernels(node, value, _matrix(node, "support_vectors", total))
    weights = np.array(node.numbers("coefficients") or [], np.float32)
    if weights.size != total * (len(counts) - 1):
        raise Malformed(f"{weights.size} coefficients for {total} vectors")
    rows = weights.reshape(-1, total)
    starts = [0, *accumulate(counts)]
    pairs = list(combinations(range(len(counts)), 2))
    scores = []
    for i, j in pairs:
        first, second = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
        column = np.zeros(total, np.float32)
        column[first], column[second] = rows[j - 1, first], rows[i, second]
        scores.append(_weighted(build, kernels, column))
    sums = joined(build, scores, 1)
    return build.map(Function.ADD, sums, build.constant(_offsets(node, len(pairs))))


def _votes(build: Builder, scores: Value, classes: int) -> Value:
    """[N, classes]: how many of its pairs each class wins."""
    pairs = list(combinations(range(classes), 2))
    wins = build.cast(build.map(Function.LESS, build.scalar(0, DType.F32), scores), DType.F32)
    losses = build.map(Function.SUB, build.scalar(1, DType.F32), wins)
    tables = np.zeros((2, len(pairs), classes), np.float32)
    for row, (i, j) in enumerate(pairs):
        tables[0, row, i] = tables[1, row, j] = 1
    won, lost = (
        build.matmul(counted, build.constant(table))
        for counted, table in zip((wins, losses), tables, strict=True)
    )
    return build.map(Function.ADD, won, lost)


# --- probabilities of classes from those of pairs ----------------------------------------------

_LEAST_CHANCE = 1.0e-7
_ROUNDS = 100


def _probabilities(node: Node, scores: Value, classes: int) -> Value:
    """The coupling of Wu, Lin and Weng (2004), second method, as libsvm does it: rounds of
    coordinate descent until nothing moves much. Every row stops for itself."""
    build = node.build
    first, second = (
        np.array(node.numbers(name) or [], np.float32) for name in ("prob_a", "prob_b")
    )
    if first.size != scores.shape[1] or second.size != scores.shape[1]:
        raise Malformed(f"{first.size} and {second.size} parameters for {scores.shape[1]} pairs")
    line = build.map(
        Function.ADD,
        build.map(Function.MUL, scores, build.constant(first)),
        build.constant(second),
    )
    one = build.scalar(1, DType.F32)
    chance = build.map(Function.SIGMOID, build.map(Function.NEG, line))
    chance = build.map(Function.MAX, chance, build.scalar(_LEAST_CHANCE, DType.F32))
    chance = build.map(Function.MIN, chance, build.scalar(1 - _LEAST_CHANCE, DType.F32))
    other = build.map(Function.SUB, one, chance)
    against: dict[tuple[int, int], Value] = {}
    for place, (i, j) in enumerate(combinations(range(classes), 2)):
        against[i, j], against[j, i] = (cut(build, table, 1, place, 1) for table in (chance, other))
    return _coupled(build, _coupling_matrix(build, against, classes), scores.shape[0], classes)


def _coupling_matrix(
    build: Builder, against: dict[tuple[int, int], Value], classes: int
) -> list[list[Value]]:
    """Q [classes][classes] of columns [N, 1]."""

    def entry(i: int, j: int) -> Value:
        if i != j:
            product = build.map(Function.MUL, against[j, i], against[i, j])
            return build.map(Function.NEG, product)
        squares = [
            build.map(Function.MUL, against[k, i], against[k, i]) for k in range(classes) if k != i
        ]
        total = squares[0]
        for square in squares[1:]:
            total = build.map(Function.ADD, total, square)
        return total

    return [[entry(i, j) for j in range(classes)] for i in range(classes)]


def _coupled(build: Builder, matrix: list[list[Value]], rows: int, classes: int) -> Value:
    whole = build.reshape(
        joined(build, [entry for row in matrix for entry in row], 1), (rows, classes, classes)
    )
    number = partial(build.scalar, dtype=DType.F32)
    chances = build.broadcast(number(1 / classes), (rows, classes))
    tolerance = number(0.005 / classes)
    running: Value | None = None
    for _ in range(max(_ROUNDS, classes)):
        column = build.reshape(chances, (rows, classes, 1))
        slope = build.reshape(build.matmul(whole, column), (rows, classes))
        level = over(build, Reduction.SUM, build.map(Function.MUL, chances, slope), [1])
        error = build.map(Function.ABS, build.map(Function.SUB, slope, level))
        worst = over(build, Reduction.MAX, error, [1])
        moves = build.map(Function.LESS_EQUAL, tolerance, worst)
        running = moves if running is None else build.map(Function.AND, running, moves)
        fresh = _round(build, matrix, whole, chances, slope, level)
        chances = build.map(Function.SELECT, running, fresh, chances)
    return chances


def _round(
    build: Builder,
    matrix: list[list[Value]],
    whole: Value,
    chances: Value,
    slope: Value,
    level: Value,
) -> Value:
    """One step along each coordinate."""
    rows, classes = chances.shape
    one, two = build.scalar(1, DType.F32), build.scalar(2, DType.F32)
    for t in range(classes):
        here = cut(build, slope, 1, t, 1)
        step = build.map(Function.DIV, build.map(Function.SUB, level, here), matrix[t][t])
        unit = build.iota(DType.I64, (1, classes), 1)
        own = build.map(Function.EQUAL, unit, build.scalar(t, DType.I64))
        moved = build.map(Function.SELECT, own, build.map(Function.ADD, chances, step), chances)
        scale = build.map(Function.ADD, one, step)
        bend = build.map(
            Function.ADD,
            build.map(Function.MUL, step, matrix[t][t]),
            build.map(Function.MUL, two, here),
        )
        level = build.map(Function.ADD, level, build.map(Function.MUL, step, bend))
        level = build.map(Function.DIV, level, build.map(Function.MUL, scale, scale))
        line = build.reshape(cut(build, whole, 1, t, 1), (rows, classes))
        slope = build.map(Function.ADD, slope, build.map(Function.MUL, step, line))
        slope = build.map(Function.DIV, slope, scale)
        chances = build.map(Function.DIV, moved, scale)
    return chances
