"""Accuracy and special cases of exp, log, expm1, log1p, sigmoid and softplus."""

from __future__ import annotations

from math import copysign, inf, isnan, nan

import mpmath
import pytest

COUNT = 4000


@pytest.mark.parametrize(("low", "high"), [(-104, 88.7), (-1, 1), (-104, -87)])
def test_exp_is_within_1_1_ulp(max_ulp, uniform, low, high):
    assert max_ulp("exp", mpmath.exp, uniform(low, high, COUNT)) <= 1.1


@pytest.mark.parametrize(("low", "high"), [(1e-45, 3.4e38), (0.5, 2), (0.99, 1.01), (1e-45, 1e-38)])
def test_log_is_within_1_ulp(max_ulp, any_magnitude, low, high):
    assert max_ulp("log", mpmath.log, any_magnitude(low, high, COUNT)) <= 1.0


@pytest.mark.parametrize(("low", "high"), [(-18, 88.7), (-1.1, 1.1), (-1e-3, 1e-3), (15, 20)])
def test_expm1_is_within_1_1_ulp(max_ulp, uniform, low, high):
    assert max_ulp("expm1", mpmath.expm1, uniform(low, high, COUNT)) <= 1.1


@pytest.mark.parametrize(("low", "high"), [(-0.999, 1), (-1e-3, 1e-3), (0.3, 0.4), (-1, 1e6)])
def test_log1p_is_within_1_2_ulp(max_ulp, uniform, low, high):
    assert max_ulp("log1p", mpmath.log1p, uniform(low, high, COUNT)) <= 1.2


def test_expm1_and_log1p_at_all_magnitudes(max_ulp, any_magnitude):
    x = any_magnitude(1e-45, 88.7, COUNT)
    assert max_ulp("expm1", mpmath.expm1, x + [-value for value in x]) <= 1.1
    x = any_magnitude(1e-45, 3.4e38, COUNT)
    assert max_ulp("log1p", mpmath.log1p, x + [-value for value in x if value < 1]) <= 1.2


@pytest.mark.parametrize(("low", "high"), [(-20, 20), (-104, -80), (-1, 1)])
def test_sigmoid_is_within_2_5_ulp(max_ulp, uniform, low, high):
    reference = lambda x: 1 / (1 + mpmath.exp(-x))  # noqa: E731
    assert max_ulp("sigmoid", reference, uniform(low, high, COUNT)) <= 2.5


@pytest.mark.parametrize(("low", "high"), [(-20, 20), (-104, -80), (-1, 1)])
def test_softplus_is_within_3_ulp(max_ulp, uniform, low, high):
    reference = lambda x: mpmath.log1p(mpmath.exp(x))  # noqa: E731
    assert max_ulp("softplus", reference, uniform(low, high, COUNT)) <= 3.0


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 0.0, 1.0),
        ("exp", -0.0, 1.0),
        ("exp", inf, inf),
        ("exp", -inf, 0.0),
        ("exp", 89.0, inf),
        ("exp", -104.0, 0.0),
        ("exp", -103.0, 2.0**-149),
        ("log", 1.0, 0.0),
        ("log", 0.0, -inf),
        ("log", -0.0, -inf),
        ("log", inf, inf),
        ("log", -1.0, nan),
        ("log", -inf, nan),
        ("log", -(2.0**-149), nan),
        ("expm1", 0.0, 0.0),
        ("expm1", -0.0, -0.0),
        ("expm1", inf, inf),
        ("expm1", -inf, -1.0),
        ("expm1", 89.0, inf),
        ("expm1", -30.0, -1.0),
        ("expm1", -(2.0**-149), -(2.0**-149)),
        ("log1p", 0.0, 0.0),
        ("log1p", -0.0, -0.0),
        ("log1p", inf, inf),
        ("log1p", -1.0, -inf),
        ("log1p", -1.0000001, nan),
        ("log1p", -inf, nan),
        ("log1p", -(2.0**-149), -(2.0**-149)),
        ("sigmoid", 0.0, 0.5),
        ("sigmoid", inf, 1.0),
        ("sigmoid", -inf, 0.0),
        ("softplus", inf, inf),
        ("softplus", -inf, 0.0),
        ("softplus", 100.0, 100.0),
        *[(name, nan, nan) for name in ("exp", "log", "expm1", "log1p", "sigmoid", "softplus")],
    ],
)
def test_special_cases(scalar, name, x, expected):
    result = scalar(name, x)
    assert result == expected or (isnan(result) and isnan(expected))
    assert isnan(expected) or copysign(1, result) == copysign(1, expected)
