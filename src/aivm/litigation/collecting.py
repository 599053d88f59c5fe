"""Fetching what disputes have brought: credits of the winner, the client's part of a conviction."""

from __future__ import annotations

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.dispute.state import receipt_hash
from aivm.errors import NotAllowed
from aivm.receipts import Receipt


async def withdraw_credit(chain: Chain, account: Account) -> int:
    """Pay out all that the dispute game holds for an account; returns base units. Nothing is sent
    where there is nothing. Bonds of open games are not in it."""
    credit = await chain.dispute.credit(account.address)
    if credit > 0:
        await chain.dispute.withdraw(account, credit)
    return credit


async def compensate_client(chain: Chain, account: Account, receipt: Receipt) -> int:
    """Pay the client of a convicted receipt its part, unless that was done; returns base units.
    `account` pays the gas, whoever it is."""
    share = (await chain.dispute.verdict(receipt_hash(receipt))).share
    if share > 0:
        await chain.dispute.compensate(account, receipt)
    return share


async def demand_convicted(chain: Chain, receipt: Receipt) -> None:
    """Raise NotAllowed unless a dispute convicted the receipt, so that its client has a part."""
    if not await chain.dispute.convicted(receipt_hash(receipt)):
        raise NotAllowed(
            "no dispute has convicted this receipt: there is no part for its client",
            hint="`aivm dispute collect` without a receipt fetches what is yours.",
        )
