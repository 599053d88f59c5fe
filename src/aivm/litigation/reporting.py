"""Reports and summonses made by hand: checked before any money moves, and safe to make again.

A report is announced, waited for, and made. Whoever is interrupted in between makes it again and
goes on where the chain is: the seal follows from the account's key and the receipts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.misconduct import Standing, Summons
from aivm.dispute.misconduct import Report, claim_hash, order_id
from aivm.errors import ChainRejected, InsufficientFunds, NotAllowed
from aivm.litigation.opening import demand_binding
from aivm.receipts import SignedReceipt

POLL_SECONDS = 2.0
_TOKEN = 10**18


async def make_report(
    chain: Chain, account: Account, report: Report, note: Callable[[str], None]
) -> int:
    """Announce a report, wait until its seal may be opened, and make it; returns what was taken.

    Raises NotAllowed (too old, or convicted already), MalformedReceipt (of another network),
    BadSignature: all before anything is sent; and ChainRejected where another was first.
    """
    for signed in report.evidence:
        await demand_binding(chain, signed)
    claims = [claim_hash(signed.receipt) for signed in report.evidence]
    if all([await chain.misconduct.convicted(claim) for claim in claims]):
        raise NotAllowed("this has been reported already: there is nothing left to win")
    start = await chain.misconduct.announce(account, report)
    if (left := start - (await chain.block()).time) > 0:
        note(f"announced; the report can be made in {left} s")
    while True:
        await asyncio.sleep(min(POLL_SECONDS, max(0.0, float(start - host.now()))))
        if host.now() < start and (await chain.block()).time < start:
            continue
        try:
            return await chain.misconduct.report(account, report)
        except ChainRejected as refused:  # a chain whose clock is behind ours
            if refused.error != "NotYetReportable":
                raise
            await asyncio.sleep(POLL_SECONDS)


async def pursue_summons(chain: Chain, account: Account, signed: SignedReceipt) -> Summons:
    """Summon the receipt's provider; where that has been done, end it once its time is over.

    Returns how the order stands then. Raises NotAllowed (too old), MalformedReceipt (of another
    network), BadSignature, InsufficientFunds: all before anything is sent; and ChainRejected, for
    example WrongJob: such a receipt is to be reported.
    """
    order = order_id(signed.receipt)
    found = await chain.misconduct.summons(order)
    if found.standing is Standing.NONE:
        await demand_binding(chain, signed)
        await _allow_bond(chain, account)
        await chain.misconduct.summon(account, signed)
    elif found.standing is Standing.SUMMONED and await _time_is_over(chain, found):
        await chain.misconduct.lapse(account, signed.receipt)
    return await chain.misconduct.summons(order)


async def _time_is_over(chain: Chain, summons: Summons) -> bool:
    """By the chain's last block or, where blocks are made for transactions only, our clock."""
    return max((await chain.block()).time, host.now()) > summons.deadline


async def _allow_bond(chain: Chain, account: Account) -> None:
    bond = (await chain.misconduct.terms()).bond
    held = await chain.token.balance_of(account.address)
    if held < bond:
        raise InsufficientFunds(
            f"a summons takes a bond of {bond / _TOKEN:g} AIVM, "
            f"{account.address} has {held / _TOKEN:g}",
            hint="Send it tokens: the bond comes home if the provider shows nothing in time.",
        )
    await chain.token.ensure_allowance(account, chain.misconduct.address, bond)
