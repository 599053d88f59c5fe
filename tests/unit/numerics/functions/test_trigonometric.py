"""Accuracy of sin and cos over their range, near their zeros, and NaN beyond."""

from __future__ import annotations

from math import copysign, inf, isnan, nan, pi

import mpmath
import numpy as np
import pytest

from aivm.numerics.functions.trigonometric import LARGEST_ANGLE

REFERENCE = {"sin": mpmath.sin, "cos": mpmath.cos}


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("limit", [1.0, 10.0, 1000.0, LARGEST_ANGLE])
def test_error_is_within_1_ulp(max_ulp, uniform, name, limit):
    assert max_ulp(name, REFERENCE[name], uniform(-limit, limit, 3000)) <= 1.0


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_error_is_within_1_ulp_at_the_zeros(max_ulp, name):
    """The numbers nearest to multiples of pi/2, where the reduction cancels most."""
    multiples = np.unique(np.geomspace(1, LARGEST_ANGLE * 2 / pi - 1, 6000).astype(int))
    assert max_ulp(name, REFERENCE[name], (multiples * (pi / 2)).tolist()) <= 1.0


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_beyond_the_range_the_result_is_nan(scalar, name):
    just_beyond = float(np.nextafter(np.float32(LARGEST_ANGLE), np.float32(inf)))
    assert not isnan(scalar(name, LARGEST_ANGLE))
    for x in (just_beyond, -just_beyond, 3e38, inf, -inf, nan):
        assert isnan(scalar(name, x))


def test_zeros_and_small_numbers(scalar):
    assert scalar("cos", 0.0) == scalar("cos", -0.0) == 1.0
    for x in (0.0, 2.0**-149, 2.0**-126, 1e-10):
        for signed in (x, -x):
            result = scalar("sin", signed)
            assert result == np.float32(signed)
            assert copysign(1, result) == copysign(1, signed)


def test_sin_is_odd_and_cos_is_even(scalar, uniform):
    for x in uniform(-1e4, 1e4, 50):
        assert scalar("sin", -x) == -scalar("sin", x)
        assert scalar("cos", -x) == scalar("cos", x)
