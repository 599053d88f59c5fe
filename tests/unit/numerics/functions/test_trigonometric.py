"""Accuracy of sin, cos and tan over the whole range, and near their zeros and poles."""

from __future__ import annotations

from math import copysign, inf, isnan, nan, pi

import mpmath
import numpy as np
import pytest

from aivm.numerics.functions.large_angles import PIECES
from aivm.numerics.functions.trigonometric import LARGEST_SMALL_ANGLE

REFERENCE = {"sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan}
WITHIN = {"sin": 1.0, "cos": 1.0, "tan": 2.4}
NAMES = sorted(REFERENCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", [1.0, 10.0, 1000.0, LARGEST_SMALL_ANGLE])
def test_error_is_small(max_ulp, uniform, name, limit):
    assert max_ulp(name, REFERENCE[name], uniform(-limit, limit, 3000)) <= WITHIN[name]


@pytest.mark.parametrize("name", NAMES)
def test_error_is_small_at_zeros_and_poles(max_ulp, name):
    """The numbers nearest to multiples of pi/2, where the reduction cancels most."""
    multiples = np.unique(np.geomspace(1, LARGEST_SMALL_ANGLE * 2 / pi - 1, 6000).astype(int))
    assert max_ulp(name, REFERENCE[name], (multiples * (pi / 2)).tolist()) <= WITHIN[name]


@pytest.mark.parametrize("name", NAMES)
def test_error_is_small_for_large_angles(max_ulp, any_magnitude, name):
    with mpmath.workprec(300):
        x = any_magnitude(LARGEST_SMALL_ANGLE, 3.4028234e38, 4000)
        assert max_ulp(name, REFERENCE[name], x + [-value for value in x[:500]]) <= WITHIN[name]


def nearest_to_multiples_of_half_pi(exponent: int) -> list[float]:
    """The 24-bit m with m * 2**exponent nearest to a multiple of pi/2 (Kahan's continued fraction).

    The best rational approximations p/q of 2**exponent / (pi/2) with q < 2**24 give the m = q.
    """
    with mpmath.workprec(500):
        rest = mpmath.mpf(2) ** (exponent + 1) / mpmath.pi
        before, q = 0, 1
        found = []
        while q < 2**24:
            if q >= 2**20:
                found.append(float(np.float32(q * 2.0**exponent)))
            rest = 1 / (rest - mpmath.floor(rest))
            before, q = q, int(mpmath.floor(rest)) * q + before
        return found


@pytest.mark.parametrize("name", NAMES)
def test_error_is_small_where_the_reduction_is_hardest(max_ulp, name):
    hardest = [x for e in range(0, 104) for x in nearest_to_multiples_of_half_pi(e)]
    assert len(hardest) > 50
    with mpmath.workprec(300):
        residues = [mpmath.fabs(mpmath.sin(2 * mpmath.mpf(x))) for x in hardest]
        assert min(residues) < 2.0**-24
        assert max_ulp(name, REFERENCE[name], hardest) <= WITHIN[name]


def test_the_pieces_of_two_over_pi():
    """Rounded to the grids that make their products with an integer below 2**45 exact."""
    with mpmath.workprec(600):
        for window, pieces in enumerate(PIECES):
            rest = mpmath.mpf(2) ** (22 * window) / mpmath.pi
            rest -= 4 * mpmath.nint(rest / 4)
            for position, piece in enumerate(pieces):
                grid = mpmath.mpf(2) ** (-20 - 24 * position)
                assert piece == mpmath.nint(rest / grid) * grid
                rest -= piece


@pytest.mark.parametrize("name", NAMES)
def test_an_infinity_has_no_angle(scalar, name):
    for x in (inf, -inf, nan):
        assert isnan(scalar(name, x))
    assert not isnan(scalar(name, 3.4028234e38))


def test_zeros_and_small_numbers(scalar):
    assert scalar("cos", 0.0) == scalar("cos", -0.0) == 1.0
    for name in ("sin", "tan"):
        for x in (0.0, 2.0**-149, 2.0**-126, 1e-10):
            for signed in (x, -x):
                result = scalar(name, signed)
                assert result == np.float32(signed)
                assert copysign(1, result) == copysign(1, signed)


def test_sin_and_tan_are_odd_and_cos_is_even(scalar, uniform):
    for x in [*uniform(-1e4, 1e4, 40), 1e10, 3e30]:
        assert scalar("sin", -x) == -scalar("sin", x)
        assert scalar("tan", -x) == -scalar("tan", x)
        assert scalar("cos", -x) == scalar("cos", x)
