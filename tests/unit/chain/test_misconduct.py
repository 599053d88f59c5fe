"""Reports and summonses on a chain, as their users make them; the money; what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.misconduct import MisconductTerms, Standing, Summons
from aivm.dispute.listing import Listing, listing_of
from aivm.dispute.misconduct import claim_hash, find_offence, order_id
from aivm.errors import ChainRejected, MalformedReceipt, NotAllowed, NotFound
from aivm.receipts import NO_CHANNEL, SignedReceipt, Tier

from .bench import BOND, LISTED, MODEL, PENALTY, STAKE, Bench


@pytest.fixture
async def bench(deployed: Chain, devchain: DevChain) -> Bench:
    return await Bench.prepared(deployed, devchain)


async def test_terms_are_those_of_the_dispute_game(deployed: Chain) -> None:
    terms, game = await deployed.misconduct.terms(), await deployed.dispute.terms()
    assert terms == MisconductTerms(game.window, 300, 6 * 3600, game.bond, game.penalty)


async def test_equivocation_is_reported_and_paid(bench: Bench) -> None:
    misconduct = bench.chain.misconduct
    first, second = bench.receipt(), bench.receipt(outputs=b"\x06" * 32)
    report = find_offence([bench.signed(first), bench.signed(second)])
    with pytest.raises(ChainRejected) as early:
        await misconduct.report(bench.verifier, report)
    assert early.value.error == "NotAnnounced"
    start = await misconduct.announce(bench.verifier, report)
    assert await misconduct.announce(bench.verifier, report) == start
    with pytest.raises(ChainRejected) as early:
        await misconduct.report(bench.verifier, report)
    assert early.value.error == "NotYetReportable"
    assert await bench.report(report) == PENALTY
    assert await bench.staked() == STAKE - PENALTY
    assert await bench.balance(bench.verifier) == 2 * BOND + PENALTY // 2 * 4 // 5
    assert await misconduct.convicted(claim_hash(first))
    assert await misconduct.convicted(claim_hash(second))
    with pytest.raises(ChainRejected) as again:
        await bench.report(report)
    assert again.value.error == "AlreadyConvicted"


async def test_a_wrong_job_id_is_reported(bench: Bench) -> None:
    wrong = bench.signed(bench.receipt(job=b"\x01" * 32))
    with pytest.raises(ChainRejected) as refused:
        await bench.chain.misconduct.summon(bench.verifier, wrong)
    assert refused.value.error == "WrongJob"
    assert await bench.report(find_offence([wrong])) == PENALTY


async def test_a_summons_is_answered_by_the_clients_voucher(bench: Bench) -> None:
    misconduct, receipt = bench.chain.misconduct, bench.receipt(program=b"derived".ljust(32))
    order = order_id(receipt)
    assert await misconduct.summons(order) == Summons(Standing.NONE, None, 0)
    deadline = await misconduct.summon(bench.verifier, bench.signed(receipt))
    expected = Summons(Standing.SUMMONED, bench.verifier.address, deadline)
    assert await misconduct.summons(order) == expected
    with pytest.raises(ChainRejected) as forged:
        voucher = bench.voucher(receipt, bench.provider)
        await misconduct.show_agreement(bench.provider, receipt, voucher)
    assert forged.value.error == "NotAgreed"
    other = bench.receipt(sequence=4)
    with pytest.raises(NotAllowed, match="sequence"):
        await misconduct.show_agreement(bench.provider, receipt, bench.voucher(other))
    await misconduct.show_agreement(bench.hot_key, receipt, bench.voucher(receipt))
    assert await misconduct.summons(order) == replace(expected, standing=Standing.SHOWN)
    assert await bench.balance(bench.provider) == BOND // 2
    assert await bench.balance(bench.verifier) == BOND


async def test_silence_convicts(bench: Bench) -> None:
    misconduct, receipt = bench.chain.misconduct, bench.receipt()
    await misconduct.summon(bench.verifier, bench.signed(receipt))
    with pytest.raises(ChainRejected) as early:
        await misconduct.lapse(bench.hot_key, receipt)
    assert early.value.error == "NotYetOver"
    await bench.devchain.advance((await misconduct.terms()).answer_time + 1)
    with pytest.raises(ChainRejected) as late:
        await misconduct.show_agreement(bench.provider, receipt, bench.voucher(receipt))
    assert late.value.error == "TooLate"
    await misconduct.lapse(bench.hot_key, receipt)
    assert (await misconduct.summons(order_id(receipt))).standing is Standing.CONVICTED
    assert await bench.staked() == STAKE - PENALTY
    assert await bench.balance(bench.verifier) == 2 * BOND + PENALTY // 2 * 4 // 5


async def test_a_gift_is_answered_by_the_publishers_list(bench: Bench) -> None:
    misconduct = bench.chain.misconduct
    receipt = bench.receipt(channel=NO_CHANNEL, sequence=0)
    await misconduct.summon(bench.verifier, bench.signed(receipt))
    listing = listing_of(LISTED, receipt.program)
    assert await misconduct.is_listed(MODEL, receipt.program, listing)
    assert not await misconduct.is_listed(MODEL, receipt.program, Listing(9, 4, ()))
    with pytest.raises(NotFound):
        await misconduct.is_listed(b"\x01" * 32, receipt.program, listing)
    with pytest.raises(ChainRejected) as wrong:
        await misconduct.show_listing(bench.provider, receipt, listing_of(LISTED, LISTED[1]))
    assert wrong.value.error == "NotListed"
    await misconduct.show_listing(bench.provider, receipt, listing)
    assert (await misconduct.summons(order_id(receipt))).standing is Standing.SHOWN


async def test_a_local_receipt_summons_nobody(bench: Bench) -> None:
    local = SignedReceipt(bench.chain.staking.domain, bench.receipt(tier=Tier.LOCAL), None)
    with pytest.raises(MalformedReceipt, match="signed"):
        await bench.chain.misconduct.summon(bench.verifier, local)
