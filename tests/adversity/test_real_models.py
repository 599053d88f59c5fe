"""Disputes about real models on a chain: a lie about any family is convicted, the truth is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from tests.adversity.arena import Arena, Side, acquittal, changes, conviction
from tests.unit.dispute.real_models import (
    Subject,
    digits,
    dispute,
    lie,
    minilm,
    quantised_digits,
    quantised_minilm,
    small,
    subjects_of_catalogue,
)

from aivm.numerics.dtypes import DType
from aivm.testing.liars import FalseMemory

MOST_TRANSACTIONS = 16  # P9


def family(subject: Subject, name: str) -> int:
    """The last value that an instruction of that family makes; of bytes, if there is one."""

    def is_of_bytes(value: int) -> bool:
        operands = subject.program.instructions[value - subject.program.first_instruction].operands
        return any(subject.types[operand].dtype is DType.I8 for operand in operands)

    found = [value for value, each in subject.instructions() if type(each).__name__.upper() == name]
    return max(found, key=lambda value: (is_of_bytes(value), value))


def alone(name: str) -> Subject:
    """The last program of one such instruction in the catalogue."""
    *_, found = (
        subject
        for subject in subjects_of_catalogue()
        if type(subject.program.instructions[0]).__name__.upper() == name
    )
    return found


# Which families to try in what.
TRIED: dict[str, tuple[Callable[[], Subject], str]] = {
    "digits": (digits, "MAP MATMUL REDUCE MOVE"),
    "quantised digits": (quantised_digits, "CAST MATMUL REDUCE"),
    "small sorted": (partial(small, "sorted"), "GATHER SCATTER RANK"),
    "small recurrent": (partial(small, "recurrent"), "CONCAT"),
    "iota": (partial(alone, "IOTA"), "IOTA"),
    "fill": (partial(alone, "FILL"), "FILL"),
    "random": (partial(alone, "RANDOM"), "RANDOM"),
    "minilm": (minilm, "MAP MATMUL REDUCE MOVE GATHER CAST"),
    "quantised minilm": (quantised_minilm, "MATMUL CAST GATHER REDUCE"),
}
every_family = pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(
            make, name, id=f"{title}-{name}", marks=[pytest.mark.slow] if "minilm" in title else []
        )
        for title, (make, names) in TRIED.items()
        for name in names.split()
    ],
)


@every_family
async def test_a_lie_about_any_family_is_convicted(
    make: Callable[[], Subject], name: str, arena: Arena
) -> None:
    before, subject = await arena.money(), make()
    value = family(subject, name)
    last = subject.types[value].elements - 1
    duel = await arena.open(
        dispute(subject, FalseMemory(subject.program, lie(subject, value, last)))
    )
    await duel.finish(Side.CHALLENGER)
    assert duel.state.value == value
    assert 1 + len(duel.history) <= MOST_TRANSACTIONS  # with the opening
    assert changes(before, await arena.money()) == conviction(arena.terms)


@every_family
async def test_a_doubt_about_what_is_right_costs_the_bond(
    make: Callable[[], Subject], name: str, arena: Arena
) -> None:
    before, subject = await arena.money(), make()
    game = dispute(subject, subject.honest())
    believed = FalseMemory(subject.program, lie(subject, family(subject, name), 0))
    doubter = replace(game.challenger, trace=believed)
    duel = await arena.open(replace(game, challenger=doubter))
    await duel.finish(Side.PROVIDER)
    assert changes(before, await arena.money()) == acquittal(arena.terms)
