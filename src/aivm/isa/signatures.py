"""Which dtypes each function takes and gives: one table, read by validation, compiler and engines.

f16 and bf16 are storage types: they can be moved, selected and cast to and from f32, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.numerics.dtypes import DType

F32 = frozenset({DType.F32})
BOOL = frozenset({DType.BOOL})
INTEGERS = frozenset(dtype for dtype in DType if dtype.is_integer)
NUMBERS = F32 | INTEGERS  # what arithmetic is defined on
BITS = BOOL | INTEGERS
STORAGE = frozenset({DType.F16, DType.BF16})
ALL = frozenset(DType)


@dataclass(frozen=True, slots=True)
class Signature:
    """`arity` operands of one dtype out of `accepted`; `result` None means that same dtype."""

    arity: int
    accepted: frozenset[DType]
    result: DType | None = None
    first_is_condition: bool = False

    def result_of(self, operands: Sequence[DType]) -> DType | None:
        """The result's dtype, or None where the operands do not fit."""
        if len(operands) != self.arity:
            return None
        if self.first_is_condition and operands[0] is not DType.BOOL:
            return None
        data = set(operands[1:] if self.first_is_condition else operands)
        if len(data) != 1 or not data <= self.accepted:
            return None
        return self.result or data.pop()


FUNCTIONS: dict[Function, Signature] = {
    Function.NEG: Signature(1, NUMBERS),
    Function.ABS: Signature(1, NUMBERS),
    Function.SIGN: Signature(1, NUMBERS),
    Function.FLOOR: Signature(1, F32),
    Function.CEIL: Signature(1, F32),
    Function.ROUND: Signature(1, F32),
    Function.TRUNC: Signature(1, F32),
    Function.SQRT: Signature(1, F32),
    Function.RECIPROCAL: Signature(1, F32),
    Function.NOT: Signature(1, BITS),
    Function.IS_NAN: Signature(1, F32, DType.BOOL),
    Function.IS_INF: Signature(1, F32, DType.BOOL),
    Function.EXP: Signature(1, F32),
    Function.LOG: Signature(1, F32),
    Function.TANH: Signature(1, F32),
    Function.ERF: Signature(1, F32),
    Function.SIGMOID: Signature(1, F32),
    Function.SIN: Signature(1, F32),
    Function.COS: Signature(1, F32),
    Function.SOFTPLUS: Signature(1, F32),
    Function.ATAN: Signature(1, F32),
    Function.ASIN: Signature(1, F32),
    Function.ACOS: Signature(1, F32),
    Function.LOG1P: Signature(1, F32),
    Function.EXPM1: Signature(1, F32),
    Function.TAN: Signature(1, F32),
    Function.SINH: Signature(1, F32),
    Function.COSH: Signature(1, F32),
    Function.ASINH: Signature(1, F32),
    Function.ACOSH: Signature(1, F32),
    Function.ATANH: Signature(1, F32),
    Function.ADD: Signature(2, NUMBERS),
    Function.SUB: Signature(2, NUMBERS),
    Function.MUL: Signature(2, NUMBERS),
    Function.DIV: Signature(2, NUMBERS),
    Function.POW: Signature(2, F32),
    Function.MIN: Signature(2, NUMBERS),
    Function.MAX: Signature(2, NUMBERS),
    Function.MOD: Signature(2, INTEGERS),
    Function.FMOD: Signature(2, NUMBERS),
    Function.AND: Signature(2, BITS),
    Function.OR: Signature(2, BITS),
    Function.XOR: Signature(2, BITS),
    Function.SHIFT_LEFT: Signature(2, INTEGERS),
    Function.SHIFT_RIGHT: Signature(2, INTEGERS),
    Function.EQUAL: Signature(2, NUMBERS | BOOL, DType.BOOL),
    Function.LESS: Signature(2, NUMBERS, DType.BOOL),
    Function.LESS_EQUAL: Signature(2, NUMBERS, DType.BOOL),
    Function.SELECT: Signature(3, ALL, first_is_condition=True),
    Function.FMA: Signature(3, F32),
}

REDUCTIONS: dict[Reduction, Signature] = {
    Reduction.SUM: Signature(1, NUMBERS),
    Reduction.PROD: Signature(1, NUMBERS),
    Reduction.MAX: Signature(1, NUMBERS),
    Reduction.MIN: Signature(1, NUMBERS),
    Reduction.ARG_MAX: Signature(1, NUMBERS, DType.I64),
    Reduction.ARG_MIN: Signature(1, NUMBERS, DType.I64),
}

# Reductions that are defined over no elements at all: they give their neutral element.
REDUCES_NOTHING = frozenset({Reduction.SUM, Reduction.PROD})

SCATTERINGS: dict[Scattering, frozenset[DType]] = {
    Scattering.REPLACE: ALL,
    Scattering.ADD: NUMBERS,
    Scattering.MUL: NUMBERS,
    Scattering.MAX: NUMBERS,
    Scattering.MIN: NUMBERS,
}

BYTES = frozenset({DType.I8, DType.U8})
INDEX_DTYPES = frozenset({DType.I32, DType.I64})  # of a GATHER's index, and of an IOTA's result


def matmul_result(a: DType, b: DType) -> DType | None:
    """The dtype of a matrix product, or None where there is none."""
    if a is b is DType.F32:
        return DType.F32
    return DType.I32 if {a, b} <= BYTES else None


def can_cast(source: DType, target: DType) -> bool:
    """Every pair of different dtypes, but storage types only to and from F32 (one rounding)."""
    if source is target:
        return False
    if source in STORAGE:
        return target is DType.F32
    return target not in STORAGE or source is DType.F32
