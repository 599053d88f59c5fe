"""Preparation of features, and linear models (ai.onnx.ml)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from aivm.commitments import Array, numpy_dtype
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
from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.lowering.reduction import over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table, dtype_of_onnx, read_tensor
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

_ML = "ai.onnx.ml"


@operator("ArrayFeatureExtractor", since=1, domain=_ML)
def array_feature_extractor(node: Node) -> Value:
    """Columns of the last axis; those of a vector make a matrix of one row."""
    value, index, build = node.input(0), node.input(1), node.build
    if not value.rank:
        raise Malformed("a scalar has no features")
    flat = build.reshape(index, (index.type.elements,))
    found = build.gather(value, flat, value.rank - 1)
    return build.reshape(found, (1, *found.shape)) if value.rank == 1 else found


@operator("Binarizer", since=1, domain=_ML)
def binarizer(node: Node) -> Value:
    """1 above the threshold, else 0."""
    value, build = node.input(0), node.build
    threshold = build.scalar(node.number("threshold", 0.0), value.dtype)
    return build.cast(build.map(Function.LESS, threshold, value), value.dtype)


@operator("Scaler", since=1, domain=_ML)
def scaler(node: Node) -> Value:
    """(x - offset) * scale."""
    build, value = node.build, node.build.cast(node.input(0), DType.F32)
    for name, function in (("offset", Function.SUB), ("scale", Function.MUL)):
        numbers = node.numbers(name)
        if numbers:
            if len(numbers) not in (1, value.shape[-1] if value.rank else 1):
                raise Malformed(f"{len(numbers)} numbers of {name} for shape {value.shape}")
            value = build.map(function, value, build.constant(np.array(numbers, np.float32)))
    return value


@operator("Normalizer", since=1, domain=_ML)
def normalizer(node: Node) -> Value:
    """Every row divided by its norm; a row whose norm is zero stays as it is."""
    build, value = node.build, features_of(node)
    name = node.text("norm", "MAX")
    if name == "MAX":
        norm = over(build, Reduction.MAX, value, [1])
    elif name == "L1":
        norm = over(build, Reduction.SUM, build.map(Function.ABS, value), [1])
    elif name == "L2":
        squares = build.map(Function.MUL, value, value)
        norm = build.map(Function.SQRT, over(build, Reduction.SUM, squares, [1]))
    else:
        raise Malformed(f"there is no norm {name!r}")
    nothing = build.map(Function.EQUAL, norm, build.scalar(0, DType.F32))
    divisor = build.map(Function.SELECT, nothing, build.scalar(1, DType.F32), norm)
    return build.reshape(build.map(Function.DIV, value, divisor), node.input(0).shape)


@operator("Imputer", since=1, domain=_ML)
def imputer(node: Node) -> Value:
    """Values that are missing (NaN, or a given number) replaced, one replacement a column."""
    value, build = node.input(0), node.build
    numbers = node.numbers("imputed_value_floats")
    if numbers:
        missing = node.number("replaced_value_float", 0.0)
        given = build.constant(np.array(numbers, np.float32))
    else:
        integers = node.integers("imputed_value_int64s")
        if not integers:
            raise Malformed("Imputer has no values to impute")
        missing = node.integer("replaced_value_int64", 0)
        given = build.constant(np.array(integers, np.int64))
    if given.dtype is not value.dtype or given.shape[0] not in (1, value.shape[-1]):
        raise Malformed(f"{given.shape[0]} values of {given.dtype.name} for {value.shape}")
    if isnan(missing):
        absent = build.map(Function.IS_NAN, value)
    else:
        absent = build.map(Function.EQUAL, value, build.scalar(missing, value.dtype))
    return build.map(Function.SELECT, absent, given, value)


@operator("FeatureVectorizer", since=1, domain=_ML)
def feature_vectorizer(node: Node) -> Value:
    """Matrices side by side, each cut or filled with zeros to its number of columns."""
    build = node.build
    values = [build.cast(value, DType.F32) for value in node.operands()]
    matrices = [
        build.reshape(value, (value.type.elements, 1)) if value.rank == 1 else value
        for value in values
    ]
    widths = node.integers("inputdimensions") or [matrix.shape[-1] for matrix in matrices]
    rows = {matrix.shape[0] for matrix in matrices if matrix.rank == 2}
    if any(matrix.rank != 2 for matrix in matrices) or len(rows) != 1 or len(widths) != len(values):
        raise Malformed("FeatureVectorizer needs matrices of the same number of rows")
    parts = [
        cut(build, matrix, 1, 0, width) for matrix, width in zip(matrices, widths, strict=True)
    ]
    return joined(build, parts, 1)


# --- looking numbers up ------------------------------------------------------------------------


def _place_among(build: Builder, value: Value, keys: Array) -> tuple[Value, Value]:
    """For each element the place of the first key that equals it, and whether there is one."""
    check_table(keys.size * max(1, value.type.elements))
    column = build.reshape(value, (value.type.elements, 1))
    table = build.constant(keys.reshape(1, -1))
    hit = build.map(Function.EQUAL, column, table)
    if value.dtype.is_float:
        nan = build.map(
            Function.AND, build.map(Function.IS_NAN, column), build.map(Function.IS_NAN, table)
        )
        hit = build.map(Function.OR, hit, nan)
    count = build.cast(hit, DType.U8)
    shape = value.shape
    place = build.reduce(Reduction.ARG_MAX, count, 1, keys.size, shape)
    most = build.reduce(Reduction.MAX, count, 1, keys.size, shape)
    return place, build.cast(most, DType.BOOL)


@operator("LabelEncoder", since=1, domain=_ML)
def label_encoder(node: Node) -> Value:
    """Each element replaced by the value of its key, or by a default."""
    value, build = node.input(0), node.build
    keys, values, default = _encoding(node)
    if keys.dtype != numpy_dtype(value.dtype):
        raise Malformed(f"keys of {keys.dtype} do not fit {value.dtype.name}")
    place, found = _place_among(build, value, keys)
    picked = build.gather(build.constant(values), place, 0)
    return build.map(Function.SELECT, found, picked, build.constant(default))


def _encoding(node: Node) -> tuple[Array, Array, Array]:
    """Keys, values, and the value of everything else (rank 0)."""
    columns = []
    for name in ("keys", "values"):
        tensor = node.tensor(f"{name}_tensor")
        integers, numbers = node.integers(f"{name}_int64s"), node.numbers(f"{name}_floats")
        if tensor is not None:
            dtype_of_onnx(tensor.data_type)
            columns.append(read_tensor(tensor, node.files).reshape(-1))
        elif integers:
            columns.append(np.array(integers, np.int64))
        elif numbers:
            columns.append(np.array(numbers, np.float32))
        else:
            raise Unsupported(
                "it encodes text", change="Encode text before the model, as integers."
            )
    keys, values = columns
    if keys.shape != values.shape or not keys.size:
        raise Malformed(f"{keys.size} keys for {values.size} values")
    given = node.tensor("default_tensor")
    if given is not None:
        default = read_tensor(given, node.files).reshape(())
    elif values.dtype == np.float32:
        default = np.array(node.number("default_float", -0.0), np.float32)
    else:
        default = np.array(node.integer("default_int64", -1), values.dtype)
    return keys, values, default


@operator("OneHotEncoder", since=1, domain=_ML)
def one_hot_encoder(node: Node) -> Value:
    """A new axis with 1 at the place of the element's category.

    An element of no category gives zeros, or is a fault where the model says so.
    """
    value, build = node.input(0), node.build
    categories = node.integers("cats_int64s")
    if not categories:
        raise Unsupported("its categories are text", change="Encode them as integers.")
    whole = build.cast(value, DType.I64)
    place, found = _place_among(build, whole, np.array(categories, np.int64))
    count = len(categories)
    check_table((count + 1) * count)
    rows = np.eye(count + 1, count, dtype=np.float32)
    if node.integer("zeros", 1):
        nowhere, table = count, rows
    else:
        nowhere, table = count, rows[:count]
    index = build.map(Function.SELECT, found, place, build.scalar(nowhere, DType.I64))
    return build.gather(build.constant(table), index, 0)


@operator("ZipMap", since=1, domain=_ML)
def zip_map(node: Node) -> Value:
    """The tensor that is zipped: its columns are the labels' scores, in the order of the labels."""
    return node.input(0)


# --- linear models -----------------------------------------------------------------------------


def _linear_scores(node: Node, rows: int) -> Value:
    """x times the coefficients, plus the intercepts: [N, rows]."""
    build, value = node.build, features_of(node)
    weights = np.array(node.numbers("coefficients") or [], np.float32)
    if weights.size != rows * value.shape[1]:
        raise Malformed(f"{weights.size} coefficients for {rows} rows of {value.shape[1]} features")
    matrix = build.constant(np.ascontiguousarray(weights.reshape(rows, -1).T))
    scores = build.matmul(value, matrix)
    intercepts = node.numbers("intercepts")
    if not intercepts:
        return scores
    if len(intercepts) not in (1, rows):
        raise Malformed(f"{len(intercepts)} intercepts for {rows} scores")
    return build.map(Function.ADD, scores, build.constant(np.array(intercepts, np.float32)))


@operator("LinearRegressor", since=1, domain=_ML)
def linear_regressor(node: Node) -> Value:
    scores = _linear_scores(node, node.integer("targets", 1))
    return transformed(node.build, scores, node.text("post_transform", "NONE"))


@operator("LinearClassifier", since=1, domain=_ML)
def linear_classifier(node: Node) -> Sequence[Value]:
    """Labels [N] and scores [N, C]; two classes may share one row of coefficients."""
    build, labels = node.build, class_labels(node, "classlabels_ints")
    transform, width = node.text("post_transform", "NONE"), features_of(node).shape[1]
    rows = len(node.numbers("coefficients") or []) // max(1, width)
    scores = _linear_scores(node, rows)
    if rows > 1:
        if rows != len(labels):
            raise Malformed(f"{rows} rows of coefficients for {len(labels)} classes")
        found = labels_at(build, labels, best_class(build, scores))
        return [found, transformed(build, scores, transform)]
    if len(labels) != 2:
        raise Malformed(f"one row of coefficients for {len(labels)} classes")
    positive = build.map(Function.LESS, build.scalar(0, DType.F32), scores)
    check_single_score(transform)
    pair = complement(build, scores) if transform == "NONE" else opposite(build, scores)
    return [chosen(build, positive, labels), transformed(build, pair, transform)]
