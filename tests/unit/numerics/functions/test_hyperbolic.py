"""Accuracy and special cases of the hyperbolic functions and their inverses."""

from __future__ import annotations

from math import copysign, inf, isnan, nan

import mpmath
import numpy as np
import pytest

COUNT = 4000
REFERENCE = {
    name: getattr(mpmath, name) for name in ("tanh", "sinh", "cosh", "asinh", "acosh", "atanh")
}
WITHIN = {"tanh": 1.4, "sinh": 0.8, "cosh": 0.9, "asinh": 1.8, "acosh": 2.2, "atanh": 1.8}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        *[("tanh", *ends) for ends in ((-10, 10), (0.55, 0.7), (-1e-20, 1e-20))],
        *[("sinh", *ends) for ends in ((-3, 3), (0.9, 1.1), (-89.4, 89.4))],
        *[("cosh", *ends) for ends in ((-3, 3), (-0.01, 0.01), (-89.4, 89.4))],
        *[("asinh", *ends) for ends in ((-2, 2), (-1e-3, 1e-3), (-1e4, 1e4))],
        *[("acosh", *ends) for ends in ((1, 1.001), (1, 3), (1, 1e4))],
        *[("atanh", *ends) for ends in ((-1, 1), (-0.2, 0.2), (0.99, 1))],
    ],
)
def test_error_is_small(max_ulp, uniform, name, low, high):
    assert max_ulp(name, REFERENCE[name], uniform(low, high, COUNT)) <= WITHIN[name]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tanh", 1e-45, 3e38),
        ("sinh", 1e-45, 89.4),
        ("cosh", 1e-45, 89.4),
        ("asinh", 1e-45, 3.4e38),
        ("acosh", 1.0, 3.4e38),
        ("atanh", 1e-45, 0.9999999),
    ],
)
def test_error_is_small_at_all_magnitudes(max_ulp, any_magnitude, name, low, high):
    assert max_ulp(name, REFERENCE[name], any_magnitude(low, high, COUNT)) <= WITHIN[name]


BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        *[(name, zero, zero) for name in REFERENCE if name[-4:] != "cosh" for zero in (0.0, -0.0)],
        *[(n, 2.0**-149, 2.0**-149) for n in ("tanh", "sinh", "asinh", "atanh")],
        ("tanh", inf, 1.0),
        ("tanh", -inf, -1.0),
        ("sinh", inf, inf),
        ("sinh", -inf, -inf),
        ("sinh", 89.5, inf),
        ("cosh", 0.0, 1.0),
        ("cosh", -0.0, 1.0),
        ("cosh", -inf, inf),
        ("cosh", inf, inf),
        ("cosh", -89.5, inf),
        ("asinh", inf, inf),
        ("asinh", -inf, -inf),
        ("acosh", 1.0, 0.0),
        ("acosh", inf, inf),
        *[("acosh", x, nan) for x in (BELOW_ONE, 0.0, -1.0, -5.0, -inf)],
        ("atanh", 1.0, inf),
        ("atanh", -1.0, -inf),
        *[("atanh", x, nan) for x in (1.0000001, -1.0000001, inf, -inf)],
        *[(name, nan, nan) for name in REFERENCE],
    ],
)
def test_special_cases(scalar, name, x, expected):
    result = scalar(name, x)
    assert result == expected or (isnan(result) and isnan(expected))
    assert isnan(expected) or copysign(1, result) == copysign(1, expected)


def test_odd_and_even(scalar, uniform):
    for x in uniform(0, 0.99, 30):
        for name in ("tanh", "sinh", "asinh", "atanh"):
            assert scalar(name, -x) == -scalar(name, x)
        assert scalar("cosh", -x) == scalar("cosh", x)
