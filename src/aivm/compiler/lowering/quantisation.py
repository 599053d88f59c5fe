"""Quantised tensors: integers with a scale and a zero point."""

from __future__ import annotations

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.convolution import convolution
from aivm.compiler.lowering.linear import integer_product, product
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table, dtype_of_onnx
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType


@operator("QuantizeLinear", since=10)
def quantize_linear(node: Node) -> Value:
    """round(x / scale) + zero_point, saturated."""
    value, zero_point, build = node.input(0), node.optional(2), node.build
    target = DType.U8 if zero_point is None else zero_point.dtype
    if node.integer("output_dtype", 0):
        target = dtype_of_onnx(node.integer("output_dtype"))
    scale = _along_axis(node, node.input(1), value)
    point = None if zero_point is None else _along_axis(node, zero_point, value)
    wide = build.cast(build.widened(value), DType.F32)
    return quantised(build, build.map(Function.DIV, wide, build.widened(scale)), point, target)


def quantised(build: Builder, scaled: Value, zero_point: Value | None, target: DType) -> Value:
    """round(scaled) + zero_point as integers; the cast saturates."""
    if not target.is_integer or target.size_bytes > 2:
        raise Unsupported(f"quantisation to {target.name} is not defined")
    whole = build.map(Function.ROUND, scaled)
    if zero_point is not None:
        whole = build.map(Function.ADD, whole, build.cast(zero_point, DType.F32))
    return build.cast(whole, target)


@operator("DequantizeLinear", since=10)
def dequantize_linear(node: Node) -> Value:
    """(x - zero_point) * scale, the difference exact in I32."""
    value, zero_point, build = node.input(0), node.optional(2), node.build
    scale = _along_axis(node, node.input(1), value)
    whole = build.cast(value, DType.I32)
    if zero_point is not None:
        point = build.cast(_along_axis(node, zero_point, value), DType.I32)
        whole = build.map(Function.SUB, whole, point)
    wide = build.cast(whole, DType.F32)
    return build.cast(build.map(Function.MUL, wide, build.widened(scale)), scale.dtype)


def _along_axis(node: Node, parameter: Value, value: Value) -> Value:
    """A scale or zero point so that it broadcasts: one for all, each place, or each block."""
    if parameter.type.elements == 1:
        return node.build.reshape(parameter, ())
    axis = normalised_axis(node.integer("axis", 1), value.rank)
    block = node.integer("block_size", 0)
    if block:
        if parameter.rank != value.rank or -(-value.shape[axis] // block) != parameter.shape[axis]:
            raise Malformed(f"blocks of {block} do not fit shapes {value.shape}, {parameter.shape}")
        check_table(value.shape[axis])
        places = np.arange(value.shape[axis], dtype=np.int64) // block
        return node.build.gather(parameter, node.build.constant(places), axis)
    if parameter.shape != (value.shape[axis],):
        raise Malformed(f"{parameter.shape} is not one number for each place of axis {axis}")
    return node.build.reshape(parameter, (*parameter.shape, *[1] * (value.rank - axis - 1)))


@operator("MatMulInteger", since=10)
def matmul_integer(node: Node) -> Value:
    """(A - a_zero_point) * (B - b_zero_point), exact in I32 (wrapping)."""
    return _integer_matmul(node, (0, 2), (1, 3))


@operator("ConvInteger", since=10)
def conv_integer(node: Node) -> Value:
    """(x - x_zero_point) convolved with (w - w_zero_point), exact in I32; padding adds nothing."""
    return _integer_conv(node, (0, 2), (1, 3), None)


@operator("QLinearMatMul", since=10)
def quantised_matmul(node: Node) -> Value:
    return _requantised(node, _integer_matmul(node, (0, 2), (3, 5)), node.input(4))


@operator("QLinearConv", since=10)
def quantised_conv(node: Node) -> Value:
    total = _integer_conv(node, (0, 2), (3, 5), node.optional(8))
    scale = node.input(4)
    if scale.type.elements != 1:
        scale = node.build.reshape(scale, (scale.type.elements, *[1] * (total.rank - 2)))
    return _requantised(node, total, scale)


def _integer_matmul(node: Node, a: tuple[int, int], b: tuple[int, int]) -> Value:
    """`a` and `b` are the places of an operand and of its zero point."""
    rows = _centred(node, *a, axis=node.input(a[0]).rank - 2)
    columns = _centred(node, *b, axis=node.input(b[0]).rank - 1)
    return product(node.build, rows, columns)


def _integer_conv(
    node: Node, value: tuple[int, int], weights: tuple[int, int], bias: Value | None
) -> Value:
    image, kernel = _centred(node, *value, axis=1), _centred(node, *weights, axis=0)
    return convolution(node, image, kernel, bias, integer_product)


def _centred(node: Node, place: int, zero_place: int, axis: int) -> Value:
    """The operand in I32 less its zero point, which may be one for each place of `axis`."""
    value, zero_point, build = node.input(place), node.optional(zero_place), node.build
    wide = build.cast(value, DType.I32)
    if zero_point is None:
        return wide
    point = build.cast(zero_point, DType.I32)
    if point.type.elements == 1:
        point = build.reshape(point, ())
    elif point.rank == 1:
        point = build.reshape(point, (*point.shape, *[1] * (value.rank - axis - 1)))
    return build.map(Function.SUB, wide, point)


def _requantised(node: Node, total: Value, second: Value) -> Value:
    """total * (first scale * second scale / result scale), rounded, plus the zero point."""
    build = node.build
    first, last = build.widened(node.input(1)), build.widened(node.input(6))
    factor = build.map(Function.DIV, build.map(Function.MUL, first, build.widened(second)), last)
    scaled = build.map(Function.MUL, build.cast(total, DType.F32), factor)
    zero_point = node.input(7)
    return quantised(build, scaled, zero_point, zero_point.dtype)
