"""Sums over products of any axes (Einsum), and determinants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut
from aivm.compiler.lowering.linear import integer_product, matrix_product
from aivm.compiler.lowering.reduction import over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction

# Axes that `...` stands for are named by numbers, counted from the last one.
_Label = str | int


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A tensor and a label for each of its axes, all different."""

    value: Value
    labels: tuple[_Label, ...]

    def size(self, label: _Label) -> int:
        return self.value.shape[self.labels.index(label)]


@operator("Einsum", since=12)
def einsum(node: Node) -> Value:
    """Operands are multiplied from left to right; each label is summed as soon as it can be."""
    build = node.build
    terms, result = _parsed(node.text("equation", ""), [value.rank for value in node.operands()])
    factors = [
        _diagonal(build, value, labels)
        for value, labels in zip(node.operands(), terms, strict=True)
    ]
    _check_sizes(factors)
    total = factors[0]
    for place, factor in enumerate(factors[1:], start=1):
        later = {label for term in terms[place + 1 :] for label in term} | set(result)
        total = _multiplied(build, total, factor, later)
    total = _summed(build, total, set(result))
    missing = [label for label in result if label not in total.labels]
    if missing:
        raise Malformed(f"the result has a label {missing[0]!r} that no operand has")
    return build.transpose(total.value, [total.labels.index(label) for label in result])


def _parsed(
    equation: str, ranks: Sequence[int]
) -> tuple[list[tuple[_Label, ...]], tuple[_Label, ...]]:
    """The labels of the operands and of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Malformed(f"equation {equation!r} does not fit {len(ranks)} operands")
    labelled = [_labels(term, rank) for term, rank in zip(terms, ranks, strict=True)]
    open_axes = max(
        (-label for term in labelled for label in term if isinstance(label, int)), default=0
    )
    dots = tuple(range(-open_axes, 0))
    if arrow:
        before, ellipsis, after = right.partition("...")
        result: tuple[_Label, ...] = (*before, *(dots if ellipsis else ()), *after)
    else:
        letters = [label for term in labelled for label in term if isinstance(label, str)]
        result = (*dots, *sorted(label for label in set(letters) if letters.count(label) == 1))
    if len(set(result)) != len(result) or not all(
        isinstance(label, int) or label.isalpha() for label in result
    ):
        raise Malformed(f"the result of equation {equation!r} is no list of different letters")
    return labelled, result


def _labels(term: str, rank: int) -> tuple[_Label, ...]:
    before, ellipsis, after = term.partition("...")
    named = len(before) + len(after)
    open_axes = rank - named if ellipsis else 0
    if named + open_axes != rank or open_axes < 0 or not (before + after + "a").isalpha():
        raise Malformed(f"labels {term!r} do not fit an operand of rank {rank}")
    return (*before, *range(-open_axes, 0), *after)


def _diagonal(build: Builder, value: Value, labels: tuple[_Label, ...]) -> _Labelled:
    """A label that occurs twice in one operand walks along both axes at once."""
    kept = tuple(dict.fromkeys(labels))
    if len(kept) == len(labels):
        return _Labelled(value, labels)
    sizes = {label: value.shape[labels.index(label)] for label in kept}
    if any(size != sizes[label] for size, label in zip(value.shape, labels, strict=True)):
        raise Malformed(f"a label names axes of different sizes of shape {value.shape}")
    # One flat axis, walked by every label with the sum of the strides of its axes.
    strides = [prod(value.shape[axis + 1 :]) for axis in range(value.rank)]
    steps = [
        sum(stride for stride, label in zip(strides, labels, strict=True) if label == one)
        for one in kept
    ]
    shape = [sizes[label] for label in kept]
    picked = build.move(
        value, shape, source=(value.type.elements,), axes=[0] * len(kept), steps=steps
    )
    return _Labelled(picked, kept)


def _check_sizes(factors: Sequence[_Labelled]) -> None:
    sizes: dict[_Label, int] = {}
    for factor in factors:
        for label, size in zip(factor.labels, factor.value.shape, strict=True):
            known = sizes.setdefault(label, size)
            if 1 not in (known, size) and known != size:
                raise Malformed(f"label {label!r} names axes of sizes {known} and {size}")
            sizes[label] = max(known, size) if 0 not in (known, size) else 0


def _summed(build: Builder, factor: _Labelled, needed: set[_Label]) -> _Labelled:
    """The labels that nothing needs are summed away."""
    axes = [axis for axis, label in enumerate(factor.labels) if label not in needed]
    if not axes:
        return factor
    kept = tuple(label for label in factor.labels if label in needed)
    total = over(build, Reduction.SUM, factor.value, axes)
    return _Labelled(build.reshape(total, [factor.size(label) for label in kept]), kept)


def _multiplied(build: Builder, a: _Labelled, b: _Labelled, later: set[_Label]) -> _Labelled:
    """The product as one of matrices: [shared, left, summed] times [shared, summed, right].

    An axis of size 1 beside a longer one is one that broadcasts: it is as good as absent.
    """
    a = _summed(build, a, later | set(b.labels))
    b = _summed(build, b, later | set(a.labels))
    a, b = _without_broadcast(build, a, b), _without_broadcast(build, b, a)
    both = [label for label in a.labels if label in b.labels]
    shared = [label for label in both if label in later]
    summed = [label for label in both if label not in later]
    left = [label for label in a.labels if label not in both]
    right = [label for label in b.labels if label not in both]
    sizes = {label: factor.size(label) for factor in (a, b) for label in factor.labels}
    rows, depth, columns = (prod(sizes[x] for x in group) for group in (left, summed, right))
    first = _grouped(
        build, a, [*shared, *left, *summed], [*(sizes[s] for s in shared), rows, depth]
    )
    second = _grouped(
        build, b, [*shared, *summed, *right], [*(sizes[s] for s in shared), depth, columns]
    )
    multiply = matrix_product if first.dtype.is_float else integer_product
    product = multiply(build, first, second)
    labels = (*shared, *left, *right)
    return _Labelled(build.reshape(product, [sizes[label] for label in labels]), labels)


def _without_broadcast(build: Builder, factor: _Labelled, other: _Labelled) -> _Labelled:
    """Drops labels of size 1 that are longer in the other operand."""
    kept = tuple(
        label
        for label, size in zip(factor.labels, factor.value.shape, strict=True)
        if size != 1 or label not in other.labels or other.size(label) == 1
    )
    if kept == factor.labels:
        return factor
    return _Labelled(build.reshape(factor.value, [factor.size(label) for label in kept]), kept)


def _grouped(
    build: Builder, factor: _Labelled, order: Sequence[_Label], shape: Sequence[int]
) -> Value:
    ordered = build.transpose(factor.value, [factor.labels.index(label) for label in order])
    return build.reshape(ordered, shape)


# --- determinants ------------------------------------------------------------------------------

_MAX_DETERMINANT = 8


@operator("Det", since=11)
def determinant(node: Node) -> Value:
    """By Laplace expansion: minors of the last rows first, each used in all larger ones."""
    value, build = node.input(0), node.build
    if value.rank < 2 or value.shape[-1] != value.shape[-2]:
        raise Malformed(f"shape {value.shape} is not one of square matrices")
    size, batch = value.shape[-1], value.shape[:-2]
    if size > _MAX_DETERMINANT:
        raise Unsupported(
            f"the determinant of a {size} x {size} matrix; up to {_MAX_DETERMINANT} can be compiled"
        )
    minors: dict[tuple[int, ...], Value] = {(): build.scalar(1, value.dtype)}
    for row in reversed(range(size)):
        line = [
            build.reshape(
                cut(build, cut(build, value, value.rank - 2, row, 1), value.rank - 1, c, 1), batch
            )
            for c in range(size)
        ]
        minors = {
            columns: _expanded(build, line, minors, columns)
            for columns in combinations(range(size), size - row)
        }
    return build.reshape(build.broadcast(minors[tuple(range(size))], batch), batch)


def _expanded(
    build: Builder,
    line: Sequence[Value],
    minors: dict[tuple[int, ...], Value],
    columns: tuple[int, ...],
) -> Value:
    """The sum of +-element * minor along the first row."""
    total: Value | None = None
    for place, column in enumerate(columns):
        rest = (*columns[:place], *columns[place + 1 :])
        term = build.map(Function.MUL, line[column], minors[rest])
        if total is None:
            total = term
        else:
            total = build.map(Function.SUB if place % 2 else Function.ADD, total, term)
    assert total is not None, "there is a column"
    return total
