"""Quantised tensors: integers with a scale and a zero point."""

from __future__ import annotations

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.bytes import centred_product
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
    left, right = node.input(a[0]), node.input(b[0])
    left_point = _zero_point(node, a[1], left.rank, axis=left.rank - 2)
    right_point = _zero_point(node, b[1], right.rank, axis=right.rank - 1)

    def multiply(build: Builder, rows: Value, columns: Value) -> Value:
        return centred_product(build, rows, left_point, columns, right_point)

    return product(node.build, left, right, multiply)


def _integer_conv(
    node: Node, value: tuple[int, int], weights: tuple[int, int], bias: Value | None
) -> Value:
    """Around the image lie its zero points, so that padding adds nothing."""
    image, kernel = node.input(value[0]), node.input(weights[0])
    image_point = _zero_point(node, value[1], 0, axis=-1)
    if image_point is not None and image_point.rank:
        raise Malformed("the image of a convolution has one zero point")
    kernel_point = _zero_point(node, weights[1], 2, axis=0)
    if image_point is not None and image_point.array is None:
        wide = node.build.map(Function.SUB, node.build.cast(image, DType.I32), image_point)
        return convolution(node, wide, _centred(node, kernel, kernel_point), bias, integer_product)
    fill = 0 if image_point is None else int(_known(image_point)) & 0xFF

    def multiply(build: Builder, rows: Value, columns: Value) -> Value:
        point = kernel_point
        if point is not None and point.rank:
            point = build.reshape(point, (*rows.shape[:-1], 1))
        return centred_product(build, rows, point, columns, image_point)

    return convolution(node, image, kernel, bias, multiply, fill)


def _known(point: Value) -> int:
    assert point.array is not None
    return int(point.array)


def _centred(node: Node, kernel: Value, point: Value | None) -> Value:
    """Weights [M, ...] in I32 less their zero points (M, 1)."""
    wide = node.build.cast(kernel, DType.I32)
    if point is None:
        return wide
    if point.rank:
        point = node.build.reshape(point, (point.shape[0], *[1] * (kernel.rank - 1)))
    return node.build.map(Function.SUB, wide, point)


def _zero_point(node: Node, place: int, rank: int, axis: int) -> Value | None:
    """A zero point in I32 that broadcasts against an operand of that rank; None where it is 0.

    One number, one for each place of `axis`, or of the operand's rank already.
    """
    point, build = node.optional(place), node.build
    if point is None or (point.array is not None and not point.array.any()):
        return None
    point = build.cast(point, DType.I32)
    if point.type.elements == 1:
        return build.reshape(point, ())
    if point.rank == 1:
        return build.reshape(point, (*point.shape, *[1] * (rank - axis - 1)))
    return point


def _requantised(node: Node, total: Value, second: Value) -> Value:
    """total * (first scale * second scale / result scale), rounded, plus the zero point."""
    build = node.build
    first, last = build.widened(node.input(1)), build.widened(node.input(6))
    factor = build.map(Function.DIV, build.map(Function.MUL, first, build.widened(second)), last)
    scaled = build.map(Function.MUL, build.cast(total, DType.F32), factor)
    zero_point = node.input(7)
    return quantised(build, scaled, zero_point, zero_point.dtype)
