"""When vouchers become money, and what a round of settlement does to the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.provider.conftest import NO_INPUTS

from aivm import host
from aivm.chain.escrow import ChannelStatus, Redemption
from aivm.errors import ChainUnreachable
from aivm.provider.journal import Job, JobState, Journal
from aivm.provider.settlement import Settlement, SettlementPolicy

POLICY = SettlementPolicy(redeem_above=10_000, redeem_before_expiry_seconds=3600, batch=2)


class FakeEscrow:
    """The contract's rules for redeeming, and a note of what was asked."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.batches: list[int] = []
        self.paid_out: list[int] = []

    async def get_channel(self, channel: bytes) -> Any:
        return await self.world.get_channel(channel)

    async def redeem_many(self, _account: Any, redemptions: list[Redemption]) -> None:
        self.batches.append(len(redemptions))
        for entry in redemptions:
            found = self.world.channels[entry.channel]
            assert found.redeemed < entry.amount <= found.deposit
            self.world.change(entry.channel, redeemed=entry.amount)

    async def get_till(self, till: int) -> Any:
        redeemed = sum(channel.redeemed for channel in self.world.channels.values())
        return SimpleNamespace(redeemed=redeemed, paid_out=0, number=till)

    async def pay_out(self, _account: Any, till: int) -> None:
        self.paid_out.append(till)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def escrow(world: Any) -> FakeEscrow:
    return FakeEscrow(world)


@pytest.fixture
def settlement(escrow: FakeEscrow, journal: Journal) -> Settlement:
    chain: Any = SimpleNamespace(escrow=escrow)
    operator: Any = None
    return Settlement(chain=chain, operator=operator, journal=journal, policy=POLICY)


def earn(journal: Journal, channel: bytes, price: int, *, sequence: int = 1) -> None:
    account = journal.account(channel)
    job = Job(
        job=host.random_bytes(32),
        channel=channel,
        sequence=sequence,
        amount=account.owed + price,
        price=price,
        voucher_signature=b"s" * 65,
        state=JobState.ACCEPTED,
    )
    journal.accept(job)
    journal.finish(job, "r", b"", NO_INPUTS)


async def test_little_money_waits_until_there_is_a_reason(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    channel = world.open()
    earn(journal, channel, 1000)
    assert await settlement.settle() == 0
    assert escrow.batches == []
    assert await settlement.settle(everything=True) == 1000
    assert await settlement.settle(everything=True) == 0
    assert (escrow.batches, escrow.paid_out) == ([1], [1])


@pytest.mark.parametrize(
    ("changes", "earned"),
    [
        ({"status": ChannelStatus.CLOSING}, 1),
        ({"expiry": 1}, 1),
        ({}, 10_000),
    ],
)
async def test_it_is_due_when_the_channel_ends_or_enough_has_gathered(
    world: Any, journal: Journal, settlement: Settlement, changes: dict[str, Any], earned: int
) -> None:
    channel = world.open(**changes)
    earn(journal, channel, earned)
    assert await settlement.settle() == earned


async def test_batches_are_bounded_and_tills_paid_out(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    for till in (1, 1, 2, 2, 3):
        earn(journal, world.open(till=till), 1000)
    assert await settlement.settle(everything=True) == 5000
    assert escrow.batches == [2, 2, 1]
    assert set(escrow.paid_out) == {1, 2, 3}


async def test_a_closed_channel_is_not_asked_about_again(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    channel = world.open(status=ChannelStatus.CLOSED)
    earn(journal, channel, 1000)
    assert await settlement.settle(everything=True) == 0
    reads = world.reads
    assert await settlement.settle(everything=True) == 0
    assert (world.reads, escrow.batches) == (reads, [])


async def test_what_a_stranger_redeemed_is_not_redeemed_again(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    channel = world.open()
    earn(journal, channel, 1000)
    world.change(channel, redeemed=1000)
    assert await settlement.settle(everything=True) == 0
    assert escrow.batches == []
    earn(journal, channel, 500, sequence=2)
    assert await settlement.settle(everything=True) == 500


async def test_a_client_that_redeemed_a_little_itself_leaves_the_rest_to_be_redeemed(
    world: Any, journal: Journal, settlement: Settlement
) -> None:
    channel = world.open()
    earn(journal, channel, 1000)
    world.change(channel, redeemed=1)
    assert await settlement.settle(everything=True) == 999
    assert journal.account(channel).redeemed == 1000


async def test_a_redemption_that_the_chain_skipped_stays_owed(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    channel = world.open()
    earn(journal, channel, 1000)

    async def skip(*_: Any) -> None:
        return None

    real = escrow.redeem_many
    escrow.redeem_many = skip  # type: ignore[method-assign]
    assert await settlement.settle(everything=True) == 0
    escrow.redeem_many = real  # type: ignore[method-assign]
    assert await settlement.settle(everything=True) == 1000


async def test_a_chain_that_is_away_loses_nothing(
    world: Any, journal: Journal, settlement: Settlement, escrow: FakeEscrow
) -> None:
    channel = world.open()
    earn(journal, channel, 1000)

    async def away(*_: Any) -> None:
        raise ChainUnreachable("no answer")

    real = escrow.redeem_many
    escrow.redeem_many = away  # type: ignore[method-assign]
    with pytest.raises(ChainUnreachable):
        await settlement.settle(everything=True)
    escrow.redeem_many = real  # type: ignore[method-assign]
    assert await settlement.settle(everything=True) == 1000
    assert journal.account(channel).redeemed == 1000
