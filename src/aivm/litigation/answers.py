"""`Answers`: shows what stands behind a provider's orders whenever somebody summons it.

The proof is the client's voucher for the job; for a receipt without a channel, the listing of its
program. Whoever finds neither in time is convicted, so that is said as loudly as it can be.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.summonses import Summoned, Summonses
from aivm.dispute.listing import Listing
from aivm.errors import AivmError, ChainRejected, NotFound
from aivm.receipts import Receipt, SignedVoucher

log = logging.getLogger(__name__)

Proof = SignedVoucher | Listing
FindProof = Callable[[Receipt], Awaitable[Proof]]
"""Raises NotFound where there is no proof."""

RETRY_SECONDS = 30.0


async def answer_summons(chain: Chain, account: Account, receipt: Receipt, proof: Proof) -> None:
    """Show what stands behind the receipt's order; `account` pays the gas, whoever it is.

    Raises ChainRejected where the contract does not take the proof, or it is too late. That it has
    been shown before is no error.
    """
    try:
        if isinstance(proof, Listing):
            await chain.misconduct.show_listing(account, receipt, proof)
        else:
            await chain.misconduct.show_agreement(account, receipt, proof)
    except ChainRejected as refused:
        if refused.error != "AlreadyShown":
            raise


class Answers:
    """Answers for one provider; `look` is to be called again and again."""

    def __init__(
        self,
        chain: Chain,
        account: Account,
        summonses: Summonses,
        find: FindProof,
        *,
        report: Callable[[str], None] = log.info,
    ) -> None:
        self._chain = chain
        self._account = account
        self._summonses = summonses
        self._find = find
        self._report = report
        self._not_before: dict[bytes, float] = {}  # by order, on the monotonic clock

    async def look(self) -> None:
        """Read the chain once and answer what is pending; one that fails holds up no other, and
        is tried again. Raises ChainUnreachable.
        """
        await self._summonses.poll()
        pending = self._summonses.pending
        orders = {summons.order for summons in pending}
        self._not_before = {key: at for key, at in self._not_before.items() if key in orders}
        for summons in pending:
            if self._not_before.get(summons.order, 0.0) <= host.monotonic():
                await self._answer(summons)

    async def _answer(self, summons: Summoned) -> None:
        name = f"the summons {summons.order.hex()[:8]}"
        self._not_before[summons.order] = host.monotonic() + RETRY_SECONDS
        try:
            proof = await self._find(summons.receipt)
            await answer_summons(self._chain, self._account, summons.receipt, proof)
        except NotFound as missing:
            log.error("%s cannot be answered, and convicts: %s", name, missing.message)
        except ChainRejected as refused:
            if refused.error != "TooLate":
                log.error("the answer to %s was refused: %s", name, refused.message)
        except AivmError as error:
            log.warning("%s waits: %s", name, error.message)
        else:
            self._report(f"{name} is answered")
