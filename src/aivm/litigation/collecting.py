"""After the verdict: the client's part is paid out to it, and what was won comes home.

A conviction only notes who gets what (`DisputeGame.credits`, `verdicts`): paying is left to whoever
wants to be paid, so that the deciding transaction stays cheap. A challenger pays the client of what
it has convicted along with itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from aivm.chain.account import Account
from aivm.chain.cases import Case, Status
from aivm.chain.client import Chain
from aivm.chain.docket import Docket
from aivm.errors import ChainRejected

log = logging.getLogger(__name__)
_TOKEN = 10**18


class Collector:
    """Collects for one challenger; `look` is to be called again and again.

    `keep` stays in the contract for the next bonds (base units): opening a game from credit costs
    less than from tokens.
    """

    def __init__(
        self,
        chain: Chain,
        account: Account,
        docket: Docket,
        *,
        keep: int = 0,
        report: Callable[[str], None] = log.info,
    ) -> None:
        self._chain = chain
        self._account = account
        self._docket = docket
        self._keep = keep
        self._report = report
        self._done: set[bytes] = set()  # receipts whose clients are seen to be paid

    async def look(self) -> None:
        """Pay and withdraw what there is now."""
        for case in self._docket.cases:
            own = case.challenger == self._account.address
            if own and case.status is Status.CONVICTED and case.state.receipt not in self._done:
                await self._compensate(case)
        credit = await self._chain.dispute.credit(self._account.address)
        if credit > self._keep:
            await self._chain.dispute.withdraw(self._account, credit - self._keep)
            self._report(f"{(credit - self._keep) / _TOKEN:g} AIVM have come home")

    async def _compensate(self, case: Case) -> None:
        key = case.state.receipt
        share = (await self._chain.dispute.verdict(key)).share
        if not share:
            self._done.add(key)
            return
        try:
            await self._chain.dispute.compensate(self._account, case.receipt)
        except ChainRejected as refused:
            if refused.error != "NothingOwed":  # somebody else has been quicker
                raise
        self._report(f"{share / _TOKEN:g} AIVM are paid to the client {case.receipt.client}")
