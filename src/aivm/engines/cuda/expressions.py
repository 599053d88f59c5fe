"""The C of one element: functions, conversions, and where an operand's element lies.

Everything refers to `kernels/cuda`: F32 functions are those generated from the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from aivm.engines.plan.views import merged_axes
from aivm.isa.opcodes import Function
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics.dtypes import DType

# How a kernel holds an element; a BOOL is 0 or 1.
C_TYPES = {
    DType.F32: "float",
    DType.F16: "half_bits",
    DType.BF16: "bfloat_bits",
    DType.BOOL: "u8",
    DType.U8: "u8",
    DType.I8: "i8",
    DType.U16: "u16",
    DType.I16: "i16",
    DType.U32: "u32",
    DType.I32: "i32",
    DType.U64: "u64",
    DType.I64: "i64",
}
# How it is moved.
WORD_TYPES = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}

# Indices below this bound, and all offsets they lead to, fit in 32 bits with room for a step.
NARROW_LIMIT = 1 << 30

# Base operations of numerics 1 have names of their own (scalar.cuh); the rest is generated.
_BASE_NAMES = {
    "add": "ADD",
    "sub": "SUB",
    "mul": "MUL",
    "div": "DIV",
    "min": "MIN",
    "max": "MAX",
    "equal": "EQ",
    "less": "LT",
    "less_equal": "LE",
    "fma": "FMA",
}


def function_of(function: Function, dtype: DType, operands: Sequence[str]) -> str:
    """The function on operands of `dtype` (but for a SELECT's condition)."""
    name, listed = function.name.lower(), ", ".join(operands)
    if function is Function.SELECT:
        condition, then, otherwise = operands
        return f"({condition} ? {then} : {otherwise})"
    if dtype is not DType.F32:
        if dtype is DType.BOOL and function is Function.NOT:
            return f"bool_not({listed})"
        return f"int_{name}<{C_TYPES[dtype]}>({listed})"
    value = f"{_BASE_NAMES.get(name, f'fn_{name}')}({listed})"
    return f"(u8)({value} & 1u)" if FUNCTIONS[function].result is DType.BOOL else value


def cast_of(source: DType, target: DType, operand: str) -> str:
    """The conversion of one element."""
    if source in (DType.F16, DType.BF16):
        source, operand = DType.F32, f"widen({operand})"
    if source is target:
        return operand
    if source is not DType.F32:
        if target is DType.F32:
            return f"int_to_float({operand})"
        return f"(u8)({operand} != 0)" if target is DType.BOOL else f"({C_TYPES[target]}){operand}"
    if target is DType.F16:
        return f"narrow_f16({operand})"
    if target is DType.BF16:
        return f"narrow_bf16({operand})"
    return f"float_to_{'bool' if target is DType.BOOL else f'int<{C_TYPES[target]}>'}({operand})"


def walk(index: str, sizes: Sequence[int], strides: Sequence[int], *, wide: bool) -> str:
    """The offset, in elements, of element number `index` (row-major in `sizes`).

    `wide` says that 32 bits are not enough, see `is_wide`. Sizes are literals, so that a compiler
    turns divisions into multiplications.
    """
    unsigned, signed = ("u64", "i64") if wide else ("u32", "i32")
    axes = merged_axes(tuple(sizes), (tuple(strides),))
    terms: list[str] = []
    inner = 1
    for number, (size, (stride,)) in reversed(list(enumerate(axes))):
        at = index if inner == 1 else f"{index} / ({unsigned}){inner}"
        if number > 0:
            at = f"{at} % ({unsigned}){size}"
        if stride != 0:
            terms.append(f"({signed})({at})" + (f" * {stride}" if stride != 1 else ""))
        inner *= size
    return " + ".join(terms) or "0"


def is_wide(sizes: Sequence[int], operands: Sequence[Sequence[int]]) -> bool:
    """Whether a walk over `sizes` needs 64-bit indices, for operands with these strides."""
    reaches = [
        sum(abs(stride) * size for size, stride in zip(sizes, strides, strict=True))
        for strides in operands
    ]
    return max([prod(sizes), *reaches]) >= NARROW_LIMIT
