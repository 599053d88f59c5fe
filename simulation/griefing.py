"""What it costs to bother somebody: challenges without a reason, lies to a challenger's face."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from terms import Terms

_MOVE = re.compile(r"dispute: \d\d ")
_PROVIDERS = ("commit", "reveal")
SNAPSHOT = Path(__file__).resolve().parents[1] / "contracts" / "snapshots" / "gas.json"


@dataclass(frozen=True)
class Fees:
    """What gas costs on some chain; `gas_price` in gwei, `coin` in tokens (a token is 1 dollar)."""

    name: str
    gas_price: float
    coin: float = 3_000.0

    def cost(self, gas: int) -> float:
        """Tokens for so much gas."""
        return gas * self.gas_price * 1e-9 * self.coin


FEES = (Fees("rollup, 0.01 gwei", 0.01), Fees("mainnet, 1 gwei", 1), Fees("mainnet, 20 gwei", 20))


@dataclass(frozen=True)
class Grief:
    """A false challenge played to its end, in tokens: what each side has lost."""

    challenger: float
    provider: float


def false_challenge(terms: Terms, fees: Fees, challenger_gas: int, provider_gas: int) -> Grief:
    """The challenger loses its bond, half of which goes to the provider."""
    return Grief(
        challenger=terms.bond + fees.cost(challenger_gas),
        provider=fees.cost(provider_gas) - terms.bond / 2,
    )


def conviction(terms: Terms, fees: Fees, challenger_gas: int) -> float:
    """What a challenger has earned after a game that the liar has played to the last move."""
    return terms.award - fees.cost(challenger_gas)


def game_gas() -> tuple[int, int]:
    """Gas of a whole game about a model of MiniLM's size: (challenger's moves, provider's)."""
    figures = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    moves = {name: gas for name, gas in figures.items() if _MOVE.match(name)}
    provider = sum(gas for name, gas in moves.items() if _MOVE.sub("", name).startswith(_PROVIDERS))
    return sum(moves.values()) - provider, provider
