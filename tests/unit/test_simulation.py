"""The simulations of docs/economics.md say what theory says where theory says anything."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "simulation"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The programs, which import each other by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("terms", "career", "dilemma", "griefing")
    yield type("Simulation", (), {name: __import__(name) for name in names})
    for name in names:
        del sys.modules[name]


def test_a_cheat_loses_more_the_likelier_it_is_found(simulation: Any) -> None:
    terms, work = simulation.terms.deployed_terms(), simulation.terms.Work(0.1, 1_000)
    gains = [
        simulation.career.career(terms, work, chance, random.Random(1)).gain
        for chance in (1e-6, 1e-4, 1e-2, 1.0)
    ]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0 > gains[-1]


def test_a_lie_pays_exactly_below_the_break_even(simulation: Any) -> None:
    """Checks at the rate of the rule end all lies; at half of it they end none."""
    terms, work = simulation.terms.deployed_terms(), simulation.terms.Work(0.1, 1_000)
    rule = simulation.career.break_even(terms, work)
    assert rule == work.saved / terms.burned
    for share, honest in ((rule * 1.5, True), (rule / 2, False)):
        floor = simulation.dilemma.Floor(clients=share)
        settled = simulation.dilemma.settle(terms, work, floor, random.Random(1), award=0.0)
        assert (settled.cheated == 0) == honest


def test_a_penalty_is_shared_out_whole(simulation: Any) -> None:
    terms = simulation.terms.deployed_terms()
    assert terms.award + terms.refund + terms.burned == terms.penalty
    challenger, provider = simulation.griefing.game_gas()
    assert challenger > 0 and provider > 0
