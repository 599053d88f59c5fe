"""Measures a function's error against mpmath, and compares special cases."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

from aivm.engines.reference.arrays import ArrayMachine
from aivm.numerics import ScalarMachine
from aivm.numerics.functions import BINARY, UNARY

FUNCTIONS: dict[str, Callable[..., Any]] = {**UNARY, **BINARY}


def float_of(word: int) -> float:
    return float(struct.unpack(">f", word.to_bytes(4, "big"))[0])


def unit_in_last_place(value: mpmath.mpf) -> mpmath.mpf:
    """Distance of neighbouring binary32 numbers around `value` (overflow ignored)."""
    if value == 0:
        return mpmath.mpf(2) ** -149
    _, exponent = mpmath.frexp(value)
    return mpmath.mpf(2) ** max(int(exponent) - 24, -149)


@pytest.fixture
def max_ulp() -> Callable[..., float]:
    """max_ulp(name, reference, *columns): the largest error over rows of binary32 numbers, in ulp.

    Evaluated on ArrayMachine, whose equality with ScalarMachine has tests of its own. Rows whose
    result is not finite count only if the reference is: then the error is infinite.
    """

    def measure(name: str, reference: Callable[..., Any], *columns: Sequence[float]) -> float:
        words = [np.array(column, np.float32).view(np.uint32) for column in columns]
        results = ArrayMachine().canonical(FUNCTIONS[name](ArrayMachine(), *words))
        worst = 0.0
        with mpmath.workprec(max(120, mpmath.mp.prec)):
            for row in zip(results.tolist(), *(column.tolist() for column in words), strict=True):
                got, *operands = map(float_of, row)
                exact = reference(*(mpmath.mpf(operand) for operand in operands))
                if abs(exact) >= mpmath.mpf(2) ** 128:
                    continue
                error = abs(mpmath.mpf(got) - exact) / unit_in_last_place(exact)
                worst = max(worst, float(error))
        return worst

    return measure


@pytest.fixture
def uniform() -> Callable[[float, float, int], list[float]]:
    """uniform(low, high, count): the same pseudo-random numbers each time."""

    def draw(low: float, high: float, count: int) -> list[float]:
        rng = random.Random(count)
        return [rng.uniform(low, high) for _ in range(count)]

    return draw


@pytest.fixture
def any_magnitude() -> Callable[[float, float, int], list[float]]:
    """any_magnitude(low, high, count): words drawn evenly between two positive numbers' words."""

    def draw(low: float, high: float, count: int) -> list[float]:
        rng = random.Random(count)
        first, last = (struct.unpack(">I", struct.pack(">f", bound))[0] for bound in (low, high))
        return [float_of(rng.randint(first, last)) for _ in range(count)]

    return draw


@pytest.fixture
def scalar() -> Callable[..., float]:
    """scalar(name, *numbers): the specification's result as a Python float."""
    m = ScalarMachine()

    def evaluate(name: str, *numbers: float) -> float:
        words = [struct.unpack(">I", struct.pack(">f", number))[0] for number in numbers]
        return float_of(m.canonical(FUNCTIONS[name](m, *words)))

    return evaluate
