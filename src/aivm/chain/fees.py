"""What a transaction offers for its gas: it follows the market, up to a cap."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.errors import FeesTooHigh

GWEI = 10**9


@dataclass(frozen=True)
class Offer:
    """Wei per unit of gas, as in EIP-1559: the most in all, and the block producer's part of it."""

    max_fee: int
    priority_fee: int


@dataclass(frozen=True)
class Market:
    """What blocks ask for now, in wei per unit of gas."""

    base_fee: int
    priority_fee: int

    def offer(self, cap: int | None) -> Offer:
        """Enough for the next blocks. Raises FeesTooHigh where the cap is below what is asked now.

        The base fee can double within six full blocks, so twice as much is offered.
        """
        asked = self.base_fee + self.priority_fee
        if cap is not None and asked > cap:
            raise FeesTooHigh(
                f"gas costs {in_gwei(asked)} now, and the cap is {in_gwei(cap)}",
                hint="Wait for lower fees, or allow more.",
            )
        return _capped(Offer(2 * self.base_fee + self.priority_fee, self.priority_fee), cap)

    def better(self, last: Offer, step: float, cap: int | None) -> Offer | None:
        """What takes the place of `last`: at least `step` times as much, and what is asked now.

        None where the cap leaves no room for that: a node refuses a replacement that pays less.
        """
        priority_fee = max(int(last.priority_fee * step) + 1, self.priority_fee)
        max_fee = max(int(last.max_fee * step) + 1, 2 * self.base_fee + priority_fee)
        capped = _capped(Offer(max_fee, priority_fee), cap)
        least = last.max_fee * 11 // 10, last.priority_fee * 11 // 10
        is_enough = capped.max_fee > least[0] and capped.priority_fee > least[1]
        return capped if is_enough else None


def in_gwei(wei: int) -> str:
    """For people."""
    return f"{wei / GWEI:.4g} gwei"


def _capped(offer: Offer, cap: int | None) -> Offer:
    if cap is None:
        return offer
    return Offer(min(offer.max_fee, cap), min(offer.priority_fee, cap))
