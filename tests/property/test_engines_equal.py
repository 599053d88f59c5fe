"""The promise of AIVM: every engine gives the same bits, fused or not, on any number of threads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.engines import open_engine
from aivm.testing import random_program
from aivm.testing.engines import differences, trace_differences

SEEDS = st.integers(0, 2**32 - 1)


def check(seed: int, max_instructions: int) -> None:
    made = random_program(seed, max_instructions=max_instructions)
    case = (made.program, made.constants, made.inputs)
    reference = open_engine("reference").load(made.program, made.constants)
    assert list(differences(*case, reference.run(made.inputs))) == []
    assert list(trace_differences(*case, list(reference.trace(made.inputs)))) == []


@given(seed=SEEDS)
@settings(max_examples=150, deadline=None)
def test_random_programs(seed: int) -> None:
    check(seed, max_instructions=16)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_long_random_programs(seed: int) -> None:
    check(seed, max_instructions=60)


@pytest.mark.slow
@given(seed=SEEDS)
@settings(max_examples=5000, deadline=None)
@pytest.mark.timeout(3600)
def test_many_random_programs(seed: int) -> None:
    check(seed, max_instructions=24)
