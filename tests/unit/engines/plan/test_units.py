"""How a setup falls into parts, and when two of them are the same."""

from __future__ import annotations

import pytest

from aivm.engines.plan.tape import Address, Kind, Step, Word
from aivm.engines.plan.units import Sources, Unit, find_units

# Buffers 0 and 1 are constants, 2 is a literal; the others are made.
SOURCES = Sources({0: b"w" * 32, 1: b"v" * 32}, {2: b"\0\0\0\0"})
SIZES = [400, 400, 4, 100, 100, 100, 100]


def step(*words: Word, kind: Kind = Kind.PACK) -> Step:
    return Step(kind, 7, words)


def units(*steps: Step, wanted: tuple[int, ...] = (3, 4, 5, 6)) -> list[Unit]:
    return find_units(steps, wanted, SIZES, SOURCES)


def recipe(*steps: Step, wanted: tuple[int, ...] = (3, 4, 5, 6)) -> bytes:
    (unit,) = units(*steps, wanted=wanted)
    return unit.recipe


PACK = step(Address(3), Address(0), 16)


def test_steps_that_share_only_constants_and_literals_are_apart() -> None:
    first, second = step(Address(3), Address(0), Address(2)), step(Address(4), Address(0))
    found = units(first, second, step(Address(5), Address(2)))
    assert [unit.steps for unit in found] == [(first,), (second,), (step(Address(5), Address(2)),)]


def test_a_step_may_join_what_was_apart() -> None:
    first, second = step(Address(3), Address(0)), step(Address(4), Address(1))
    both, other = step(Address(5), Address(3), Address(4)), step(Address(6), Address(1))
    found = units(first, other, second, both)
    assert [unit.steps for unit in found] == [(first, second, both), (other,)]


def test_what_runs_together_stays_together() -> None:
    rows = Step(Kind.MATMUL, 7, (Address(0), 16), joined=True)
    found = units(rows, step(Address(3), Address(1)), step(Address(4), Address(1)))
    assert [len(unit.steps) for unit in found] == [2, 1]


def test_only_what_outlives_the_setup_has_a_place() -> None:
    found = units(step(Address(3), Address(0)), step(Address(4), Address(3)), wanted=(4,))
    (unit,) = found
    assert (unit.places, unit.size_bytes) == ({4: 0}, 128)
    (unit,) = units(step(Address(3), Address(0)), step(Address(4), Address(3)), wanted=(3, 4))
    assert (unit.places, unit.size_bytes) == ({3: 0, 4: 128}, 256)


def test_numbers_of_buffers_and_instructions_do_not_matter() -> None:
    assert recipe(PACK) == recipe(step(Address(6), Address(0), 16))
    assert recipe(PACK) == recipe(Step(Kind.PACK, 99, PACK.words))


@pytest.mark.parametrize(
    "other",
    [
        step(Address(3), Address(0), 17),
        step(Address(3), Address(1), 16),
        step(Address(3), Address(2), 16),
        step(Address(3), Address(0, 4), 16),
        step(Address(3), Address(0), 16, kind=Kind.COPY),
    ],
    ids=["number", "constant", "literal", "offset", "kind"],
)
def test_everything_that_decides_the_bytes_is_in_the_recipe(other: Step) -> None:
    assert recipe(PACK) != recipe(other)


def test_the_layout_is_in_the_recipe() -> None:
    steps = (step(Address(3), Address(0)), step(Address(4), Address(3)))
    assert recipe(*steps, wanted=(3, 4)) != recipe(*steps, wanted=(4,))
    larger = find_units([PACK], [3], [400, 400, 4, 164], SOURCES)
    assert larger[0].recipe != recipe(PACK)
