"""The verifier in figures: for its operator as a document, for Prometheus as text.

The document has the numbers of receipts by state, the gas units of the last hour and of the hour's
budget, and amounts in token base units as decimal strings. What the chain knows is null while it
does not answer: balance, credit at the dispute game, coin (wei) for gas, the bond of a dispute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.errors import AivmError
from aivm.verifier.book import HOUR, Book
from aivm.verifier.charges import Charges, ChargeState
from aivm.verifier.intake import Budget
from aivm.verifier.standing import ChainClock
from aivm.verifier.states import FOUND_FALSE, State

DAY = 24 * HOUR
_PREFIX = "aivm_verifier_"


class Accounts:
    """Where the figures come from."""

    def __init__(
        self,
        *,
        chain: Chain,
        account: Account,
        book: Book,
        charges: Charges,
        clock: ChainClock,
        budget: Budget,
    ) -> None:
        self._chain = chain
        self._account = account
        self._book = book
        self._charges = charges
        self._clock = clock
        self._budget = budget

    async def status(self) -> dict[str, Any]:
        """The document."""
        counts = self._book.counts()
        now = self._clock.now()
        return {
            "ok": True,
            "account": self._account.address,
            "receipts": {state.value: counts.get(state, 0) for state in State},
            "seen": sum(counts.values()),
            "checked": sum(counts.get(state, 0) for state in (State.HOLDS, *FOUND_FALSE)),
            "disputed": sum(
                counts.get(state, 0)
                for state in (State.DISPUTED, State.CONVICTED, State.ACQUITTED, State.VOIDED)
            ),
            "won": counts.get(State.CONVICTED, 0),
            "gas_spent": self._book.spent(now - HOUR),
            "gas_budget": self._budget.gas_per_hour,
            "reported": sum(charge.state is ChargeState.REPORTED for charge in self._charges.all()),
            "awarded": str(self._book.awarded() + self._charges.awarded()),
            "canaries_today": str(self._book.bought(now - DAY)),
            "input_bytes": self._book.held_bytes(),
            **await self._money(),
        }

    async def _money(self) -> dict[str, Any]:
        address = self._account.address
        try:
            balance = await self._chain.token.balance_of(address)
            coin = await self._chain.balance(address)
            credit = await self._chain.dispute.credit(address)
            bond = (await self._chain.dispute.terms()).bond
        except AivmError as error:
            unknown = dict.fromkeys(("balance", "credit", "coin", "bond"))
            return {**unknown, "chain": error.message}
        return {
            "balance": str(balance),
            "credit": str(credit),
            "coin": str(coin),
            "bond": str(bond),
            "chain": "ok",
        }


def prometheus(status: Mapping[str, Any]) -> str:
    """The text exposition format (version 0.0.4) of the figures."""
    lines = ["# TYPE aivm_verifier_receipts gauge"]
    lines += [
        f'{_PREFIX}receipts{{state="{state}"}} {count}'
        for state, count in status["receipts"].items()
    ]
    for name in ("gas_spent", "gas_budget", "input_bytes"):
        lines += [f"# TYPE {_PREFIX}{name} gauge", f"{_PREFIX}{name} {status[name]}"]
    for name in ("awarded", "canaries_today", "balance", "credit", "coin"):
        if status[name] is not None:
            lines += [f"# TYPE {_PREFIX}{name} gauge", f"{_PREFIX}{name} {status[name]}"]
    up = int(status["chain"] == "ok")
    lines += [f"# TYPE {_PREFIX}chain_up gauge", f"{_PREFIX}chain_up {up}"]
    return "\n".join(lines) + "\n"
