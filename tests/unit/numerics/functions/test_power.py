"""Accuracy of pow, and every special case of IEEE 754."""

from __future__ import annotations

import math
import random
from math import copysign, inf, isnan, nan

import mpmath
import numpy as np
import pytest


@pytest.mark.parametrize(
    ("bases", "exponents"),
    [((0.01, 10), (-20, 20)), ((0.9, 1.1), (-800, 800)), ((1.0, 3e4), (0.3, 3))],
)
def test_pow_is_within_1_2_ulp(max_ulp, uniform, bases, exponents):
    x, y = uniform(*bases, 4000), uniform(*exponents, 4001)[1:]
    random.Random(1).shuffle(y)
    assert max_ulp("pow", mpmath.power, x, y) <= 1.2


def test_pow_is_within_1_2_ulp_where_the_result_is_extreme(max_ulp, any_magnitude, uniform):
    """Exponents chosen so that results cover the subnormals and reach up to overflow."""
    x = [value for value in any_magnitude(1e-44, 3e38, 4000) if abs(math.log2(value)) > 0.01]
    logarithms = np.log2(np.array(x, np.float32).astype(float))
    y = np.array(uniform(-148, 127.9, len(x))) / logarithms
    assert max_ulp("pow", mpmath.power, x, y.tolist()) <= 1.2


def test_squares_and_roots(max_ulp, any_magnitude):
    x = any_magnitude(1e-18, 1e18, 1500)
    for exponent in (2.0, 0.5, -1.0, 3.0):
        assert max_ulp("pow", mpmath.power, x, [exponent] * len(x)) <= 1.2


BASES = [0.0, 2.0**-149, 0.5, 0.99999994, 1.0, 1.0000001, 2.0, 3e38, inf, nan]
EXPONENTS = [0.0, 2.0**-149, 0.5, 1.0, 2.0, 2.5, 3.0, 8388607.5, 8388609.0, 16777215.0, 16777216.0]
EXPONENTS += [2.0**31, 3e38, inf, nan]


def ieee_pow(x: float, y: float) -> float:
    """C's pow in binary64 (Python's own raises exceptions), as a binary32 number."""
    bases, exponents = np.array([x], np.float32), np.array([y], np.float32)
    with np.errstate(all="ignore"):
        powers = np.power(bases.astype(np.float64), exponents.astype(np.float64))
        return float(powers.astype(np.float32)[0])


@pytest.mark.parametrize("x", BASES + [-x for x in BASES])
@pytest.mark.parametrize("y", EXPONENTS + [-y for y in EXPONENTS])
def test_special_cases_follow_ieee_754(scalar, x, y):
    result, expected = scalar("pow", x, y), ieee_pow(x, y)
    if isnan(expected):
        assert isnan(result)
    else:
        assert result == pytest.approx(expected, rel=2e-7, abs=2.0**-149)
        assert copysign(1, result) == copysign(1, expected)
