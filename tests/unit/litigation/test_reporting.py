"""Reports and summonses from beginning to end, again after an interruption, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.chain.bench import BOND, PENALTY, Bench

from aivm import host
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.misconduct import Standing
from aivm.dispute.misconduct import find_offence
from aivm.errors import (
    BadSignature,
    ChainRejected,
    InsufficientFunds,
    MalformedReceipt,
    NotAllowed,
)
from aivm.litigation.reporting import make_report, pursue_summons
from aivm.receipts import Domain, sign_receipt


@pytest.fixture
async def bench(deployed: Chain, devchain: DevChain, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The clock of this machine stands still: time passes on the chain."""
    now = host.now()
    monkeypatch.setattr(host, "now", lambda: now)
    monkeypatch.setattr("aivm.litigation.reporting.POLL_SECONDS", 0.01)
    return await Bench.prepared(deployed, devchain)


async def test_a_report_goes_on_where_the_chain_is(bench: Bench) -> None:
    first, second = bench.receipt(), bench.receipt(outputs=b"\x06" * 32)
    report = find_offence([bench.signed(first), bench.signed(second)])
    start = await bench.chain.misconduct.announce(bench.verifier, report)  # and interrupted
    await bench.devchain.advance(start - (await bench.chain.block()).time)
    notes: list[str] = []
    assert await make_report(bench.chain, bench.verifier, report, notes.append) == PENALTY
    with pytest.raises(NotAllowed, match="reported already"):
        await make_report(bench.chain, bench.verifier, report, notes.append)


async def test_a_report_waits_for_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    report = find_offence([bench.signed(bench.receipt(job=b"\x01" * 32))])
    notes: list[str] = []
    clock = host.now()
    misconduct, tried = bench.chain.misconduct, []
    make = misconduct.report

    async def counted(*arguments: object) -> int:
        tried.append(arguments)
        if len(tried) == 2:
            await bench.devchain.advance(600)
        return await make(*arguments)  # type: ignore[arg-type]

    def passing() -> int:
        nonlocal clock
        clock += 200
        return clock

    monkeypatch.setattr(misconduct, "report", counted)
    monkeypatch.setattr(host, "now", passing)  # ahead of the chain's
    assert await make_report(bench.chain, bench.verifier, report, notes.append) == PENALTY
    assert len(tried) == 2, "a chain whose clock is behind is asked again"


async def test_what_binds_nobody_is_not_reported(bench: Bench) -> None:
    wrong = bench.receipt(job=b"\x01" * 32)
    domain = bench.chain.staking.domain
    elsewhere = sign_receipt(wrong, Domain(1, domain.contract), bench.hot_key)
    forged = sign_receipt(wrong, domain, bench.client)
    old = bench.signed(replace(wrong, time=1))
    for signed, error in (
        (elsewhere, MalformedReceipt),
        (forged, BadSignature),
        (old, NotAllowed),
    ):
        with pytest.raises(error):
            await make_report(bench.chain, bench.verifier, find_offence([signed]), print)
    assert (
        await bench.chain.rpc.call("eth_getTransactionCount", bench.verifier.address, "latest")
        == "0x1"
    ), "nothing was sent but the approval of the bench"


async def test_a_summons_from_beginning_to_end(bench: Bench) -> None:
    signed = bench.signed(bench.receipt())
    summons = await pursue_summons(bench.chain, bench.verifier, signed)
    assert (summons.standing, summons.summoner) == (Standing.SUMMONED, bench.verifier.address)
    assert await pursue_summons(bench.chain, bench.verifier, signed) == summons
    await bench.devchain.advance(summons.deadline + 1 - (await bench.chain.block()).time)
    ended = await pursue_summons(bench.chain, bench.client, signed)
    assert ended.standing is Standing.CONVICTED
    assert await bench.balance(bench.verifier) == 2 * BOND + PENALTY // 2 * 4 // 5
    assert await pursue_summons(bench.chain, bench.verifier, signed) == ended


async def test_a_summons_needs_a_bond_and_a_fitting_receipt(bench: Bench) -> None:
    signed = bench.signed(bench.receipt())
    with pytest.raises(InsufficientFunds, match="bond of 100 AIVM"):
        await pursue_summons(bench.chain, bench.hot_key, signed)
    with pytest.raises(ChainRejected) as refused:
        wrong = bench.signed(bench.receipt(job=b"\x01" * 32))
        await pursue_summons(bench.chain, bench.verifier, wrong)
    assert refused.value.error == "WrongJob"
