"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable

from aivm.compiler.builder import Builder, broadcast_shape
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function, Reduction


@operator("MatMul", since=1)
def matmul(node: Node) -> Value:
    return product(node.build, node.input(0), node.input(1))


Product = Callable[[Builder, Value, Value], Value]
"""How matrices of rank 2 or more are multiplied."""


def product(build: Builder, a: Value, b: Value, multiply: Product | None = None) -> Value:
    """numpy's matmul: a vector is a matrix of one row (left) or one column (right)."""
    if not a.rank or not b.rank:
        raise Malformed("a matrix product needs operands of rank 1 or more")
    rows = build.reshape(a, (1, *a.shape)) if a.rank == 1 else a
    columns = build.reshape(b, (*b.shape, 1)) if b.rank == 1 else b
    if multiply is None:
        multiply = matrix_product if a.dtype.is_float else integer_product
    result = multiply(build, rows, columns)
    shape = list(result.shape)
    if b.rank == 1:
        del shape[-1]
    if a.rank == 1:
        del shape[-1 if b.rank == 1 else -2]
    return build.reshape(result, shape)


def matrix_product(build: Builder, a: Value, b: Value) -> Value:
    """A product of float matrices."""
    return build.matmul(a, b)


def integer_product(build: Builder, a: Value, b: Value) -> Value:
    """A product of integer matrices: all products, then their wrapping sums."""
    if a.shape[-1] != b.shape[-2]:
        raise Malformed(f"matrices of shapes {a.shape} and {b.shape} cannot be multiplied")
    leading = broadcast_shape(a.shape[:-2], b.shape[:-2])
    rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    left = build.reshape(a, (*a.shape, 1))
    right = build.reshape(b, (*b.shape[:-2], 1, depth, columns))
    products = build.map(Function.MUL, left, right)
    return build.reduce(Reduction.SUM, products, columns, depth, (*leading, rows, columns))


@operator("Gemm", since=7)
def gemm(node: Node) -> Value:
    """alpha * A' * B' + beta * C."""
    build = node.build
    a, b, c = node.input(0), node.input(1), node.optional(2)
    if a.rank != 2 or b.rank != 2:
        raise Malformed("Gemm multiplies matrices of rank 2")
    if not a.dtype.is_float:
        raise Unsupported("Gemm of integers cannot be compiled", change="Use MatMul and Add.")
    a = build.transpose(a, (1, 0)) if node.integer("transA", 0) else a
    b = build.transpose(b, (1, 0)) if node.integer("transB", 0) else b
    result = _scaled(build, build.matmul(a, b), node.number("alpha", 1.0))
    if c is not None:
        result = build.map(Function.ADD, result, _scaled(build, c, node.number("beta", 1.0)))
    if result.shape != (a.shape[0], b.shape[1]):
        raise Malformed("C of Gemm must broadcast to the product's shape")
    return result


def _scaled(build: Builder, value: Value, factor: float) -> Value:
    if factor == 1.0:
        return value
    return build.map(Function.MUL, value, build.scalar(factor, value.dtype))
