"""Only a genuine voucher that names this job and pays for it lets a job run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.provider.conftest import NO_INPUTS

from aivm import host
from aivm.chain.escrow import ChannelStatus
from aivm.errors import ChainUnreachable, PaymentRefused
from aivm.provider.admission import Channels, Terms
from aivm.provider.journal import JobState, Journal
from aivm.receipts import Domain

JOB = b"j" * 32
OTHER_JOB = b"k" * 32


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


async def admit(world: Any, journal: Journal, signed: Any, **changes: Any) -> Any:
    fields = {"job": JOB, "model": world.package.model_id, "price": world.price, **changes}
    accepted, _ = await world.admission(journal).admit(signed, **fields)
    return accepted


async def test_a_good_voucher_is_written_down_before_the_job_runs(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    accepted = await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    assert journal.find(JOB) == accepted
    assert accepted.state is JobState.ACCEPTED
    assert journal.account(channel).owed == world.price


@pytest.mark.parametrize("deposit", [0, 999])
async def test_a_voucher_over_the_deposit_is_refused(
    world: Any, journal: Journal, deposit: int
) -> None:
    channel = world.open(deposit=deposit)
    with pytest.raises(PaymentRefused, match="more than the channel's deposit"):
        await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    assert journal.counts() == {}


async def test_a_forged_voucher_is_refused(world: Any, journal: Journal) -> None:
    channel = world.open()
    with pytest.raises(PaymentRefused, match="forged"):
        forged = world.voucher(channel, 1, world.price, JOB, signer=world.stranger)
        await admit(world, journal, forged)
    assert journal.counts() == {}


async def test_a_voucher_with_an_invalid_signature_is_refused(world: Any, journal: Journal) -> None:
    channel = world.open()
    good = world.voucher(channel, 1, world.price, JOB)
    for signature in (bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b", good.signature[:64] + b"\x00"):
        bad = type(good)(good.domain, good.voucher, signature)
        with pytest.raises(PaymentRefused, match="forged"):
            await admit(world, journal, bad)
    assert journal.counts() == {}


async def test_a_voucher_whose_amount_was_raised_after_signing_is_refused(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    cheap = world.voucher(channel, 1, 1, JOB)
    dear = world.voucher(channel, 1, world.price, JOB)
    with pytest.raises(PaymentRefused, match="forged"):
        await admit(world, journal, type(cheap)(cheap.domain, dear.voucher, cheap.signature))


@pytest.mark.parametrize("domain", [Domain(1, "0x" + "e5" * 20), Domain(31337, "0x" + "e6" * 20)])
async def test_a_voucher_for_another_chain_or_contract_is_refused(
    world: Any, journal: Journal, domain: Domain
) -> None:
    channel = world.open()
    with pytest.raises(PaymentRefused, match="another chain or escrow"):
        voucher = world.voucher(channel, 1, world.price, JOB, domain=domain)
        await admit(world, journal, voucher)


async def test_a_voucher_for_another_job_is_refused(world: Any, journal: Journal) -> None:
    channel = world.open()
    with pytest.raises(PaymentRefused, match="another job"):
        await admit(world, journal, world.voucher(channel, 1, world.price, OTHER_JOB))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"provider": "0x" + "99" * 20}, "another provider"),
        ({"model": b"m" * 32}, "another model"),
        ({"status": ChannelStatus.CLOSING}, "not open"),
        ({"status": ChannelStatus.CLOSED}, "not open"),
        ({"expiry": 1}, "expires too soon"),
    ],
)
async def test_a_channel_that_cannot_pay_is_refused(
    world: Any, journal: Journal, changes: dict[str, Any], reason: str
) -> None:
    channel = world.open(**changes)
    with pytest.raises(PaymentRefused, match=reason):
        await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    assert journal.counts() == {}


async def test_a_channel_must_outlive_the_margin(world: Any, journal: Journal) -> None:
    margin = Terms().expiry_margin_seconds
    late = world.open(expiry=host.now() + margin - 5)
    with pytest.raises(PaymentRefused, match="too soon"):
        await admit(world, journal, world.voucher(late, 1, world.price, JOB))
    enough = world.open(expiry=host.now() + margin + 60)
    await admit(world, journal, world.voucher(enough, 1, world.price, JOB))


async def test_a_channel_that_was_never_opened_is_refused(world: Any, journal: Journal) -> None:
    with pytest.raises(PaymentRefused, match="never opened"):
        await admit(world, journal, world.voucher(b"n" * 32, 1, world.price, JOB))


@pytest.mark.parametrize("amount", [0, 1, 999])
async def test_too_little_is_refused_with_the_amount_that_is_needed(
    world: Any, journal: Journal, amount: int
) -> None:
    channel = world.open()
    with pytest.raises(PaymentRefused, match=f"at least 1000 base units, it promises {amount}"):
        await admit(world, journal, world.voucher(channel, 1, amount, JOB))


async def test_amounts_are_cumulative(world: Any, journal: Journal) -> None:
    channel = world.open()
    await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    with pytest.raises(PaymentRefused, match="at least 2000"):
        second = world.voucher(channel, 2, world.price, OTHER_JOB)
        await admit(world, journal, second, job=OTHER_JOB)
    second = world.voucher(channel, 2, 2 * world.price, OTHER_JOB)
    await admit(world, journal, second, job=OTHER_JOB)


async def test_a_sequence_pays_for_one_job_only(world: Any, journal: Journal) -> None:
    channel = world.open()
    await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    replayed = world.voucher(channel, 1, 2 * world.price, OTHER_JOB)
    with pytest.raises(PaymentRefused, match="already used"):
        await admit(world, journal, replayed, job=OTHER_JOB)
    assert journal.account(channel).owed == world.price


@pytest.mark.parametrize("sequence", [2**63, 2**64 - 1])
async def test_a_sequence_that_cannot_be_kept_is_refused(
    world: Any, journal: Journal, sequence: int
) -> None:
    channel = world.open()
    with pytest.raises(PaymentRefused):
        await admit(world, journal, world.voucher(channel, sequence, world.price, JOB))
    assert journal.counts() == {}


async def test_the_same_job_again_is_found_and_owed_once(world: Any, journal: Journal) -> None:
    channel = world.open()
    signed = world.voucher(channel, 1, world.price, JOB)
    first = await admit(world, journal, signed)
    assert await admit(world, journal, signed) == first
    journal.finish(first, "receipt", b"body", NO_INPUTS)
    again = await admit(world, journal, signed)
    assert (again.state, again.body) == (JobState.DONE, b"body")
    assert journal.account(channel).owed == world.price


async def test_the_answer_of_an_accepted_job_survives_the_closing_of_its_channel(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    signed = world.voucher(channel, 1, world.price, JOB)
    journal.finish(await admit(world, journal, signed), "receipt", b"body", NO_INPUTS)
    world.change(channel, status=ChannelStatus.CLOSED, expiry=0, deposit=world.price)
    assert (await admit(world, journal, signed)).body == b"body"


async def test_nobody_but_the_client_gets_the_stored_answer(world: Any, journal: Journal) -> None:
    channel = world.open()
    signed = world.voucher(channel, 1, world.price, JOB)
    journal.finish(await admit(world, journal, signed), "receipt", b"body", NO_INPUTS)
    with pytest.raises(PaymentRefused, match="forged"):
        thief = world.voucher(channel, 1, world.price, JOB, signer=world.stranger)
        await admit(world, journal, thief)


async def test_a_failed_job_is_not_run_again_and_its_price_pays_for_the_next(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    signed = world.voucher(channel, 1, world.price, JOB)
    journal.fail(await admit(world, journal, signed))
    with pytest.raises(PaymentRefused, match="failed before and was not charged"):
        await admit(world, journal, signed)
    # The first voucher already promises enough, so the second may promise nothing more.
    second = world.voucher(channel, 2, 0, OTHER_JOB)
    await admit(world, journal, second, job=OTHER_JOB)
    assert journal.account(channel).owed == world.price


async def test_jobs_may_arrive_out_of_order(world: Any, journal: Journal) -> None:
    channel = world.open()
    jobs = {sequence: bytes([sequence]) * 32 for sequence in range(1, 6)}
    for sequence in (3, 1, 5, 2, 4):
        signed = world.voucher(channel, sequence, sequence * world.price, jobs[sequence])
        accepted = await admit(world, journal, signed, job=jobs[sequence])
        journal.finish(accepted, "r", b"", NO_INPUTS)
    assert journal.account(channel).owed == 5 * world.price
    best = journal.redeemable(channel)
    assert best is not None and (best.amount, best.sequence) == (5 * world.price, 5)


async def test_concurrent_requests_cannot_spend_the_same_promise(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    admission = world.admission(journal)

    async def one(sequence: int) -> bool:
        job = bytes([sequence]) * 32
        signed = world.voucher(channel, sequence, 2 * world.price, job)
        try:
            await admission.admit(signed, job=job, model=world.package.model_id, price=world.price)
        except PaymentRefused:
            return False
        return True

    admitted = await asyncio.gather(*(one(sequence) for sequence in range(1, 9)))
    assert sum(admitted) == 2


async def test_a_generous_voucher_stays_good_after_a_smaller_one_was_redeemed(
    world: Any, journal: Journal
) -> None:
    channel = world.open()
    generous = world.voucher(channel, 1, 50 * world.price, JOB)
    journal.finish(await admit(world, journal, generous), "r", b"", NO_INPUTS)
    modest = world.voucher(channel, 2, 2 * world.price, OTHER_JOB)
    journal.finish(await admit(world, journal, modest, job=OTHER_JOB), "r", b"", NO_INPUTS)
    journal.record_redemption(channel, 2 * world.price)
    third = b"t" * 32
    finished = await admit(world, journal, world.voucher(channel, 3, 0, third), job=third)
    journal.finish(finished, "r", b"", NO_INPUTS)
    best = journal.redeemable(channel)
    assert best is not None and best.amount == 50 * world.price


async def test_the_chain_is_asked_again_when_its_word_is_old_or_the_deposit_too_small(
    world: Any,
) -> None:
    channel = world.open()
    channels = Channels(world.get_channel, refresh_seconds=3600)
    await channels.get(channel)
    await channels.get(channel, at_least=100 * world.price)
    assert world.reads == 1
    world.change(channel, deposit=200 * world.price)
    found = await channels.get(channel, at_least=150 * world.price)
    assert (found.deposit, world.reads) == (200 * world.price, 2)
    impatient = Channels(world.get_channel, refresh_seconds=0)
    await impatient.get(channel)
    world.change(channel, status=ChannelStatus.CLOSING)
    assert (await impatient.get(channel)).status is ChannelStatus.CLOSING


async def test_a_chain_that_is_away_refuses_and_takes_nothing(world: Any, journal: Journal) -> None:
    async def away(_: bytes) -> Any:
        raise ChainUnreachable("no answer")

    channel = world.open()
    world.get_channel = away
    with pytest.raises(ChainUnreachable):
        await admit(world, journal, world.voucher(channel, 1, world.price, JOB))
    assert journal.counts() == {}
