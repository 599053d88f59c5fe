"""Accuracy and special cases of erf."""

from __future__ import annotations

from math import copysign, inf, isnan, nan

import mpmath
import pytest


@pytest.mark.parametrize(("low", "high"), [(-5, 5), (0.85, 1.1), (-1e-6, 1e-6), (3.5, 4.5)])
def test_erf_is_within_1_1_ulp(max_ulp, uniform, low, high):
    assert max_ulp("erf", mpmath.erf, uniform(low, high, 3000)) <= 1.1


def test_special_cases(scalar):
    assert scalar("erf", inf) == 1.0
    assert scalar("erf", -inf) == -1.0
    assert scalar("erf", 3e38) == 1.0
    assert copysign(1, scalar("erf", -0.0)) == -1.0
    assert isnan(scalar("erf", nan))


def test_erf_is_odd(scalar, uniform):
    for x in uniform(-3, 3, 50):
        assert scalar("erf", -x) == -scalar("erf", x)
