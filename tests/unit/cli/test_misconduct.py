"""`aivm dispute report | summon` on a chain: from files to money, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.chain.bench import BOND, PENALTY, Bench

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.dispute.misconduct import order_id
from aivm.receipts import Domain, SignedReceipt, local_receipt, sign_receipt
from aivm.receipts.addresses import ZERO_ADDRESS

from .conftest import Aivm, Done


@pytest.fixture
async def bench(
    deployed: Chain,
    devchain: DevChain,
    key: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    """The command's account has some coins for gas, and one bond."""
    deployed.address_book.write(tmp_path / "book.json")
    monkeypatch.setenv("AIVM_RPC_URL", devchain.url)
    monkeypatch.setenv("AIVM_ADDRESS_BOOK", str(tmp_path / "book.json"))
    monkeypatch.setattr("aivm.litigation.reporting.POLL_SECONDS", 0.05)
    await devchain.fund(key.address)
    await deployed.token.transfer(devchain.accounts[0], key.address, BOND)
    return await Bench.prepared(deployed, devchain)


async def cli(aivm: Aivm, *arguments: object) -> Done:
    """The command in a thread of its own, with its own event loop."""
    return await asyncio.to_thread(aivm, "dispute", *arguments)


def written(bench: Bench, name: str, **changes: Any) -> Path:
    path = Path(name)
    path.write_bytes(bench.signed(bench.receipt(**changes)).to_json())
    return path


async def test_two_answers_are_reported(bench: Bench, aivm: Aivm, key: Account) -> None:
    await bench.devchain.advance(3600)  # the chain's clock counts, not this machine's
    files = [written(bench, "a.json"), written(bench, "b.json", outputs=b"\x06" * 32)]
    reporting = asyncio.create_task(cli(aivm, "report", *files, "--json"))
    for _ in range(1000):  # until it is announced
        if await bench.chain.rpc.call("eth_getTransactionCount", key.address, "latest") != "0x0":
            break
        await asyncio.sleep(0.02)
    await bench.devchain.advance(300)
    done = await reporting
    assert done.status == 0, done
    assert "announced; the report can be made in 300 s" in done.err
    receipt = bench.receipt()
    assert done.document == {
        "ok": True,
        "offence": "equivocation",
        "provider": receipt.provider,
        "job": "0x" + receipt.job.hex(),
        "taken": str(PENALTY),
        "award": str(PENALTY // 2 * 4 // 5),
    }
    again = await cli(aivm, "report", *files)
    assert again.status == 4 and "reported already" in again.err


async def test_what_proves_nothing_is_refused(bench: Bench, aivm: Aivm) -> None:
    fine = written(bench, "a.json")
    for files, status, why in (
        ([fine], 4, "agrees with itself"),
        ([fine, fine], 4, "say the same"),
        ([fine, written(bench, "b.json", sequence=9)], 4, "not of one job"),
        ([fine, fine, fine], 2, "not one or two"),
        (["none.json"], 4, "no file none.json"),
    ):
        done = await cli(aivm, "report", *files)
        assert done.status == status and why in done.err, done


async def test_receipts_that_are_no_claim_on_this_network_are_refused_before_anything_is_fetched(
    bench: Bench, aivm: Aivm
) -> None:
    local = Path("local.json")
    root = bytes(32)
    run = local_receipt(model=root, program=root, inputs=root, outputs=root, time=1)
    local.write_bytes(SignedReceipt(Domain(0, ZERO_ADDRESS), run, None).to_json())
    foreign = Path("foreign.json")
    elsewhere = Domain(1, "0x" + "11" * 20)
    foreign.write_bytes(sign_receipt(bench.receipt(), elsewhere, bench.hot_key).to_json())
    np.savez("x.npz", x=np.zeros(1, np.float32))
    for path, says in ((local, "nobody has signed"), (foreign, "counts on chain 1")):
        for command in (("open", path, "--input", "x.npz"), ("summon", path), ("collect", path)):
            refused = await cli(aivm, *command)
            assert refused.status == 2, refused
            assert says in refused.err
            assert "hint:" in refused.err


async def test_a_receipt_that_nobody_convicted_has_no_part_for_its_client(
    bench: Bench, aivm: Aivm
) -> None:
    refused = await cli(aivm, "collect", written(bench, "a.json"))
    assert refused.status == 4, refused
    assert "no dispute has convicted this receipt" in refused.err


async def test_a_summons_and_its_end(bench: Bench, aivm: Aivm, key: Account) -> None:
    receipt, file = bench.receipt(), written(bench, "a.json")
    first = await cli(aivm, "summon", file)
    assert first.status == 0, first
    assert "to show that the client agreed to the job" in first.out
    assert "next: aivm dispute summon a.json" in first.err
    document = (await cli(aivm, "summon", file, "--json")).document
    assert document["standing"] == "summoned"
    assert document["order"] == "0x" + order_id(receipt).hex()
    assert document["summoner"] == key.address
    now = (await bench.chain.block()).time
    await bench.devchain.advance(document["deadline"] - now + 1)
    ended = await cli(aivm, "summon", file)
    assert "convicted: the provider has not shown in time" in ended.out
    assert await bench.balance(key) == BOND + PENALTY // 2 * 4 // 5
    assert (await cli(aivm, "summon", file, "-q")).out == "convicted\n"


async def test_a_summons_that_was_answered(bench: Bench, aivm: Aivm) -> None:
    receipt, file = bench.receipt(), written(bench, "a.json")
    await bench.chain.misconduct.show_agreement(bench.hot_key, receipt, bench.voucher(receipt))
    shown = await cli(aivm, "summon", file)
    assert (shown.status, shown.out) == (0, "shown: the client agreed to the job\n")
