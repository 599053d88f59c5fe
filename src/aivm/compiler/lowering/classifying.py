"""What the classical classifiers share: labels, and the transforms of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import joined
from aivm.compiler.lowering.reduction import over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType


def features_of(node: Node) -> Value:
    """The first operand as a matrix [N, F] of F32."""
    value = node.input(0)
    if value.rank not in (1, 2):
        raise Malformed(f"an operand of shape {value.shape} is no matrix of features")
    if value.rank == 1:
        value = node.build.reshape(value, (1, *value.shape))
    return node.build.cast(value, DType.F32)


def class_labels(node: Node, name: str) -> list[int]:
    """The numbers of the classes. Raises Unsupported for labels that are text."""
    numbers = node.integers(name)
    texts = node.texts("classlabels_strings")
    if numbers:
        return numbers
    if texts:
        if node.wants(0):
            raise Unsupported(
                "its labels are text",
                change="Encode the labels as integers, or use the scores only.",
            )
        return list(range(len(texts)))
    raise Malformed("it names no classes")


def labels_at(build: Builder, labels: Sequence[int], place: Value) -> Value:
    """The label of each class that `place` [N] names."""
    return build.gather(build.constant(np.array(labels, np.int64)), place, 0)


def best_class(build: Builder, scores: Value) -> Value:
    """The place of the greatest score of each row [N, C]: [N]."""
    rows, count = scores.shape
    return build.reduce(Reduction.ARG_MAX, scores, 1, count, (rows,))


def chosen(build: Builder, condition: Value, labels: Sequence[int]) -> Value:
    """labels[1] where the condition holds, labels[0] elsewhere; [N] of a condition [N, 1]."""
    yes, no = build.scalar(labels[1], DType.I64), build.scalar(labels[0], DType.I64)
    picked = build.map(Function.SELECT, condition, yes, no)
    return build.reshape(picked, (condition.shape[0],))


def paired(build: Builder, first: Value, second: Value) -> Value:
    """Two columns [N, 1] as [N, 2]."""
    return joined(build, [first, second], 1)


def opposite(build: Builder, score: Value) -> Value:
    """-s beside s."""
    return paired(build, build.map(Function.NEG, score), score)


def complement(build: Builder, score: Value) -> Value:
    """1 - s beside s."""
    rest = build.map(Function.SUB, build.scalar(1, DType.F32), score)
    return paired(build, rest, score)


def check_single_score(transform: str, *, allowed: Sequence[str] = ("NONE", "LOGISTIC")) -> None:
    """Raises Unsupported for transforms of one score for two classes that runtimes disagree on."""
    if transform not in allowed:
        raise Unsupported(
            f"runtimes disagree on what post_transform {transform} makes of one score for two "
            "classes",
            change="Give every class a score of its own.",
        )


def transformed(build: Builder, scores: Value, name: str) -> Value:
    """The scores [N, C] after a post_transform."""
    if name == "NONE":
        return scores
    if name == "LOGISTIC":
        return build.map(Function.SIGMOID, scores)
    if name == "SOFTMAX":
        return _softmax(build, scores)
    if name == "SOFTMAX_ZERO":
        return _softmax_of_nonzero(build, scores)
    if name == "PROBIT":
        return _probit(build, scores)
    raise Malformed(f"there is no post_transform {name!r}")


def _softmax(build: Builder, scores: Value) -> Value:
    top = over(build, Reduction.MAX, scores, [1])
    grown = build.map(Function.EXP, build.map(Function.SUB, scores, top))
    return build.map(Function.DIV, grown, over(build, Reduction.SUM, grown, [1]))


# Scores that are nearer to zero count as zero.
_NEARLY_ZERO = 0.0000001


def _softmax_of_nonzero(build: Builder, scores: Value) -> Value:
    """exp(s - max) of scores that are not zero, over their sum; zeros stay (nearly) zero."""
    top = over(build, Reduction.MAX, scores, [1])
    grown = build.map(Function.EXP, build.map(Function.SUB, scores, top))
    small = build.map(Function.MUL, scores, build.map(Function.EXP, build.map(Function.NEG, top)))
    counts = build.map(
        Function.LESS, build.scalar(_NEARLY_ZERO, DType.F32), build.map(Function.ABS, scores)
    )
    terms = build.map(Function.SELECT, counts, grown, small)
    total = over(build, Reduction.SUM, terms, [1])
    nothing = build.map(Function.EQUAL, total, build.scalar(0, DType.F32))
    shares = build.map(Function.DIV, terms, total)
    return build.map(Function.SELECT, nothing, build.scalar(0.5, DType.F32), shares)


def _probit(build: Builder, scores: Value) -> Value:
    """sqrt(2) * inverse erf(2 s - 1), by the approximation of Winitzki that runtimes share."""
    number = partial(build.scalar, dtype=DType.F32)
    x = build.map(Function.SUB, build.map(Function.MUL, scores, number(2)), number(1))
    rest = build.map(
        Function.MUL,
        build.map(Function.SUB, number(1), x),
        build.map(Function.ADD, number(1), x),
    )
    log = build.map(Function.LOG, rest)
    half = build.map(Function.MUL, log, number(0.5))
    v = build.map(Function.ADD, number(2 / (np.pi * 0.147)), half)
    square = build.map(Function.MUL, v, v)
    inner = build.map(Function.SUB, square, build.map(Function.MUL, log, number(1 / 0.147)))
    root = build.map(Function.SQRT, build.map(Function.SUB, build.map(Function.SQRT, inner), v))
    negative = build.map(Function.LESS, x, number(0))
    signed = build.map(Function.SELECT, negative, build.map(Function.NEG, root), root)
    return build.map(Function.MUL, signed, number(1.41421356))
