"""Operators on the bits of integers."""

from __future__ import annotations

from aivm.commitments import numpy_dtype
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import dtype_of_onnx
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_SHIFTS = {"LEFT": Function.SHIFT_LEFT, "RIGHT": Function.SHIFT_RIGHT}


@operator("BitShift", since=11)
def bit_shift(node: Node) -> Value:
    direction = node.text("direction", "")
    if direction not in _SHIFTS:
        raise Malformed(f"there is no direction {direction!r}")
    return node.build.map(_SHIFTS[direction], node.input(0), node.input(1))


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
