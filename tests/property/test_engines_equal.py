"""The promise of AIVM: every engine gives the same bits, fused or not, on any number of threads,
alone or in a batch, whatever the floating-point mode of the caller.

`fuzz/engines.py` asks the same for hours.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import composed_program
from aivm.testing.differential import Tally, differences

SEEDS = st.integers(0, 2**32 - 1)


def check(case: RandomProgram) -> None:
    assert [str(each) for each in differences(case, Tally())] == []


@given(seed=SEEDS)
@settings(max_examples=150, deadline=None)
def test_random_programs(seed: int) -> None:
    check(random_program(seed, max_instructions=16))


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_long_random_programs(seed: int) -> None:
    check(random_program(seed, max_instructions=60))


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_programs_as_compilers_make_them(seed: int) -> None:
    check(composed_program(seed))


@pytest.mark.slow
@given(seed=SEEDS)
@settings(max_examples=5000, deadline=None)
@pytest.mark.timeout(3600)
def test_many_random_programs(seed: int) -> None:
    check(random_program(seed, max_instructions=24))
