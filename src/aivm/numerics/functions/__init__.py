"""Every scalar function on F32, written once over an abstract machine.

A function is a straight line of base operations: no branch depends on data, `select` chooses. From
these functions come the specification (ScalarMachine), the reference engine (ArrayMachine), the C
of all kernels (kernels/generate_functions.py) and the steps a dispute bisects (trace).

Keys are the lower-case names of `aivm.isa.opcodes.Function`. Truths are BOOL words. Functions do
not canonicalise: whoever stores an F32 result element passes it through `Machine.canonical`.
"""

from __future__ import annotations

from typing import Protocol

from aivm.numerics.functions.error_function import erf
from aivm.numerics.functions.exponential import exp, expm1, log, log1p, sigmoid, softplus
from aivm.numerics.functions.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from aivm.numerics.functions.integral import (
    abs_,
    ceil,
    floor,
    is_inf,
    is_nan,
    neg,
    round_,
    sign,
    trunc,
)
from aivm.numerics.functions.inverse_trigonometric import acos, asin, atan
from aivm.numerics.functions.power import pow_
from aivm.numerics.functions.remainder import fmod
from aivm.numerics.functions.trigonometric import cos, sin, tan
from aivm.numerics.machine import Machine, W


class UnaryFunction(Protocol):
    """One F32 operand."""

    def __call__(self, m: Machine[W], x: W, /) -> W: ...


class BinaryFunction(Protocol):
    """Two F32 operands."""

    def __call__(self, m: Machine[W], x: W, y: W, /) -> W: ...


class TernaryFunction(Protocol):
    """Three operands: F32, except that `select` begins with a truth."""

    def __call__(self, m: Machine[W], x: W, y: W, z: W, /) -> W: ...


def sqrt(m: Machine[W], x: W) -> W:
    """The square root, correctly rounded; sqrt(-0) = -0."""
    return m.sqrt(x)


def reciprocal(m: Machine[W], x: W) -> W:
    """1 / x, correctly rounded."""
    return m.div(m.f32(1.0), x)


UNARY: dict[str, UnaryFunction] = {
    "neg": neg,
    "abs": abs_,
    "sign": sign,
    "floor": floor,
    "ceil": ceil,
    "round": round_,
    "trunc": trunc,
    "sqrt": sqrt,
    "reciprocal": reciprocal,
    "is_nan": is_nan,
    "is_inf": is_inf,
    "exp": exp,
    "log": log,
    "tanh": tanh,
    "erf": erf,
    "sigmoid": sigmoid,
    "sin": sin,
    "cos": cos,
    "softplus": softplus,
    "atan": atan,
    "asin": asin,
    "acos": acos,
    "log1p": log1p,
    "expm1": expm1,
    "tan": tan,
    "sinh": sinh,
    "cosh": cosh,
    "asinh": asinh,
    "acosh": acosh,
    "atanh": atanh,
}

BINARY: dict[str, BinaryFunction] = {
    "add": lambda m, x, y: m.add(x, y),
    "sub": lambda m, x, y: m.sub(x, y),
    "mul": lambda m, x, y: m.mul(x, y),
    "div": lambda m, x, y: m.div(x, y),
    "min": lambda m, x, y: m.min(x, y),
    "max": lambda m, x, y: m.max(x, y),
    "equal": lambda m, x, y: m.equal(x, y),
    "less": lambda m, x, y: m.less(x, y),
    "less_equal": lambda m, x, y: m.less_equal(x, y),
    "pow": pow_,
    "fmod": fmod,
}

TERNARY: dict[str, TernaryFunction] = {
    "select": lambda m, x, y, z: m.select(x, y, z),
    "fma": lambda m, x, y, z: m.fma(x, y, z),
}
