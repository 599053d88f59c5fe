"""Operators on the bits of integers."""

from __future__ import annotations

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.compiler.builder import Builder
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import dtype_of_onnx
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType


@operator("BitShift", since=11)
def bit_shift(node: Node) -> Value:
    """Left: the bits that leave are lost. Right: the sign is copied, so it rounds downwards.

    A negative amount, or one of all bits and more, leaves nothing but copies of the sign (right).
    """
    value, amount = node.input(0), node.input(1)
    if value.dtype is not amount.dtype or not value.dtype.is_integer:
        raise Malformed(f"{value.dtype.name} cannot be shifted by {amount.dtype.name}")
    direction = node.text("direction", "")
    if direction == "LEFT":
        return _shifted_left(node.build, value, amount)
    if direction == "RIGHT":
        return _shifted_right(node.build, value, amount)
    raise Malformed(f"there is no direction {direction!r}")


def _power_of_two(build: Builder, amount: Value, highest: int) -> Value:
    """2^amount; some other number where the amount is negative or greater than `highest`."""
    limit = build.scalar(highest, amount.dtype)
    least = build.map(Function.MAX, amount, build.scalar(0, amount.dtype))
    place = build.cast(build.map(Function.MIN, least, limit), DType.I64)
    table = np.array([1 << place for place in range(highest + 1)], dtype=np.uint64)
    powers = build.constant(table.astype(numpy_dtype(amount.dtype)))
    return build.gather(powers, place, 0)


def _shifted_left(build: Builder, value: Value, amount: Value) -> Value:
    bits = 8 * value.dtype.size_bytes
    grown = build.map(Function.MUL, value, _power_of_two(build, amount, bits - 1))
    beyond = _outside(build, amount, bits - 1)
    return build.map(Function.SELECT, beyond, build.scalar(0, value.dtype), grown)


def _outside(build: Builder, amount: Value, highest: int) -> Value:
    """Where the amount is negative or greater than `highest`."""
    beyond = build.map(Function.LESS, build.scalar(highest, amount.dtype), amount)
    negative = build.map(Function.LESS, amount, build.scalar(0, amount.dtype))
    return build.map(Function.OR, beyond, negative)


def _shifted_right(build: Builder, value: Value, amount: Value) -> Value:
    bits = 8 * value.dtype.size_bytes
    # The highest power of two that the dtype holds.
    highest = bits - 2 if value.dtype.is_signed else bits - 1
    power = _power_of_two(build, amount, highest)
    rest = build.map(Function.MOD, value, power)
    kept = build.map(Function.DIV, build.map(Function.SUB, value, rest), power)
    empty = build.scalar(0, value.dtype)
    if value.dtype.is_signed:
        negative = build.map(Function.LESS, value, empty)
        empty = build.map(Function.SELECT, negative, build.scalar(-1, value.dtype), empty)
    return build.map(Function.SELECT, _outside(build, amount, highest), empty, kept)


@operator("BitCast", since=26)
def bit_cast(node: Node) -> Value:
    """The same bits as another type of the same size."""
    value, target = node.input(0), dtype_of_onnx(node.integer("to"))
    if target.size_bytes != value.dtype.size_bytes:
        raise Malformed(f"{value.dtype.name} and {target.name} have different sizes")
    if value.array is not None:
        return node.build.constant(value.array.view(numpy_dtype(target)), target)
    if not target.is_integer or not (value.dtype.is_integer or value.dtype is DType.BOOL):
        raise Unsupported(
            f"the bits of {value.dtype.name} cannot be read as {target.name} in a program",
            change="Bind the input that they come from (`bindings`).",
        )
    return node.build.cast(value, target)
