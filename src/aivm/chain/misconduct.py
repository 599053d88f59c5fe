"""Reports and summonses: what receipts alone convict, and what providers show for theirs."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eth_hash.auto import keccak

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.dispute_calls import receipt_fields
from aivm.chain.transactions import TransactionReceipt
from aivm.dispute.listing import Listing
from aivm.dispute.misconduct import Offence, Report
from aivm.errors import MalformedReceipt, NotAllowed
from aivm.receipts.addresses import ZERO_ADDRESS
from aivm.receipts.document import SignedReceipt, SignedVoucher
from aivm.receipts.receipt import Receipt


class Standing(enum.IntEnum):
    """Whether a provider has shown what stands behind an order; the last two are final."""

    NONE = 0
    SUMMONED = 1
    SHOWN = 2
    CONVICTED = 3


@dataclass(frozen=True, slots=True)
class Summons:
    """How an order stands."""

    standing: Standing
    summoner: str | None  # None: nobody has asked
    deadline: int  # unix seconds; the last second in which it may be shown


@dataclass(frozen=True, slots=True)
class MisconductTerms:
    """What the contract was deployed with: times in seconds, amounts in token base units."""

    window: int  # for how long after its time a receipt can be reported, its provider summoned
    sealed_for: int  # from an announcement to its report
    answer_time: int  # of a summoned provider
    bond: int  # what a summoner puts up
    penalty: int  # what a conviction takes from the stake


class Misconduct(Contract):
    """Anybody may report and summon, and anybody may show what a provider was asked for."""

    NAME = "Misconduct"

    async def announce(self, account: Account, report: Report) -> int:
        """Announce a report, hidden from everybody; returns from when on (Unix seconds) it can be
        made. Announcing again changes nothing, and is not sent.
        """
        seal = report.seal(account.address, _salt(account, report))
        if (since := await self._announced(seal)) == 0:
            await self._send(account, "announce", seal)
            since = await self._announced(seal)
        return since + int(await self._call("SEALED_FOR"))

    async def report(self, account: Account, report: Report) -> int:
        """Make an announced report; returns what was taken from the stake.

        Raises ChainRejected, for example NotAnnounced, NotYetReportable, AlreadyConvicted.
        """
        arguments = [
            part
            for signed in report.evidence
            for part in (receipt_fields(signed.receipt), signed.signature)
        ]
        sent = await self._send(account, report.offence.value, *arguments, _salt(account, report))
        name = "Equivocated" if report.offence is Offence.EQUIVOCATION else "Inconsistent"
        return int(self.event(sent, name).arguments["taken"])

    async def summon(self, account: Account, signed: SignedReceipt) -> int:
        """Ask the provider to show what stands behind the receipt; returns its deadline.

        Needs an allowance of the bond for this contract.
        """
        if signed.signature is None:
            raise MalformedReceipt("nobody has signed this receipt: it is a local run's")
        sent = await self._send(account, "summon", receipt_fields(signed.receipt), signed.signature)
        return int(self.event(sent, "Summoned").arguments["deadline"])

    async def show_agreement(
        self, account: Account, receipt: Receipt, signed: SignedVoucher
    ) -> TransactionReceipt:
        """Show that the client agreed to the receipt's job; by anyone, also unasked."""
        voucher = signed.voucher
        if (voucher.channel, voucher.sequence) != (receipt.channel, receipt.sequence):
            raise NotAllowed("the voucher is not the receipt's: channel or sequence differ")
        fields, signature = receipt_fields(receipt), signed.signature
        return await self._send(account, "showAgreement", fields, voucher.amount, signature)

    async def show_listing(
        self, account: Account, receipt: Receipt, listing: Listing
    ) -> TransactionReceipt:
        """Show that the publisher lists the program of a receipt without a channel; by anyone."""
        place = listing.position, listing.count, list(listing.path)
        return await self._send(account, "showListing", receipt_fields(receipt), *place)

    async def lapse(self, account: Account, receipt: Receipt) -> TransactionReceipt:
        """End a summons about the receipt's order whose deadline has passed; by anyone."""
        return await self._send(account, "lapse", receipt.provider, receipt.client, receipt.job)

    async def summons(self, order: bytes) -> Summons:
        """How an order (`order_id`) stands."""
        found = await self._call("summonses", order)
        who = found["summoner"]
        asked = None if who == ZERO_ADDRESS else who
        return Summons(Standing(found["standing"]), asked, found["deadline"])

    async def convicted(self, claim: bytes) -> bool:
        """Whether a claim (`claim_hash`) has been convicted by a report."""
        return bool(await self._call("convicted", claim))

    async def is_listed(self, model: bytes, program: bytes, listing: Listing) -> bool:
        """Whether the registry's entry of the model lists the program there."""
        place = listing.position, listing.count, list(listing.path)
        return bool(await self._look_up("isListed", model, program, *place))

    async def terms(self) -> MisconductTerms:
        """Window, times, bond and penalty."""
        names = ("WINDOW", "SEALED_FOR", "ANSWER_TIME", "BOND", "PENALTY")
        return MisconductTerms(*map(int, await self._call_many([(name, ()) for name in names])))

    async def _announced(self, seal: bytes) -> int:
        return int(await self._call("announced", seal))


def _salt(account: Account, report: Report) -> bytes:
    """Known to the account alone, and the same each time: nothing has to be kept until the report.

    Signatures here are deterministic (RFC 6979), and this one is over no message of any protocol.
    """
    purpose = keccak(b"aivm.misconduct.salt.v1" + report.digest)
    return bytes(keccak(account.sign_digest(bytes(purpose))))
