"""Every slice of a batched run has the bits of the request on its own, on every engine."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.commitments import Array
from aivm.engines import Engine, open_engine
from aivm.errors import InvalidIndex
from aivm.isa.batching import batched
from aivm.isa.program import Program
from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import composed_program
from aivm.testing.engines import builds, fast_engines, same
from aivm.testing.tensors import random_tensor

SEEDS = st.integers(0, 2**32 - 1)


def run(engine: Engine, program: Program, case: RandomProgram, inputs: list[Array]) -> list[Array]:
    with closing(engine.load(program, case.constants)) as executable:
        return executable.run(inputs)


def requests(case: RandomProgram, seed: int, count: int) -> list[list[Array]]:
    """The case's own inputs and others that are no fault either."""
    rng = np.random.default_rng(seed)
    reference = open_engine("reference")
    found = [list(case.inputs)]
    for _ in range(count - 1):
        other = [random_tensor(rng, type_) for type_ in case.program.inputs]
        try:
            run(reference, case.program, case, other)
        except InvalidIndex:
            other = list(case.inputs)
        found.append(other)
    return found


def check(case: RandomProgram, seed: int, count: int) -> None:
    program = batched(case.program, count)
    assert program is not None
    asked = requests(case, seed, count)
    alone = [run(open_engine("reference"), case.program, case, inputs) for inputs in asked]
    stacked = [np.stack(arrays) for arrays in zip(*asked, strict=True)]
    # On one thread: `test_engines_equal` draws the number of threads, too.
    fast = {build: fast_engines()[names[0]] for build, names in builds().items()}
    for name, engine in {"reference": open_engine("reference"), **fast}.items():
        results = run(engine, program, case, stacked)
        for request, expected in enumerate(alone):
            for result, wanted in zip(results, expected, strict=True):
                assert same(result[request], wanted), f"{name}, request {request}"


@given(seed=SEEDS, count=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_random_programs(seed: int, count: int) -> None:
    check(random_program(seed), seed, count)


@given(seed=SEEDS, count=st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_programs_as_compilers_make_them(seed: int, count: int) -> None:
    check(composed_program(seed, budget=1 << 12), seed, count)
