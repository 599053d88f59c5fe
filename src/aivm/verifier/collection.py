"""Bringing home what convictions have earned: the verifier's credit, and the clients' shares.

The dispute game pays nobody by itself: a winner's bond and award are credited, and the next bond is
taken from there. Once no dispute is open or to be opened, the credit is withdrawn. A client's share
is paid out when anybody asks for it; the verifier does, so that a client who complains is paid
without a transaction of its own.
"""

from __future__ import annotations

import logging

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.litigation.collecting import compensate_client, withdraw_credit
from aivm.verifier.book import Book
from aivm.verifier.states import State

log = logging.getLogger(__name__)
OWED = "its client's share is to be paid out"


class Collector:
    """Pays out for one account; doing it twice changes nothing."""

    def __init__(self, chain: Chain, account: Account, book: Book) -> None:
        self._chain = chain
        self._account = account
        self._book = book

    async def step(self) -> None:
        """Pay what is owed to clients, then fetch what is not needed for bonds."""
        for entry in self._book.in_state(State.CONVICTED):
            if entry.reason != OWED:
                continue
            await compensate_client(self._chain, self._account, entry.signed.receipt)
            self._book.postpone(entry.receipt, 0, "")
        if self._book.count(State.FALSE, State.DISPUTED) == 0:
            credit = await withdraw_credit(self._chain, self._account)
            if credit:
                log.info("withdrew %d base units from the dispute game", credit)
