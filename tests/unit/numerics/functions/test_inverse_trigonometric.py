"""Accuracy and special cases of atan, asin and acos."""

from __future__ import annotations

from math import copysign, inf, isnan, nan, pi

import mpmath
import numpy as np
import pytest

COUNT = 4000


@pytest.mark.parametrize(("low", "high"), [(-3, 3), (0.9, 1.1), (-1e5, 1e5), (-1e-3, 1e-3)])
def test_atan_is_within_1_3_ulp(max_ulp, uniform, low, high):
    assert max_ulp("atan", mpmath.atan, uniform(low, high, COUNT)) <= 1.3


@pytest.mark.parametrize("name", ["asin", "acos"])
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0.45, 0.55), (-0.55, -0.45), (-1e-3, 1e-3)])
def test_asin_and_acos_are_within_1_ulp(max_ulp, uniform, name, low, high):
    assert max_ulp(name, getattr(mpmath, name), uniform(low, high, COUNT)) <= 1.0


@pytest.mark.parametrize("name", ["asin", "acos"])
def test_asin_and_acos_are_within_1_ulp_just_below_one(max_ulp, any_magnitude, name):
    x = [1 - distance for distance in any_magnitude(2.0**-24, 0.5, COUNT)]
    assert max_ulp(name, getattr(mpmath, name), x + [-value for value in x]) <= 1.0


def test_all_magnitudes(max_ulp, any_magnitude):
    assert max_ulp("atan", mpmath.atan, any_magnitude(1e-45, 3.4e38, COUNT)) <= 1.3
    assert max_ulp("asin", mpmath.asin, any_magnitude(1e-45, 1, COUNT)) <= 0.8
    assert max_ulp("acos", mpmath.acos, any_magnitude(1e-45, 1, COUNT)) <= 1.0


HALF_PI, PI = float(np.float32(pi / 2)), float(np.float32(pi))
BEYOND = float(np.nextafter(np.float32(1), np.float32(2)))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("atan", 0.0, 0.0),
        ("atan", -0.0, -0.0),
        ("atan", inf, HALF_PI),
        ("atan", -inf, -HALF_PI),
        ("atan", 2.0**-149, 2.0**-149),
        ("asin", 0.0, 0.0),
        ("asin", -0.0, -0.0),
        ("asin", 1.0, HALF_PI),
        ("asin", -1.0, -HALF_PI),
        ("asin", -(2.0**-149), -(2.0**-149)),
        ("acos", 0.0, HALF_PI),
        ("acos", -0.0, HALF_PI),
        ("acos", 1.0, 0.0),
        ("acos", -1.0, PI),
        *[(name, x, nan) for name in ("asin", "acos") for x in (BEYOND, -BEYOND, inf, -inf)],
        *[(name, nan, nan) for name in ("atan", "asin", "acos")],
    ],
)
def test_special_cases(scalar, name, x, expected):
    result = scalar(name, x)
    assert result == expected or (isnan(result) and isnan(expected))
    assert isnan(expected) or copysign(1, result) == copysign(1, expected)


def test_atan_and_asin_are_odd(scalar, uniform):
    for x in uniform(0, 1, 50):
        for name in ("atan", "asin"):
            assert scalar(name, -x) == -scalar(name, x)
