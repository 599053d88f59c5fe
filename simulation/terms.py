"""What a dispute costs and pays, in tokens: the terms that development networks deploy."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.chain.deploy import DeploymentParameters

UNIT = 10**18
DAY = 86_400


@dataclass(frozen=True)
class Terms:
    """Amounts in tokens, times in days. The shares are constants of the contracts."""

    stake: float
    penalty: float
    bond: float
    window: float
    clock: float
    award_share: float = 0.5  # of what is slashed; the rest is burned
    client_share: float = 0.2  # of the award

    @property
    def award(self) -> float:
        """What a challenger earns by a conviction."""
        return self.penalty * self.award_share * (1 - self.client_share)

    @property
    def refund(self) -> float:
        """What the client of a false receipt gets."""
        return self.penalty * self.award_share * self.client_share

    @property
    def burned(self) -> float:
        """What a cheat loses even if challenger and client are its own confederates."""
        return self.penalty * (1 - self.award_share)


def deployed_terms() -> Terms:
    """The defaults of `aivm.chain.deploy`."""
    nobody = "0x" + "00" * 20
    defaults = DeploymentParameters.for_devnet(nobody)
    return Terms(
        stake=defaults.minimum_stake / UNIT,
        penalty=defaults.dispute_penalty / UNIT,
        bond=defaults.dispute_bond / UNIT,
        window=defaults.dispute_window / DAY,
        clock=defaults.dispute_clock / DAY,
    )


@dataclass(frozen=True)
class Work:
    """A provider's trade: amounts in tokens.

    `cost` is the share of the price that honest execution costs: what a cheat saves on a job, and
    what re-executing it costs a verifier.
    """

    price: float
    jobs_per_day: int
    cost: float = 0.6

    @property
    def saved(self) -> float:
        return self.price * self.cost
