"""Summoned providers answer by themselves, once, with whatever proves the order."""

from __future__ import annotations

import logging

import pytest
from tests.unit.chain.bench import BOND, LISTED, Bench

from aivm import host
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.misconduct import Standing
from aivm.chain.summonses import Summonses
from aivm.dispute.listing import listing_of
from aivm.dispute.misconduct import order_id
from aivm.errors import ChainRejected, NotFound
from aivm.litigation.answers import RETRY_SECONDS, Answers, Proof, answer_summons
from aivm.receipts import NO_CHANNEL, Receipt


@pytest.fixture
async def bench(deployed: Chain, devchain: DevChain) -> Bench:
    return await Bench.prepared(deployed, devchain)


class Desk:
    """The provider's answers, and what they were asked to find and reported."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.asked: list[Receipt] = []
        self.said: list[str] = []
        self.lost: set[bytes] = set()  # jobs
        self.answers = Answers(
            bench.chain,
            bench.hot_key,
            Summonses(bench.chain, provider=bench.provider.address),
            self._find,
            report=self.said.append,
        )

    async def _find(self, receipt: Receipt) -> Proof:
        self.asked.append(receipt)
        if receipt.job in self.lost:
            raise NotFound("the journal has no voucher")
        if receipt.channel == NO_CHANNEL:
            return listing_of(LISTED, receipt.program)
        return self.bench.voucher(receipt)

    async def standing(self, receipt: Receipt) -> Standing:
        return (await self.bench.chain.misconduct.summons(order_id(receipt))).standing


async def test_each_summons_is_answered_once(bench: Bench) -> None:
    desk, misconduct = Desk(bench), bench.chain.misconduct
    await desk.answers.look()
    ordered, gift = bench.receipt(), bench.receipt(channel=NO_CHANNEL, sequence=0)
    for receipt in (ordered, gift):
        await misconduct.summon(bench.verifier, bench.signed(receipt))
    await desk.answers.look()
    await desk.answers.look()
    assert desk.asked == [ordered, gift]
    assert len(desk.said) == 2 and all("is answered" in sentence for sentence in desk.said)
    for receipt in (ordered, gift):
        assert await desk.standing(receipt) is Standing.SHOWN
    assert await bench.balance(bench.provider) == BOND


async def test_what_cannot_be_answered_is_said_and_holds_up_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, misconduct = Desk(bench), bench.chain.misconduct
    lost, found = bench.receipt(), bench.receipt(sequence=4)
    desk.lost.add(lost.job)
    for receipt in (lost, found):
        await misconduct.summon(bench.verifier, bench.signed(receipt))
    with caplog.at_level(logging.ERROR):
        await desk.answers.look()
    assert "convicts: the journal has no voucher" in caplog.text
    assert await desk.standing(lost) is Standing.SUMMONED
    assert await desk.standing(found) is Standing.SHOWN
    await desk.answers.look()
    assert desk.asked == [lost, found], "not at every look"
    desk.lost.clear()
    later = host.monotonic() + RETRY_SECONDS
    monkeypatch.setattr(host, "monotonic", lambda: later)
    await desk.answers.look()
    assert await desk.standing(lost) is Standing.SHOWN


async def test_somebody_else_may_have_answered(bench: Bench) -> None:
    receipt = bench.receipt()
    await bench.chain.misconduct.summon(bench.verifier, bench.signed(receipt))
    for _ in range(2):
        await answer_summons(bench.chain, bench.client, receipt, bench.voucher(receipt))
    forged = bench.voucher(bench.receipt(sequence=4), bench.provider)
    with pytest.raises(ChainRejected) as refused:
        await answer_summons(bench.chain, bench.client, bench.receipt(sequence=4), forged)
    assert refused.value.error == "NotAgreed"


async def test_a_late_answer_is_not_repeated_as_news(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    desk, misconduct = Desk(bench), bench.chain.misconduct
    await misconduct.summon(bench.verifier, bench.signed(bench.receipt()))
    await bench.devchain.advance((await misconduct.terms()).answer_time + 1)
    with caplog.at_level(logging.INFO):
        await desk.answers.look()
    assert desk.said == [] and "refused" not in caplog.text
