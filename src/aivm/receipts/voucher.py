"""The voucher: a client's signed promise to pay, cumulative within a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aivm.receipts import eip712
from aivm.receipts.fields import SignedStruct


@dataclass(frozen=True, slots=True)
class Voucher(SignedStruct):
    """`amount` is all that the channel owes up to and including this job, in token base units
    (18 decimals), so a voucher redeems all smaller ones with it; `sequence` numbers the channel's
    jobs and is used once.

    The signing domain's contract is EscrowManager. Raises MalformedReceipt.
    """

    NAME: ClassVar[str] = "Voucher"
    FIELDS: ClassVar[eip712.Fields] = (
        ("channel", "bytes32"),
        ("sequence", "uint64"),
        ("amount", "uint128"),
        ("job", "bytes32"),
    )

    channel: bytes
    sequence: int
    amount: int
    job: bytes
