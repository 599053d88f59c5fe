"""Products of bytes that have zero points."""

from __future__ import annotations

from math import prod

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.linear import integer_product
from aivm.compiler.values import Value
from aivm.isa import signatures
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType


def centred_product(
    build: Builder, a: Value, a_point: Value | None, b: Value, b_point: Value | None
) -> Value:
    """(a - a_point) @ (b - b_point), exact in I32 (wrapping).

    a [..., M, K] and b [..., K, N] are bytes; the points are I32 and broadcast against them, the
    same for all of K. A centred byte has nine bits, so the bytes are multiplied as they are:

        sum (a - p)(b - q) = sum a b - p sum b - q sum a + K p q
    """
    if not {a.dtype, b.dtype} <= signatures.BYTES:
        return integer_product(build, _centred(build, a, a_point), _centred(build, b, b_point))
    total = build.matmul(a, b)
    if a_point is not None:
        columns = _summed(build, b, axis=b.rank - 2)
        total = _less(build, total, build.map(Function.MUL, a_point, columns))
    if b_point is not None:
        rows = _summed(build, a, axis=a.rank - 1)
        if a_point is not None:  # sum (a - p), which takes the last term in
            depth = build.scalar(a.shape[-1], DType.I32)
            rows = _less(build, rows, build.map(Function.MUL, a_point, depth))
        total = _less(build, total, build.map(Function.MUL, b_point, rows))
    return total


def _centred(build: Builder, value: Value, point: Value | None) -> Value:
    wide = build.cast(value, DType.I32)
    return wide if point is None else _less(build, wide, point)


def _less(build: Builder, a: Value, b: Value) -> Value:
    return build.map(Function.SUB, a, b)


def _summed(build: Builder, value: Value, axis: int) -> Value:
    """The sum along an axis in I32; the axis stays, with size 1."""
    wide = build.cast(value, DType.I32)
    shape = (*value.shape[:axis], 1, *value.shape[axis + 1 :])
    inner = prod(value.shape[axis + 1 :])
    return build.reduce(Reduction.SUM, wide, inner, value.shape[axis], shape)
