"""Powers, and remainders of floats: exact where the operands are whole numbers."""

from __future__ import annotations

from functools import partial, reduce

from aivm.compiler.builder import Builder
from aivm.compiler.node import Node
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_LARGEST_PRODUCT = 64


@operator("Pow", since=7)
def power(node: Node) -> Value:
    """The result has the dtype of the base; small whole exponents that are known are products."""
    base, exponent, build = node.input(0), node.input(1), node.build
    whole = _whole_number(node)
    if whole is not None and exponent.rank <= base.rank:
        if 1 <= whole <= (3 if base.dtype.is_float else _LARGEST_PRODUCT):
            return product_of(build, base, whole)
    if base.dtype.is_float:
        wide = build.cast(exponent, DType.F32)
        return build.cast(build.map(Function.POW, build.widened(base), wide), base.dtype)
    if exponent.dtype.is_integer:
        return _integer_power(build, base, exponent)
    rounded = build.cast(build.map(Function.POW, build.cast(base, DType.F32), exponent), base.dtype)
    near = build.cast(exponent, DType.I64)
    is_whole = build.map(Function.EQUAL, build.cast(near, DType.F32), exponent)
    return build.map(Function.SELECT, is_whole, _integer_power(build, base, near), rounded)


def _whole_number(node: Node) -> int | None:
    """The exponent, where it is known, one for all and whole."""
    exponent = node.input(1)
    if exponent.array is None or exponent.type.elements != 1:
        return None
    value = float(node.known_numbers(1).reshape(-1)[0])
    return int(value) if value in range(1, _LARGEST_PRODUCT + 1) else None


def product_of(build: Builder, base: Value, count: int) -> Value:
    """base * base * ...; by squaring where that needs fewer products, which is exact (integers)."""
    if count <= 3:
        return reduce(partial(build.map, Function.MUL), [base] * count)
    square = build.map(Function.MUL, base, base)
    half = product_of(build, square, count // 2)
    return build.map(Function.MUL, half, base) if count % 2 else half


def _integer_power(build: Builder, base: Value, exponent: Value) -> Value:
    """By squaring, wrapping. Negative exponents give the reciprocal, rounded towards zero.

    Beyond 63 only -1, 0 and 1 have powers that fit, and those depend on whether the exponent is
    even.
    """
    many = build.cast(exponent, DType.I64)
    zero, one = build.scalar(0, DType.I64), build.scalar(1, DType.I64)
    two = build.scalar(2, DType.I64)
    odd = build.map(Function.MOD, many, two)
    large = build.map(Function.LESS, build.scalar(63, DType.I64), many)
    negative = build.map(Function.LESS, many, zero)
    parity = build.map(Function.ADD, build.scalar(62, DType.I64), odd)
    left = build.map(Function.SELECT, build.map(Function.OR, large, negative), parity, many)
    unit = build.scalar(1, base.dtype)
    result, square = unit, base
    for bit in range(6):
        rest = build.map(Function.MOD, left, two)
        taken = build.map(Function.EQUAL, rest, one)
        factor = build.map(Function.SELECT, taken, square, unit)
        result = build.map(Function.MUL, result, factor)
        left = build.map(Function.DIV, build.map(Function.SUB, left, rest), two)
        square = build.map(Function.MUL, square, square) if bit < 5 else square
    size = build.map(Function.ABS, base)
    vanishes = build.map(Function.AND, negative, build.map(Function.LESS, unit, size))
    return build.map(Function.SELECT, vanishes, build.scalar(0, base.dtype), result)


@operator("Mod", since=10)
def mod(node: Node) -> Value:
    """The sign of the divisor, or of the dividend (fmod)."""
    first, second, build = node.input(0), node.input(1), node.build
    if node.integer("fmod", 0):
        return build.map(Function.FMOD, first, second)
    if not first.dtype.is_float:
        return build.map(Function.MOD, first, second)
    x, y = build.widened(first), build.widened(second)
    rest = _with_sign_of_divisor(build, build.map(Function.FMOD, x, y), y)
    return build.cast(rest, first.dtype)


def _with_sign_of_divisor(build: Builder, rest: Value, y: Value) -> Value:
    """The divisor added to a rest of the other sign; a rest of zero takes the divisor's sign."""
    zero = build.scalar(0.0, DType.F32)
    signs = [build.map(Function.LESS, value, zero) for value in (rest, y)]
    differ = build.map(Function.XOR, *signs)
    nothing = build.map(Function.EQUAL, rest, zero)
    moved = build.map(Function.ADD, rest, y)
    result = build.map(Function.SELECT, differ, moved, rest)
    signed_zero = build.map(Function.SELECT, signs[1], build.scalar(-0.0, DType.F32), zero)
    return build.map(Function.SELECT, nothing, signed_zero, result)
