"""What signed receipts convict by themselves, and how the contract `Misconduct` names things.

Two answers to one job contradict each other, whoever is right; and a job id is the hash of its
parts, or the receipt is false. Nothing has to be computed again for either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_hash.auto import keccak

from aivm.dispute.state import receipt_hash
from aivm.errors import MalformedReceipt, NotAllowed
from aivm.receipts.addresses import ZERO_ADDRESS
from aivm.receipts.document import SignedReceipt
from aivm.receipts.eip712 import encode_field
from aivm.receipts.jobs import NO_CHANNEL
from aivm.receipts.receipt import Receipt

_UNCLAIMED = ("tier", "time", "attestation")


class Offence(StrEnum):
    """What a report is about."""

    EQUIVOCATION = "equivocation"  # two answers to one job
    INCONSISTENT = "inconsistent"  # a job id that is not the hash of its parts


@dataclass(frozen=True, slots=True)
class Report:
    """An offence with its evidence: one receipt, or for an equivocation two, in the order of their
    hashes: whatever order they are found in, it is the same report."""

    offence: Offence
    evidence: tuple[SignedReceipt, ...]

    @property
    def digest(self) -> bytes:
        """Names the report: Keccak-256 over the hashes of its receipts."""
        return bytes(keccak(b"".join(self._hashes())))

    def seal(self, reporter: str, salt: bytes) -> bytes:
        """What is announced before the report: only `reporter` can open it (32 bytes)."""
        return bytes(keccak(encode_field("address", reporter) + b"".join(self._hashes()) + salt))

    def _hashes(self) -> list[bytes]:
        hashes = [receipt_hash(signed.receipt) for signed in self.evidence]
        return hashes if len(hashes) == 2 else [*hashes, bytes(32)]


def find_offence(receipts: Sequence[SignedReceipt]) -> Report:
    """The offence that one or two signed receipts prove.

    Raises MalformedReceipt (nobody signed, or not one or two) and NotAllowed, saying why, where
    they prove none.
    """
    if len(receipts) not in (1, 2):
        raise MalformedReceipt(f"{len(receipts)} receipts are given, not one or two")
    for signed in receipts:
        if signed.signature is None:
            raise MalformedReceipt("nobody has signed this receipt: it is a local run's")
    for signed in receipts:
        if signed.receipt.job != signed.receipt.expected_job:
            return Report(Offence.INCONSISTENT, (signed,))
    if len(receipts) == 1:
        raise NotAllowed(
            "the receipt agrees with itself: by itself it convicts nobody",
            hint="Whether its outputs are right, `aivm verify` tells.",
        )
    _demand_contradiction(receipts[0], receipts[1])
    in_order = sorted(receipts, key=lambda signed: receipt_hash(signed.receipt))
    return Report(Offence.EQUIVOCATION, tuple(in_order))


def _demand_contradiction(first: SignedReceipt, second: SignedReceipt) -> None:
    if first.domain != second.domain:
        raise NotAllowed("the receipts are for different chains or contracts")
    for field in ("provider", "job"):
        if getattr(first.receipt, field) != getattr(second.receipt, field):
            raise NotAllowed(f"the receipts are not of one {field}: they contradict nothing")
    if claim_hash(first.receipt) == claim_hash(second.receipt):
        raise NotAllowed("both receipts say the same about the job")


def claim_hash(receipt: Receipt) -> bytes:
    """What a receipt says about its job; who signs the same again claims nothing new.

    Tier, time and attestation are left out, and the client where there is no channel: one job may
    be done for many as a gift, but a channel has one client.
    """
    values: dict[str, Any] = receipt.values()
    if receipt.channel == NO_CHANNEL:
        values["client"] = ZERO_ADDRESS
    return bytes(
        keccak(
            b"".join(
                encode_field(kind, values[field])
                for field, kind in Receipt.FIELDS
                if field not in _UNCLAIMED
            )
        )
    )


def order_id(receipt: Receipt) -> bytes:
    """The order that a receipt says it fulfils: provider, client and job."""
    parties = (encode_field("address", who) for who in (receipt.provider, receipt.client))
    return bytes(keccak(b"".join(parties) + receipt.job))
