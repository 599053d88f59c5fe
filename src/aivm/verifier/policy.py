"""How likely a receipt is re-executed: from what is at stake, what is known, and what it costs.

Cheating once gains a provider at most the job's price, and costs it the penalty if it is convicted.
It pays nothing from the probability `price / loss` on, the *break-even*. The policy multiplies that
by a safety margin, because other verifiers may be asleep, adds a floor, so that nobody is ever
safe, and adds the provider's *exposure*: a stake answers for every open receipt, but can be taken
only once. That sum is raised for providers that are new or were found false, lowered a little for
those that were found right many times, and cut down to what the hour's budget can pay.

    suspicion   = newness x record                          1/2 .. 40
    probability = min(1, suspicion x (floor + margin x price / loss + at_risk / slashable))
                  x min(1, gas_left / gas) x ramp(seconds_left)

What its own client has flagged, and canaries, are always re-executed if there is time to dispute.
The formula is public; the draw is not to be foreseen: its bytes come from the operating system.
"""

from __future__ import annotations

from dataclasses import dataclass

DRAW_BYTES = 8


@dataclass(frozen=True)
class Policy:
    """What an operator may set. Gas is in gas units, times are in seconds."""

    floor: float = 0.02
    margin: float = 10.0
    newness: float = 4.0  # suspicion of a provider on its first day...
    maturity_seconds: int = 30 * 24 * 3600  # ...which falls evenly to 1 until it is so old
    trusted_after: int = 100  # receipts found right; then the suspicion is halved
    # Under the first nothing is begun, because it could not be disputed in time; between the two
    # the probability rises evenly.
    least_seconds: int = 15 * 60
    enough_seconds: int = 60 * 60


@dataclass(frozen=True)
class Risk:
    """What is known about a receipt when it is drawn. Amounts are token base units."""

    price: int
    penalty: int  # what a conviction takes, if the stake has as much
    slashable: int  # the provider's stake, unbonding included
    at_risk: int  # prices of the provider's other open receipts that nobody here has checked
    age_seconds: int  # since the provider registered
    found_right: int
    found_false: int
    seconds_left: int  # until the receipt can no longer be disputed
    gas: int  # of one run
    gas_left: int  # of this hour's budget
    flagged: bool = False


def probability(risk: Risk, policy: Policy) -> float:
    """How likely this receipt is re-executed, from 0 to 1."""
    if risk.seconds_left <= policy.least_seconds:
        return 0.0
    if risk.flagged:
        return 1.0
    loss = min(risk.penalty, risk.slashable)
    if loss <= 0:  # nothing to win, and nothing that would deter
        return 0.0
    danger = policy.floor + policy.margin * risk.price / loss + risk.at_risk / risk.slashable
    wanted = min(1.0, _suspicion(risk, policy) * danger)
    return wanted * _affordable(risk) * _ramp(risk, policy)


def is_drawn(chance: float, draw: bytes) -> bool:
    """Whether `DRAW_BYTES` random bytes, read as a number from 0 to 1, fall below `chance`."""
    return int.from_bytes(draw, "big") < chance * 2.0 ** (8 * DRAW_BYTES)


def _suspicion(risk: Risk, policy: Policy) -> float:
    youth = max(0.0, 1 - risk.age_seconds / policy.maturity_seconds)
    newness = 1 + (policy.newness - 1) * youth
    trust = 0.5 * min(1.0, risk.found_right / policy.trusted_after)
    return newness * (10.0 if risk.found_false else 1 - trust)


def _affordable(risk: Risk) -> float:
    return min(1.0, max(0, risk.gas_left) / max(1, risk.gas))


def _ramp(risk: Risk, policy: Policy) -> float:
    span = max(1, policy.enough_seconds - policy.least_seconds)
    return min(1.0, (risk.seconds_left - policy.least_seconds) / span)
