"""The client's ledger: no sequence twice, no promise over the deposit, nothing lost in a crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aivm.errors import InternalError, PaymentRefused
from aivm.market.ledger import Ledger, OpenChannel

CHANNEL = b"c" * 32
ESCROW = (31337, "0x" + "e5" * 20)


def a_channel(channel: bytes = CHANNEL, *, deposit: int = 100, expiry: int = 10**10) -> OpenChannel:
    return OpenChannel(
        channel=channel,
        chain_id=ESCROW[0],
        escrow=ESCROW[1],
        client="0xc",
        provider="0xp",
        model=b"m" * 32,
        deposit=deposit,
        expiry=expiry,
    )


def test_channels_are_found_for_exactly_their_network_client_provider_and_model(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.add(a_channel())
    asked = {"escrow": ESCROW, "client": "0xc", "provider": "0xp", "model": b"m" * 32}
    assert ledger.usable(**asked) == [a_channel()]
    for other in (
        {"escrow": (1, ESCROW[1])},
        {"escrow": (31337, "0xother")},
        {"client": "0xd"},
        {"provider": "0xq"},
        {"model": b"n" * 32},
    ):
        assert ledger.usable(**{**asked, **other}) == []
    ledger.mark_closing(CHANNEL)
    assert ledger.usable(**asked) == []
    assert len(ledger.all(escrow=ESCROW, client="0xc")) == 1
    ledger.mark_closed(CHANNEL)
    assert ledger.all(escrow=ESCROW, client="0xc") == []
    ledger.close()


def test_amounts_over_64_bits_are_exact(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.add(a_channel(deposit=2**100))
    promise = ledger.promise(CHANNEL, b"w", 2**99 + 1)
    assert (promise.sequence, promise.amount) == (1, 2**99 + 1)
    assert ledger.get(CHANNEL).left == 2**99 - 1
    ledger.close()


def test_an_unknown_channel_is_a_defect_and_leaves_the_ledger_usable(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(InternalError):
        ledger.promise(b"?" * 32, b"w", 1)
    ledger.release(b"?" * 32, b"w")
    ledger.add(a_channel())
    assert ledger.promise(CHANNEL, b"w", 1).sequence == 1
    ledger.close()


def test_two_processes_of_one_client_never_share_a_sequence(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    first.add(a_channel())
    promises = [
        (first if number % 2 else second).promise(CHANNEL, bytes([number]), 1)
        for number in range(20)
    ]
    assert [(each.sequence, each.amount) for each in promises] == [(n, n) for n in range(1, 21)]
    first.close()
    second.close()


class Promises(RuleBasedStateMachine):
    """keep, release and crash in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="aivm-ledger-")
        self.path = Path(self.folder.name) / "ledger.db"
        self.ledger = Ledger(self.path)
        self.ledger.add(a_channel())
        self.open: dict[bytes, tuple[int]] = {}
        self.kept = 0
        self.sequences: list[int] = []

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    works = st.sampled_from([b"a", b"b", b"c"])

    @rule(work=works, price=st.integers(0, 60))
    def promise(self, work: bytes, price: int) -> None:
        owed = self.kept + sum(price for _, price in self.open.values())
        if work in self.open:
            assert self.ledger.promise(CHANNEL, work, price) == self.open[work][0]
        elif owed + price > 100:
            with pytest.raises(PaymentRefused):
                self.ledger.promise(CHANNEL, work, price)
        else:
            promise = self.ledger.promise(CHANNEL, work, price)
            assert promise.amount == owed + price
            assert promise.sequence > max(self.sequences, default=0)
            self.sequences.append(promise.sequence)
            self.open[work] = (promise, price)

    @rule(work=works)
    def keep(self, work: bytes) -> None:
        self.ledger.keep(CHANNEL, work)
        self.kept += self.open.pop(work, (None, 0))[1]

    @rule(work=works)
    def release(self, work: bytes) -> None:
        self.ledger.release(CHANNEL, work)
        self.open.pop(work, None)

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.path)

    @invariant()
    def the_sum_is_right(self) -> None:
        channel = self.ledger.get(CHANNEL)
        assert channel.owed == self.kept + sum(price for _, price in self.open.values())
        assert 0 <= channel.owed <= channel.deposit
        for work in (b"a", b"b", b"c"):
            assert self.ledger.is_promised(CHANNEL, work) == (work in self.open)


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=40, stateful_step_count=20)
