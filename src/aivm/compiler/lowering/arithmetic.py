"""Elementwise arithmetic and activations."""

from __future__ import annotations

from functools import partial, reduce

from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import Rule, operator
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_UNARY = {
    "Abs": Function.ABS,
    "Acos": Function.ACOS,
    "Acosh": Function.ACOSH,
    "Asin": Function.ASIN,
    "Asinh": Function.ASINH,
    "Atan": Function.ATAN,
    "Atanh": Function.ATANH,
    "Ceil": Function.CEIL,
    "Cos": Function.COS,
    "Cosh": Function.COSH,
    "Erf": Function.ERF,
    "Exp": Function.EXP,
    "Floor": Function.FLOOR,
    "Log": Function.LOG,
    "Neg": Function.NEG,
    "Reciprocal": Function.RECIPROCAL,
    "Round": Function.ROUND,
    "Sigmoid": Function.SIGMOID,
    "Sign": Function.SIGN,
    "Sin": Function.SIN,
    "Sinh": Function.SINH,
    "Softplus": Function.SOFTPLUS,
    "Sqrt": Function.SQRT,
    "Tan": Function.TAN,
    "Tanh": Function.TANH,
}
_BINARY = {
    "Add": Function.ADD,
    "Sub": Function.SUB,
    "Mul": Function.MUL,
    "Div": Function.DIV,
}
_VARIADIC = {"Sum": Function.ADD, "Max": Function.MAX, "Min": Function.MIN}


def _unary(function: Function) -> Rule:
    return lambda node: node.build.map(function, node.input(0))


def _binary(function: Function) -> Rule:
    return lambda node: node.build.map(function, node.input(0), node.input(1))


def _variadic(function: Function) -> Rule:
    return lambda node: reduce(partial(node.build.map, function), node.operands())


for _name, _function in _UNARY.items():
    operator(_name, since=1)(_unary(_function))
for _name, _function in _BINARY.items():
    operator(_name, since=7)(_binary(_function))
for _name, _function in _VARIADIC.items():
    operator(_name, since=6)(_variadic(_function))


@operator("Mean", since=6)
def mean(node: Node) -> Value:
    values = node.operands()
    total = reduce(partial(node.build.map, Function.ADD), values)
    return node.build.map(Function.DIV, total, node.build.scalar(len(values), total.dtype))


@operator("Clip", since=6, until=11)
def clip_between_attributes(node: Node) -> Value:
    value = node.input(0)
    for name, function in (("min", Function.MAX), ("max", Function.MIN)):
        if name in node.attributes:
            bound = node.build.scalar(node.number(name), value.dtype)
            value = node.build.map(function, value, bound)
    return value


@operator("Clip", since=11)
def clip(node: Node) -> Value:
    value = node.input(0)
    for position, function in ((1, Function.MAX), (2, Function.MIN)):
        bound = node.optional(position)
        if bound is not None:
            if bound.type.elements != 1:
                raise Malformed("the bounds of Clip must be scalars")
            value = node.build.map(function, value, node.build.reshape(bound, ()))
    return value


@operator("Relu", since=6)
def relu(node: Node) -> Value:
    value = node.input(0)
    return node.build.map(Function.MAX, value, node.build.scalar(0, value.dtype))


def _where_negative(node: Node, value: Value, otherwise: Value) -> Value:
    """`otherwise` where the value is below zero, the value elsewhere (NaN stays NaN)."""
    negative = node.build.map(Function.LESS, value, node.build.scalar(0, value.dtype))
    return node.build.map(Function.SELECT, negative, otherwise, value)


@operator("LeakyRelu", since=6)
def leaky_relu(node: Node) -> Value:
    value = node.input(0)
    slope = node.build.scalar(node.number("alpha", 0.01), value.dtype)
    return _where_negative(node, value, node.build.map(Function.MUL, value, slope))


@operator("PRelu", since=7)
def parametric_relu(node: Node) -> Value:
    value = node.input(0)
    return _where_negative(node, value, node.build.map(Function.MUL, value, node.input(1)))


def _scaled_expm1(node: Node, value: Value, scale: float) -> Value:
    """scale * (exp(value) - 1)."""
    grown = node.build.map(Function.EXPM1, value)
    return node.build.map(Function.MUL, grown, node.build.scalar(scale, value.dtype))


@operator("Elu", since=6)
def exponential_linear(node: Node) -> Value:
    value = node.input(0)
    return _where_negative(node, value, _scaled_expm1(node, value, node.number("alpha", 1.0)))


@operator("Celu", since=12)
def continuous_exponential_linear(node: Node) -> Value:
    value, alpha = node.input(0), node.number("alpha", 1.0)
    scaled = node.build.map(Function.DIV, value, node.build.scalar(alpha, value.dtype))
    return _where_negative(node, value, _scaled_expm1(node, scaled, alpha))


@operator("Selu", since=6)
def scaled_exponential_linear(node: Node) -> Value:
    value = node.input(0)
    alpha = node.number("alpha", 1.67326319217681884765625)
    bent = _where_negative(node, value, _scaled_expm1(node, value, alpha))
    gamma = node.number("gamma", 1.05070102214813232421875)
    return node.build.map(Function.MUL, bent, node.build.scalar(gamma, value.dtype))


@operator("HardSigmoid", since=6)
def hard_sigmoid(node: Node) -> Value:
    value = node.input(0)
    slope = node.build.scalar(node.number("alpha", 0.2), value.dtype)
    offset = node.build.scalar(node.number("beta", 0.5), value.dtype)
    line = node.build.map(Function.ADD, node.build.map(Function.MUL, value, slope), offset)
    above = node.build.map(Function.MAX, line, node.build.scalar(0, value.dtype))
    return node.build.map(Function.MIN, above, node.build.scalar(1, value.dtype))


@operator("Softsign", since=1)
def softsign(node: Node) -> Value:
    value = node.input(0)
    size = node.build.map(Function.ABS, value)
    grown = node.build.map(Function.ADD, size, node.build.scalar(1, value.dtype))
    return node.build.map(Function.DIV, value, grown)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(node: Node) -> Value:
    value = node.input(0)
    threshold = node.build.scalar(node.number("alpha", 1.0), value.dtype)
    passes = node.build.map(Function.LESS, threshold, value)
    return node.build.map(Function.SELECT, passes, value, node.build.scalar(0, value.dtype))


@operator("HardSwish", since=14)
def hard_swish(node: Node) -> Value:
    """x * max(0, min(1, x / 6 + 0.5))."""
    value = node.input(0)
    sixth = node.build.map(Function.MUL, value, node.build.scalar(1 / 6, value.dtype))
    line = node.build.map(Function.ADD, sixth, node.build.scalar(0.5, value.dtype))
    above = node.build.map(Function.MAX, line, node.build.scalar(0, value.dtype))
    gate = node.build.map(Function.MIN, above, node.build.scalar(1, value.dtype))
    return node.build.map(Function.MUL, value, gate)


@operator("Shrink", since=9)
def shrink(node: Node) -> Value:
    """x moved towards zero by `bias` where |x| > lambd, 0 elsewhere."""
    value, build = node.input(0), node.build
    bias = build.cast(build.scalar(node.number("bias", 0.0), DType.F32), value.dtype)
    edge = build.cast(build.scalar(node.number("lambd", 0.5), DType.F32), value.dtype)
    above = build.map(Function.LESS, edge, value)
    below = build.map(Function.LESS, value, build.map(Function.NEG, edge))
    lowered = build.map(Function.SUB, value, bias)
    zero = build.scalar(0, value.dtype)
    right = build.map(Function.SELECT, above, lowered, zero)
    return build.map(Function.SELECT, below, build.map(Function.ADD, value, bias), right)
