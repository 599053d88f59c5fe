"""The comparison finds what is wrong, and says where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from aivm.commitments import Array
from aivm.engines import open_engine
from aivm.errors import InvalidIndex
from aivm.isa.program import Program
from aivm.testing import RandomProgram, differential, random_program
from aivm.testing.compositions import LARGE, composed_program
from aivm.testing.differential import Tally, differences, suits_reference
from aivm.testing.engines import fast_engines


class Liar:
    """The wasm engine, but for one bit of one element."""

    name = "liar"

    def load(self, program: Program, constants: Sequence[Array]) -> Any:
        return LyingExecutable(open_engine("wasm").load(program, constants))


class LyingExecutable:
    def __init__(self, honest: Any) -> None:
        self.honest = honest

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        results: list[Array] = self.honest.run(inputs)
        raw = bytearray(results[0].tobytes())
        raw[-1] ^= 1
        changed = np.frombuffer(bytes(raw), results[0].dtype).reshape(results[0].shape)
        return [changed, *results[1:]]

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        yield from self.honest.trace(inputs)

    def close(self) -> None:
        self.honest.close()


def test_honest_engines_do_not_differ() -> None:
    tally = Tally()
    for seed in range(5):
        assert list(differences(random_program(seed), tally)) == []
    assert tally.programs == 5
    assert tally.runs >= 5 * (2 * 2 + 1)  # two builds at least, twice, and a trace
    assert tally.without_reference == 0


def test_one_wrong_bit_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differential, "fast_engines", lambda: {"wasm": Liar()})
    cases = (random_program(seed) for seed in range(100))
    case = next(each for each in cases if each.program.instructions[-1].type.elements > 1)
    found = next(iter(differences(case, Tally())))
    assert (found.engine, found.how) == ("wasm", "first run")
    assert found.instruction == case.program.outputs[0] - case.program.first_instruction
    assert found.element == case.program.instructions[-1].type.elements - 1
    assert int(found.expected, 16) ^ int(found.found, 16) == 1 << 4 * len(found.found) - 8


def test_large_programs_are_compared_without_the_reference() -> None:
    case = next(
        each
        for each in (composed_program(seed, budget=LARGE) for seed in range(100))
        if not suits_reference(each)
    )
    tally = Tally()
    assert list(differences(case, tally)) == []
    assert tally.without_reference == 1


def test_every_build_is_there() -> None:
    builds = {name.partition(",")[0] for name in fast_engines()}
    assert "wasm" in builds and len(builds) >= 2


def test_a_fault_is_a_fault_on_all_engines() -> None:
    tally = Tally()
    for seed in range(60):
        case = random_program(seed, faults=True)
        assert [str(each) for each in differences(case, tally)] == []
    assert 3 < tally.faults < 57


def test_an_answer_in_place_of_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Optimist(Liar):
        def load(self, *_: object) -> Any:
            return self

        def run(self, *_: object) -> list[Array]:
            return []

        trace = run

        def close(self) -> None:
            pass

    cases = (random_program(seed, faults=True) for seed in range(100))
    case = next(each for each in cases if _is_fault(each))
    monkeypatch.setattr(differential, "fast_engines", lambda: {"wasm": Optimist()})
    monkeypatch.setattr(differential, "builds", lambda: {"wasm": ["wasm"]})
    assert [each.how for each in differences(case, Tally())] == ["run", "trace"]


def _is_fault(case: RandomProgram) -> bool:
    try:
        open_engine("reference").load(case.program, case.constants).run(case.inputs)
    except InvalidIndex:
        return True
    return False
