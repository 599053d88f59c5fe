"""The activation functions that recurrent layers name in their attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aivm.compiler.builder import Builder
from aivm.compiler.refusals import Unsupported
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function

Formula = Callable[[Builder, Value, float, float], Value]


def _plain(function: Function) -> Formula:
    return lambda build, x, _alpha, _beta: build.map(function, x)


def _line(build: Builder, x: Value, alpha: float, beta: float) -> Value:
    """alpha * x + beta."""
    scaled = build.map(Function.MUL, x, build.scalar(alpha, x.dtype))
    return build.map(Function.ADD, scaled, build.scalar(beta, x.dtype))


def _rectified(build: Builder, x: Value, _alpha: float, _beta: float) -> Value:
    return build.map(Function.MAX, x, build.scalar(0, x.dtype))


def _hard_sigmoid(build: Builder, x: Value, alpha: float, beta: float) -> Value:
    above = _rectified(build, _line(build, x, alpha, beta), 0, 0)
    return build.map(Function.MIN, above, build.scalar(1, x.dtype))


def _scaled_tanh(build: Builder, x: Value, alpha: float, beta: float) -> Value:
    """alpha * tanh(beta * x)."""
    inner = build.map(Function.TANH, build.map(Function.MUL, x, build.scalar(beta, x.dtype)))
    return build.map(Function.MUL, inner, build.scalar(alpha, x.dtype))


def _softsign(build: Builder, x: Value, _alpha: float, _beta: float) -> Value:
    grown = build.map(Function.ADD, build.map(Function.ABS, x), build.scalar(1, x.dtype))
    return build.map(Function.DIV, x, grown)


def _leaky(build: Builder, x: Value, alpha: float, _beta: float) -> Value:
    negative = build.map(Function.LESS, x, build.scalar(0, x.dtype))
    scaled = build.map(Function.MUL, x, build.scalar(alpha, x.dtype))
    return build.map(Function.SELECT, negative, scaled, x)


def _thresholded(build: Builder, x: Value, alpha: float, _beta: float) -> Value:
    passes = build.map(Function.LESS, build.scalar(alpha, x.dtype), x)
    return build.map(Function.SELECT, passes, x, build.scalar(0, x.dtype))


def _elu(build: Builder, x: Value, alpha: float, _beta: float) -> Value:
    grown = _line(build, build.map(Function.EXP, x), alpha, -alpha)
    negative = build.map(Function.LESS, x, build.scalar(0, x.dtype))
    return build.map(Function.SELECT, negative, grown, x)


# Name in lower case: formula, default alpha, default beta.
_TABLE: dict[str, tuple[Formula, float, float]] = {
    "affine": (_line, 1.0, 0.0),
    "elu": (_elu, 1.0, 0.0),
    "hardsigmoid": (_hard_sigmoid, 0.2, 0.5),
    "leakyrelu": (_leaky, 0.01, 0.0),
    "relu": (_rectified, 0.0, 0.0),
    "scaledtanh": (_scaled_tanh, 1.0, 1.0),
    "sigmoid": (_plain(Function.SIGMOID), 0.0, 0.0),
    "softplus": (_plain(Function.SOFTPLUS), 0.0, 0.0),
    "softsign": (_softsign, 0.0, 0.0),
    "tanh": (_plain(Function.TANH), 0.0, 0.0),
    "thresholdedrelu": (_thresholded, 1.0, 0.0),
}
_TAKES_ALPHA = {
    "affine", "elu", "hardsigmoid", "leakyrelu", "scaledtanh", "thresholdedrelu"
}  # fmt: skip
_TAKES_BETA = {"affine", "hardsigmoid", "scaledtanh"}


@dataclass(frozen=True, slots=True)
class Activation:
    """A function with its parameters."""

    formula: Formula
    alpha: float
    beta: float

    def __call__(self, build: Builder, value: Value) -> Value:
        return self.formula(build, value, self.alpha, self.beta)


def named_activations(
    names: list[str], alphas: list[float], betas: list[float]
) -> list[Activation]:
    """Parameters are handed out in order to the functions that take them."""
    found = []
    for name in names:
        key = name.lower()
        if key not in _TABLE:
            raise Unsupported(f"there is no activation {name!r}")
        formula, alpha, beta = _TABLE[key]
        if key in _TAKES_ALPHA and alphas:
            alpha, alphas = alphas[0], alphas[1:]
        if key in _TAKES_BETA and betas:
            beta, betas = betas[0], betas[1:]
        found.append(Activation(formula, alpha, beta))
    return found
