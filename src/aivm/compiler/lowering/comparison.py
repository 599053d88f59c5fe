"""Comparisons, logic, and choosing between values."""

from __future__ import annotations

from aivm.compiler.node import Node
from aivm.compiler.registry import Rule, operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_SAME_ORDER = {
    "Equal": (7, Function.EQUAL),
    "Less": (7, Function.LESS),
    "LessOrEqual": (12, Function.LESS_EQUAL),
    "And": (7, Function.AND),
    "Or": (7, Function.OR),
    "Xor": (7, Function.XOR),
    "BitwiseAnd": (18, Function.AND),
    "BitwiseOr": (18, Function.OR),
    "BitwiseXor": (18, Function.XOR),
}
_SWAPPED = {"Greater": (7, Function.LESS), "GreaterOrEqual": (12, Function.LESS_EQUAL)}


def _compare(function: Function, first: int, second: int) -> Rule:
    return lambda node: node.build.map(function, node.input(first), node.input(second))


for _name, (_since, _function) in _SAME_ORDER.items():
    operator(_name, since=_since)(_compare(_function, 0, 1))
for _name, (_since, _function) in _SWAPPED.items():
    operator(_name, since=_since)(_compare(_function, 1, 0))


@operator("Not", since=1)
@operator("BitwiseNot", since=18)
def invert(node: Node) -> Value:
    return node.build.map(Function.NOT, node.input(0))


@operator("Where", since=9)
def where(node: Node) -> Value:
    return node.build.map(Function.SELECT, node.input(0), node.input(1), node.input(2))


@operator("IsNaN", since=9)
def is_nan(node: Node) -> Value:
    return node.build.map(Function.IS_NAN, node.input(0))


@operator("IsInf", since=10)
def is_inf(node: Node) -> Value:
    """Infinite, of the signs that the attributes select."""
    value = node.build.widened(node.input(0))
    infinite = node.build.map(Function.IS_INF, value)
    zero = node.build.scalar(0, DType.F32)
    if not node.integer("detect_negative", 1):
        positive = node.build.map(Function.LESS, zero, value)
        infinite = node.build.map(Function.AND, infinite, positive)
    if not node.integer("detect_positive", 1):
        negative = node.build.map(Function.LESS, value, zero)
        infinite = node.build.map(Function.AND, infinite, negative)
    return infinite
