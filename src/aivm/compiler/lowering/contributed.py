"""Operators of the domain com.microsoft, which onnxruntime's own tools write into models.

Only those that are well defined by others: fused pairs of standard operators, and standard
operators on quantised tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.activations import named_activations
from aivm.compiler.lowering.bytes import centred_product
from aivm.compiler.lowering.normalisation import affine, build_wide, spread
from aivm.compiler.lowering.quantisation import quantised
from aivm.compiler.lowering.reduction import mean_over
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import CONTRIBUTED, Rule, find_rule, operator
from aivm.compiler.values import Entity, Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_contributed = partial(operator, since=1, domain=CONTRIBUTED)


def _standard(node: Node, name: str, version: int, inputs: Sequence[Entity | None]) -> Value:
    """What the standard operator gives for these inputs and the node's attributes."""
    rule = find_rule("", name, version)
    assert rule is not None, name
    inner = replace(node, op=name, version=version, inputs=inputs, wanted=[True])
    found = rule(inner)
    result = found[0] if isinstance(found, Sequence) else found
    assert isinstance(result, Value)
    return result


# --- activations -------------------------------------------------------------------------------


def _biased(node: Node) -> Value:
    """The first operand, plus the second where there is one, in F32."""
    value, build = build_wide(node)
    bias = node.optional(1)
    return value if bias is None else build.map(Function.ADD, value, build.widened(bias))


@_contributed("Gelu")
@_contributed("BiasGelu")
def gelu(node: Node) -> Value:
    """x / 2 * (1 + erf(x / sqrt 2))."""
    x, build = _biased(node), node.build
    grown = build.map(Function.ERF, build.map(Function.MUL, x, build.scalar(0.5**0.5, DType.F32)))
    gate = build.map(Function.ADD, grown, build.scalar(1, DType.F32))
    half = build.map(Function.MUL, x, build.scalar(0.5, DType.F32))
    return build.cast(build.map(Function.MUL, half, gate), node.input(0).dtype)


@_contributed("FastGelu")
def fast_gelu(node: Node) -> Value:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    x, build = _biased(node), node.build
    number = partial(build.scalar, dtype=DType.F32)
    square = build.map(Function.MUL, x, x)
    bend = build.map(Function.FMA, square, number(0.035677408136300125), number(0.7978845608028654))
    inner = build.map(Function.TANH, build.map(Function.MUL, x, bend))
    gate = build.map(Function.FMA, inner, number(0.5), number(0.5))
    return build.cast(build.map(Function.MUL, x, gate), node.input(0).dtype)


@_contributed("QuickGelu")
def quick_gelu(node: Node) -> Value:
    """x * sigmoid(alpha x)."""
    x, build = build_wide(node)
    scaled = build.map(Function.MUL, x, build.scalar(node.number("alpha", 1.702), DType.F32))
    gated = build.map(Function.MUL, x, build.map(Function.SIGMOID, scaled))
    return build.cast(gated, node.input(0).dtype)


# --- fused pairs -------------------------------------------------------------------------------


@_contributed("FusedMatMul")
def fused_matmul(node: Node) -> Value:
    """alpha * A' B', either of them transposed, or with its rows before its batches."""
    build, operands = node.build, []
    for place, name in enumerate("AB"):
        value = node.input(place)
        if node.integer(f"transBatch{name}", 0) and value.rank > 2:
            value = build.transpose(value, (*range(1, value.rank - 1), 0, value.rank - 1))
        operands.append(_transposed(build, value) if node.integer(f"trans{name}", 0) else value)
    product = _standard(node, "MatMul", 13, operands)
    alpha = node.number("alpha", 1.0)
    if alpha == 1.0:
        return product
    return build.map(Function.MUL, product, build.scalar(alpha, product.dtype))


def _transposed(build: Builder, value: Value) -> Value:
    if value.rank < 2:
        return value
    return build.transpose(value, (*range(value.rank - 2), value.rank - 1, value.rank - 2))


@_contributed("FusedConv")
def fused_conv(node: Node) -> Value:
    """A convolution, a sum with the fourth operand, an activation."""
    build, name = node.build, node.text("activation", "")
    total = _standard(node, "Conv", 11, node.inputs[:3])
    other = node.optional(3)
    if other is not None:
        total = build.map(Function.ADD, total, other)
    if not name:
        return total
    numbers = node.numbers("activation_params") or []
    if name == "Clip":
        if len(numbers) != 2:
            raise Malformed("Clip needs two activation_params")
        low, high = (build.scalar(number, total.dtype) for number in numbers)
        return build.map(Function.MIN, build.map(Function.MAX, total, low), high)
    (activation,) = named_activations([name], numbers[:1], numbers[1:])
    return activation(build, total)


@_contributed("SkipLayerNormalization")
def skip_layer_normalisation(node: Node) -> Sequence[Value | None]:
    """The layer normalisation of a sum of two or three; the sum itself is the last result."""
    build, total = node.build, _skipped(node, node.optional(4))
    axes = [total.rank - 1]
    mean = mean_over(build, total, axes)
    centred = build.map(Function.SUB, total, mean)
    _, root = spread(build, centred, axes, node.number("epsilon", 1e-12))
    normal = build.map(Function.DIV, centred, root)
    result = affine(build, normal, node.input(2), node.optional(3))
    inverse = build.map(Function.RECIPROCAL, root) if node.wants(2) else None
    dtype = node.input(0).dtype
    return build.cast(result, dtype), mean, inverse, build.cast(total, dtype)


@_contributed("SkipSimplifiedLayerNormalization")
def skip_root_mean_square_normalisation(node: Node) -> Sequence[Value | None]:
    """The same without mean and offset."""
    build, total = node.build, _skipped(node, node.optional(3))
    _, root = spread(build, total, [total.rank - 1], node.number("epsilon", 1e-12))
    result = affine(build, build.map(Function.DIV, total, root), node.input(2), None)
    dtype = node.input(0).dtype
    return build.cast(result, dtype), None, None, build.cast(total, dtype)


def _skipped(node: Node, bias: Value | None) -> Value:
    build = node.build
    total = build.map(Function.ADD, *(build.widened(node.input(place)) for place in (0, 1)))
    return total if bias is None else build.map(Function.ADD, total, build.widened(bias))


# --- quantised tensors -------------------------------------------------------------------------


def _dequantised(node: Node, place: int) -> Value:
    """(x - zero point) * scale of three inputs from `place` on, one scale for all."""
    build, value, scale = node.build, node.input(place), node.input(place + 1)
    point = node.optional(place + 2)
    if scale.type.elements != 1 or (point is not None and point.type.elements != 1):
        raise Unsupported(f"{node.op} with more than one scale", change="Quantise per tensor.")
    whole = build.cast(value, DType.I32)
    if point is not None:
        shift = build.reshape(build.cast(point, DType.I32), ())
        whole = build.map(Function.SUB, whole, shift)
    wide = build.cast(whole, DType.F32)
    return build.map(Function.MUL, wide, build.reshape(scale, ()))


def _requantised(node: Node, result: Value, place: int) -> Value:
    """The result by the scale and zero point of the inputs at `place` and after it."""
    scale, point = node.input(place), node.optional(place + 1)
    if scale.type.elements != 1:
        raise Unsupported(f"{node.op} with more than one scale", change="Quantise per tensor.")
    build = node.build
    scaled = build.map(Function.DIV, result, build.reshape(scale, ()))
    if point is None:
        return quantised(build, scaled, None, DType.U8)
    return quantised(build, scaled, build.reshape(point, ()), point.dtype)


def _quantised_rule(standard: str, version: int, operands: int, result: int) -> Rule:
    """Computes a standard operator on dequantised operands, and quantises its result."""

    def rule(node: Node) -> Value:
        if node.integer("channels_last", 0):
            raise Unsupported(f"{node.op} with channels last")
        values = [_dequantised(node, 3 * place) for place in range(operands)]
        return _requantised(node, _standard(node, standard, version, values), result)

    return rule


for _name, _version, _operands in (
    ("Add", 14, 2),
    ("Mul", 14, 2),
    ("Sigmoid", 13, 1),
    ("LeakyRelu", 16, 1),
    ("AveragePool", 11, 1),
    ("GlobalAveragePool", 1, 1),
):
    _contributed(f"QLinear{_name}")(_quantised_rule(_name, _version, _operands, 3 * _operands))


@_contributed("QLinearSoftmax")
def quantised_softmax(node: Node) -> Value:
    """The attribute `opset` says which version of Softmax is meant."""
    version = 13 if node.integer("opset") >= 13 else 11
    result = _standard(node, "Softmax", version, [_dequantised(node, 0)])
    return _requantised(node, result, 3)


@_contributed("QLinearConcat")
def quantised_concat(node: Node) -> Value:
    """The scale and zero point of the result come first, then three inputs for each operand."""
    if len(node.inputs) < 5 or len(node.inputs) % 3 != 2:
        raise Malformed(f"{len(node.inputs)} inputs are no list of quantised tensors")
    values = [_dequantised(node, place) for place in range(2, len(node.inputs), 3)]
    return _requantised(node, _standard(node, "Concat", 13, values), 0)


@_contributed("QGemm")
def quantised_gemm(node: Node) -> Value:
    """alpha * A' B' + C on bytes, exact in I32; floats where no result scale is given."""
    build = node.build
    a, b = node.input(0), node.input(3)
    a = _transposed(build, a) if node.integer("transA", 0) else a
    b = _transposed(build, b) if node.integer("transB", 0) else b
    if a.rank != 2 or b.rank != 2:
        raise Malformed("QGemm multiplies matrices of rank 2")
    points = [_point(build, node.input(place)) for place in (2, 5)]
    total = centred_product(build, a, points[0], b, points[1])
    if node.optional(6) is not None:
        total = build.map(Function.ADD, total, build.cast(node.input(6), DType.I32))
    scale = build.map(Function.MUL, node.input(1), node.input(4))
    alpha = node.number("alpha", 1.0)
    if alpha != 1.0:
        scale = build.map(Function.MUL, scale, build.scalar(alpha, DType.F32))
    result = build.map(Function.MUL, build.cast(total, DType.F32), scale)
    return result if node.optional(7) is None else _requantised(node, result, 7)


def _point(build: Builder, value: Value) -> Value:
    """A zero point in I32, rank 0 if it is one for all."""
    wide = build.cast(value, DType.I32)
    return build.reshape(wide, ()) if wide.type.elements == 1 else wide
