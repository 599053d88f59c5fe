"""What a provider gains by cheating until its stake is gone, against honest work."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from terms import Terms, Work

CAREERS = 400
LONGEST_DAYS = 3_650  # nobody cheats undetected for longer than that


@dataclass(frozen=True)
class Career:
    """Averages over many careers, in tokens and days."""

    days: float
    saved: float
    lost: float

    @property
    def gain(self) -> float:
        return self.saved - self.lost


def career(terms: Terms, work: Work, detection: float, rng: random.Random) -> Career:
    """A provider that cheats on every job, and convicts itself first whenever it is found out.

    `detection` is the chance that a job's lie is found by anybody. A lie is found within the
    window, at a time drawn evenly from it; until its stake is under the minimum the provider goes
    on, and every receipt of that time can be convicted as long as there is stake. The award comes
    back to it through a confederate who is challenger and client: only what is burned is lost.
    """
    careers = [_one(terms, work, detection, rng) for _ in range(CAREERS)]
    return Career(
        days=sum(each.days for each in careers) / CAREERS,
        saved=sum(each.saved for each in careers) / CAREERS,
        lost=sum(each.lost for each in careers) / CAREERS,
    )


def _one(terms: Terms, work: Work, detection: float, rng: random.Random) -> Career:
    first_found = _first_success(detection, rng) / work.jobs_per_day
    days = min(first_found + rng.random() * terms.window, LONGEST_DAYS)
    jobs = days * work.jobs_per_day
    # What was done in the last window can still be disputed.
    open_jobs = min(jobs, terms.window * work.jobs_per_day)
    found = 1 + _poisson(open_jobs * detection, rng) if days < LONGEST_DAYS else 0
    slashed = min(terms.stake, found * terms.penalty)
    return Career(days, jobs * work.saved, slashed * (1 - terms.award_share))


def _first_success(chance: float, rng: random.Random) -> float:
    """How many trials until the first success: geometric."""
    return math.ceil(math.log(1 - rng.random()) / math.log1p(-chance)) if chance < 1 else 1


def _poisson(mean: float, rng: random.Random) -> int:
    """A Poisson number; beyond 50 by its normal approximation."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def break_even(terms: Terms, work: Work) -> float:
    """The chance of detection from which one more lie is a loss, if nothing else is at stake."""
    return work.saved / terms.burned
