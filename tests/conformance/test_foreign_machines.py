"""The same bits in V8 and on an emulated aarch64; skipped where node or qemu are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from aivm.commitments import Array
from aivm.engines import Engine, open_engine
from aivm.testing.compositions import composed_program
from aivm.testing.engines import same
from aivm.testing.foreign import foreign_engines
from aivm.testing.programs import RandomProgram, random_program

CASES = [*map(random_program, range(6)), *map(composed_program, range(10))]


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Engine]]:
    with foreign_engines() as found:
        yield found


@pytest.mark.parametrize("name", ["V8", "aarch64"])
def test_programs_give_the_bytes_of_the_sandbox(name: str, engines: dict[str, Engine]) -> None:
    if name not in engines:
        pytest.skip(f"nothing here can run {name}")
    for case in CASES:
        expected = _results(open_engine("wasm"), case)
        found = _results(engines[name], case)
        assert all(map(same, found, expected)), f"seed {case.seed}"


def _results(engine: Engine, case: RandomProgram) -> list[Array]:
    with closing(engine.load(case.program, case.constants)) as executable:
        return executable.run(case.inputs)
