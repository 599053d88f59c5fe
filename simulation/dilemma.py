"""The verifier's dilemma: who checks, if nobody cheats because somebody checks?

Selfish verifiers check only while that pays, and it pays only while somebody cheats. Agents revise
what they do now and then, to the best answer to what they saw lately; the mean over a long time is
what such a market settles at. Checks that are made whether they pay or not (clients who look after
their own results, canaries out of a budget) are a floor under the chance of detection.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from terms import Terms, Work

PROVIDERS = 40
VERIFIERS = 10
DAYS = 3_000
SETTLED = 500  # days that do not count yet
REVISION = 0.05  # the chance that an agent thinks again on a day
MEMORY = 0.1  # weight of a new day in what an agent believes
RATES = (0.0, 0.0001, 0.001, 0.01, 0.1)


@dataclass(frozen=True)
class Floor:
    """Checks that do not ask whether they pay, as shares of all jobs."""

    clients: float = 0.0  # of each client's own jobs
    canaries: float = 0.0  # jobs bought by verifiers to be checked


@dataclass(frozen=True)
class Settled:
    """Long-run means."""

    cheated: float  # share of jobs that are lies
    checked: float  # share of jobs that selfish verifiers re-execute
    profit: float  # of all verifiers together, tokens a day
    canary_cost: float  # tokens a day


def settle(terms: Terms, work: Work, floor: Floor, rng: random.Random, *, award: float) -> Settled:
    """Where a market with these checks ends up, if whoever finds a lie earns `award` by it."""
    cheating, checking = [0.0] * PROVIDERS, [0.0] * VERIFIERS
    believed_detection, believed_cheating = _detection(floor, 0.0), 0.0
    jobs = PROVIDERS * work.jobs_per_day
    cheated = checked = profit = 0.0
    for day in range(DAYS):
        lies, checks = sum(cheating) / PROVIDERS, min(1.0, sum(checking))
        if day >= SETTLED:
            cheated, checked = cheated + lies, checked + checks
            # A lie that several find pays the first of them only.
            profit += jobs * checks * (lies * award - work.saved)
        believed_detection += MEMORY * (_detection(floor, checks) - believed_detection)
        believed_cheating += MEMORY * (lies - believed_cheating)
        pays_to_lie = work.saved > believed_detection * terms.burned
        pays_to_check = believed_cheating * award > work.saved
        _revise(cheating, pays_to_lie, rng)
        _revise(checking, pays_to_check, rng)
    days = DAYS - SETTLED
    return Settled(
        cheated / days, checked / days, profit / days, floor.canaries * jobs * work.price
    )


def _detection(floor: Floor, checks: float) -> float:
    return 1 - (1 - floor.clients) * (1 - floor.canaries) * (1 - checks)


def _revise(rates: list[float], pays: bool, rng: random.Random) -> None:
    """Some agents think again: a step up where it pays, a step down where it does not."""
    for agent, rate in enumerate(rates):
        if rng.random() < REVISION:
            position = RATES.index(rate) + (1 if pays else -1)
            rates[agent] = RATES[max(0, min(position, len(RATES) - 1))]
