"""fmod is exact: compared with C's in binary64, where the remainder of two binary32 is exact."""

from __future__ import annotations

import itertools
import math
from math import copysign, inf, isnan, nan

import numpy as np
import pytest

from aivm.engines.reference.arrays import ArrayMachine
from aivm.numerics.functions import BINARY

RNG = np.random.Generator(np.random.PCG64(7))
ANY = RNG.integers(0, 2**32, size=(2, 20_000), dtype=np.uint32)
SUBNORMAL = RNG.integers(0, 2**24, size=(2, 5_000), dtype=np.uint32)
DIVISORS = RNG.uniform(1e-3, 1e3, size=5_000).astype(np.float32)
MULTIPLES = (RNG.integers(1, 10_000, size=5_000) * DIVISORS).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (ANY[0], ANY[1]),
        (ANY[0, :5_000], SUBNORMAL[1]),
        (SUBNORMAL[0], SUBNORMAL[1]),
        (MULTIPLES.view(np.uint32), DIVISORS.view(np.uint32)),
        (ANY[0], ANY[0]),
        (ANY[0], ANY[0] ^ np.uint32(1)),
    ],
    ids=["any", "by subnormals", "subnormals", "near multiples", "itself", "its neighbour"],
)
def test_equal_to_the_exact_remainder(x, y):
    m = ArrayMachine()
    results = m.canonical(BINARY["fmod"](m, x, y)).view(np.float32)
    with np.errstate(all="ignore"):
        dividends, divisors = (words.view(np.float32).astype(np.float64) for words in (x, y))
        expected = np.fmod(dividends, divisors).astype(np.float32)
    same = (results.view(np.uint32) == expected.view(np.uint32)) | (
        np.isnan(results) & np.isnan(expected)
    )
    assert same.all()


NUMBERS = [0.0, 2.0**-149, 2.0**-126, 0.75, 1.0, 3.0, 7.0, 16777215.0, 3.4028234663852886e38, inf]


@pytest.mark.parametrize(("x", "y"), list(itertools.product([*NUMBERS, nan], repeat=2)))
def test_special_cases(scalar, x, y):
    for x_sign, y_sign in itertools.product((1, -1), repeat=2):
        dividend, divisor = x_sign * x, y_sign * y
        result = scalar("fmod", dividend, divisor)
        if isnan(x) or isnan(y) or x == inf or y == 0:
            assert isnan(result)
        else:
            assert result == math.fmod(dividend, divisor)
            assert copysign(1, result) == copysign(1, dividend)
