"""Constants, shapes read as numbers, counting, and changes of dtype."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isfinite, prod

import numpy as np
from onnx import TensorProto

from aivm.commitments import Array
from aivm.compiler import doubles
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import (
    check_table,
    checked_type,
    dtype_of_onnx,
    read_doubles,
    read_tensor,
)
from aivm.compiler.values import DoubleTensor, Entity, Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType


@operator("Constant", since=1)
def constant(node: Node) -> Entity:
    tensor = node.tensor("value")
    if tensor is not None:
        return doubles.constant_of(node.build, tensor, node.files)
    return node.build.constant(_attribute_array(node))


def _attribute_array(node: Node) -> Array:
    attributes = node.attributes
    if "value_int" in attributes:
        return np.array(node.integer("value_int"), np.int64)
    if "value_ints" in attributes:
        return np.array(node.integers("value_ints"), np.int64)
    if "value_float" in attributes:
        return np.array(node.number("value_float"), np.float32)
    if "value_floats" in attributes:
        return np.array(list(attributes["value_floats"].floats), np.float32)
    raise Unsupported("only dense constants of numbers can be compiled")


@operator("ConstantOfShape", since=9)
def constant_of_shape(node: Node) -> Entity:
    shape = node.known_integers(0)
    tensor = node.tensor("value")
    if tensor is not None and tensor.data_type == TensorProto.DOUBLE:
        element = read_doubles(tensor)
        check_table(prod(shape))
        return DoubleTensor(np.full(shape, element.reshape(-1)[0]))
    if tensor is None:
        tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], float_data=[0.0])
    element, dtype = read_tensor(tensor), dtype_of_onnx(tensor.data_type)
    if element.size != 1:
        raise Malformed("the value of ConstantOfShape must have one element")
    bits = int.from_bytes(element.tobytes(), "little")
    return node.build.fill(checked_type(dtype, tuple(shape)), bits)


@operator("Shape", since=1)
def shape(node: Node) -> Value:
    value = node.input(0)
    start, end = node.integer("start", 0), node.integer("end", value.rank)
    return node.build.constant(np.array(value.shape[start:end], np.int64))


@operator("Size", since=1)
def size(node: Node) -> Value:
    return node.build.constant(np.array(node.input(0).type.elements, np.int64))


@operator("Range", since=11)
def number_range(node: Node) -> Value:
    """start, start + delta, ... below limit; how many there are is computed exactly."""
    dtype = node.input(0).dtype
    start, limit, delta = (_known_number(node, position) for position in range(3))
    if delta == 0:
        raise Malformed("the step of Range is zero")
    count = max(0, ceil((limit - start) / delta))
    counted = dtype if dtype is DType.I32 else DType.I64
    if not dtype.is_float:
        line = node.build.iota(counted, (count,), 0, start=int(start), step=int(delta))
        return node.build.cast(line, dtype)
    places = node.build.cast(node.build.iota(counted, (count,), 0), DType.F32)
    steps = node.build.map(Function.MUL, places, node.build.scalar(float(delta), DType.F32))
    line = node.build.map(Function.ADD, steps, node.build.scalar(float(start), DType.F32))
    return node.build.cast(line, dtype)


def _known_number(node: Node, position: int) -> Fraction:
    array = node.known_numbers(position)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise Malformed("the operands of Range must be scalars")
    number = array.reshape(-1)[0].item()
    if not isfinite(number):
        raise Malformed("the operands of Range must be finite")
    return Fraction(number)


@operator("EyeLike", since=9)
def eye_like(node: Node) -> Value:
    """Ones on the k-th diagonal of a matrix of the input's shape."""
    value = node.input(0)
    if value.rank != 2:
        raise Malformed("EyeLike needs a matrix")
    dtype = dtype_of_onnx(node.integer("dtype")) if "dtype" in node.attributes else value.dtype
    row = node.build.iota(DType.I64, value.shape, 0, start=node.integer("k", 0))
    column = node.build.iota(DType.I64, value.shape, 1)
    return node.build.cast(node.build.map(Function.EQUAL, row, column), dtype)


@operator("Trilu", since=14)
def triangle(node: Node) -> Value:
    """The upper or lower triangle of the last two axes, 0 elsewhere."""
    value, build = node.input(0), node.build
    if value.rank < 2:
        raise Malformed("Trilu needs matrices")
    diagonal = int(_known_number(node, 1)) if node.optional(1) is not None else 0
    row = build.iota(DType.I64, (value.shape[-2], 1), 0, start=diagonal)
    column = build.iota(DType.I64, (value.shape[-1],), 0)
    upper = bool(node.integer("upper", 1))
    keep = (row, column) if upper else (column, row)
    inside = build.map(Function.LESS_EQUAL, *keep)
    return build.map(Function.SELECT, inside, value, build.scalar(0, value.dtype))


@operator("Cast", since=6)
def cast(node: Node) -> Entity:
    if node.integer("to") == TensorProto.DOUBLE:
        return doubles.widened(node.build, node.input(0))
    return node.build.cast(node.input(0), dtype_of_onnx(node.integer("to")))


@operator("CastLike", since=15)
def cast_like(node: Node) -> Value:
    return node.build.cast(node.input(0), node.input(1).dtype)


@operator("OneHot", since=9)
def one_hot(node: Node) -> Value:
    """values[1] where a new axis counts up to the index, values[0] elsewhere."""
    index, build = node.input(0), node.build
    depth = int(_known_number(node, 1))
    values = node.input(2)
    if values.shape != (2,):
        raise Malformed(f"values of shape {values.shape} are not the two of OneHot")
    axis = normalised_axis(node.integer("axis", -1), index.rank + 1)
    whole = build.cast(index, DType.I64)
    size = build.scalar(depth, DType.I64)
    negative = build.map(Function.LESS, whole, build.scalar(0, DType.I64))
    wrapped = build.map(Function.SELECT, negative, build.map(Function.ADD, whole, size), whole)
    column = build.reshape(wrapped, (*index.shape[:axis], 1, *index.shape[axis:]))
    ramp = [1] * (index.rank + 1)
    ramp[axis] = depth
    hit = build.map(Function.EQUAL, column, build.iota(DType.I64, ramp, axis))
    off, on = (
        build.move(values, (), source=(2,), axes=(), origins=(position,)) for position in (0, 1)
    )
    return build.map(Function.SELECT, hit, on, off)
