"""Admission and journal together, against a model of the escrow contract, in any order of events.

Whatever clients promise and however jobs end, the provider can redeem what it has earned, nobody
pays twice for a sequence, and a crash changes nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.provider.conftest import NO_INPUTS

from aivm import host
from aivm.chain.account import Account
from aivm.chain.escrow import Channel, ChannelStatus
from aivm.errors import PaymentRefused
from aivm.provider.admission import Admission, Channels, Terms
from aivm.provider.journal import Job, Journal
from aivm.receipts import Domain, Voucher, sign_voucher

CLIENT = Account(b"\x03" * 32)
OWNER = Account(b"\x01" * 32).address
ESCROW = Domain(31337, "0x" + "e5" * 20)
MODEL = b"m" * 32
DEPOSIT = 40
CHANNELS = (b"a" * 32,)  # more would only dilute the search


@dataclass
class Escrow:
    """The contract's rules for one channel."""

    redeemed: int = 0

    def redeem(self, voucher: Job) -> None:
        assert min(voucher.amount, DEPOSIT) > self.redeemed, "NothingToRedeem"
        self.redeemed = min(voucher.amount, DEPOSIT)


@dataclass
class Book:
    """What must be true of one channel."""

    running: dict[bytes, Job] = field(default_factory=dict)
    done: dict[bytes, Job] = field(default_factory=dict)
    failed: dict[bytes, Job] = field(default_factory=dict)

    def sequences(self) -> list[int]:
        return [job.sequence for jobs in vars(self).values() for job in jobs.values()]


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


class Accounting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="aivm-journal-")
        self.escrow = {channel: Escrow() for channel in CHANNELS}
        self.books = {channel: Book() for channel in CHANNELS}

    @initialize()
    def open(self) -> None:
        self.journal = Journal(Path(self.folder.name) / "journal.db")

    def teardown(self) -> None:
        """Every job ends; then what was earned can be had, voucher by voucher."""
        for channel, book in self.books.items():
            for job in book.running.values():
                self.journal.finish(job, "r", b"", NO_INPUTS)
                book.done[job.job] = job
            book.running.clear()
            while self.settle(channel):
                pass
            earned = sum(job.price for job in book.done.values())
            assert self.escrow[channel].redeemed >= earned
        self.journal.close()
        self.folder.cleanup()

    async def describe(self, channel: bytes) -> Channel:
        return Channel(
            id=channel,
            client=CLIENT.address,
            provider=OWNER,
            model=MODEL,
            deposit=DEPOSIT,
            redeemed=self.escrow[channel].redeemed,
            expiry=host.now() + 86_400,
            refundable_at=host.now() + 90_000,
            royalty_bps=0,
            fee_bps=0,
            till=1,
            status=ChannelStatus.OPEN,
        )

    @rule(
        channel=st.sampled_from(CHANNELS),
        sequence=st.integers(0, 5),
        amount=st.sampled_from([0, 4, 5, 10, 15, DEPOSIT, DEPOSIT + 1]),
        price=st.sampled_from([1, 5]),
        variant=st.integers(0, 1),
    )
    def admit(self, channel: bytes, sequence: int, amount: int, price: int, variant: int) -> None:
        book = self.books[channel]
        job = bytes([sequence, variant]) + channel[2:]
        admission = Admission(
            provider=OWNER,
            domain=ESCROW,
            terms=Terms(),
            channels=Channels(self.describe, 0),
            journal=self.journal,
        )
        signed = sign_voucher(Voucher(channel, sequence, amount, job), ESCROW, CLIENT)
        try:
            work = admission.admit(signed, job=job, model=MODEL, price=price)
            accepted, _ = finished(work)
        except PaymentRefused:
            assert job not in book.running and job not in book.done
            return
        if job in book.running or job in book.done:
            return  # asked for again: nothing new
        assert sequence not in book.sequences()
        assert amount <= DEPOSIT
        book.running[job] = accepted

    @precondition(lambda self: any(book.running for book in self.books.values()))
    @rule(data=st.data(), good=st.booleans())
    def end(self, data: st.DataObject, good: bool) -> None:
        running = [job for book in self.books.values() for job in book.running.values()]
        job = data.draw(st.sampled_from(running))
        book = self.books[job.channel]
        del book.running[job.job]
        if good:
            self.journal.finish(job, "r", b"", NO_INPUTS)
            book.done[job.job] = job
        else:
            self.journal.fail(job)
            book.failed[job.job] = job

    @rule(channel=st.sampled_from(CHANNELS))
    def redeem(self, channel: bytes) -> None:
        self.settle(channel)

    def settle(self, channel: bytes) -> bool:
        """One redemption, after a look at the chain; whether there was one to make."""
        self.journal.record_redemption(channel, self.escrow[channel].redeemed)
        voucher = self.journal.redeemable(channel)
        if voucher is None:
            return False
        account = self.journal.account(channel)
        assert voucher.amount >= account.earned > account.redeemed
        self.escrow[channel].redeem(voucher)
        self.journal.record_redemption(channel, self.escrow[channel].redeemed)
        return True

    @rule(channel=st.sampled_from(CHANNELS), amount=st.integers(1, DEPOSIT))
    def redeem_as_the_client(self, channel: bytes, amount: int) -> None:
        """The client signs what it likes and redeems it, unseen by the provider."""
        self.escrow[channel].redeemed = max(self.escrow[channel].redeemed, amount)

    @rule()
    def crash(self) -> None:
        self.journal.close()
        self.journal = Journal(Path(self.folder.name) / "journal.db")

    @invariant()
    def the_accounts_are_true(self) -> None:
        for channel, book in self.books.items():
            account = self.journal.account(channel)
            assert len(book.sequences()) == len(set(book.sequences()))
            assert account.earned == sum(job.price for job in book.done.values())
            running = sum(job.price for job in book.running.values())
            assert account.owed == account.earned + running
            assert account.owed <= account.covered <= DEPOSIT
            assert account.redeemed <= self.escrow[channel].redeemed


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(max_examples=50, stateful_step_count=30)
