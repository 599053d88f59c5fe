"""Following summonses: what is pending, for whom, how it ends, and reorganisations."""

from __future__ import annotations

import pytest

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.dispute_calls import receipt_fields
from aivm.chain.summonses import Summoned, Summonses
from aivm.dispute.misconduct import order_id
from aivm.receipts import Receipt

from .bench import Bench


@pytest.fixture
async def bench(deployed: Chain, devchain: DevChain) -> Bench:
    return await Bench.prepared(deployed, devchain)


async def pending(summonses: Summonses) -> list[Receipt]:
    await summonses.poll()
    return [summons.receipt for summons in summonses.pending]


async def test_what_is_pending_and_how_it_ends(bench: Bench) -> None:
    misconduct, hour = bench.chain.misconduct, 3600
    own = Summonses(bench.chain, provider=bench.provider.address)
    others = Summonses(bench.chain, provider=bench.client.address)
    every = Summonses(bench.chain)
    first, second = bench.receipt(), bench.receipt(sequence=4)
    await misconduct.summon(bench.verifier, bench.signed(first))
    await bench.devchain.advance(hour)
    deadline = await misconduct.summon(bench.verifier, bench.signed(second))
    assert await pending(own) == await pending(every) == [first, second]
    assert await pending(others) == []
    expected = Summoned(order_id(second), second, bench.verifier.address, deadline)
    assert own.pending[1] == expected
    await misconduct.show_agreement(bench.hot_key, second, bench.voucher(second))
    assert await pending(own) == await pending(every) == [first]
    await bench.devchain.advance((await misconduct.terms()).answer_time)
    await misconduct.lapse(bench.client, first)
    assert await pending(own) == []


async def test_a_reorganisation_takes_back_and_brings_again(bench: Bench) -> None:
    misconduct, receipt = bench.chain.misconduct, bench.receipt()
    own = Summonses(bench.chain, provider=bench.provider.address)
    before = await bench.devchain.snapshot()
    await misconduct.summon(bench.verifier, bench.signed(receipt))
    summoned = await bench.devchain.snapshot()
    await misconduct.show_agreement(bench.hot_key, receipt, bench.voucher(receipt))
    assert await pending(own) == []
    await bench.devchain.revert(summoned)
    assert await pending(own) == [receipt], "the answer is gone: it has to be given again"
    await bench.devchain.revert(before)
    assert await pending(own) == []


async def test_a_receipt_that_is_none_hides_no_other(bench: Bench) -> None:
    fine, odd = bench.receipt(), bench.receipt(sequence=4)
    fields = receipt_fields(odd) | {"tier": 77}
    await bench.chain.misconduct.summon(bench.verifier, bench.signed(fine))
    digest = await bench.chain.staking._call("receiptDigest", fields)
    signature = bench.hot_key.sign_digest(digest)
    await bench.chain.misconduct._send(bench.verifier, "summon", fields, signature)
    assert await pending(Summonses(bench.chain)) == [fine]
