"""Providers that nobody watches are disputed: the whole node defends itself, however it dies."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.chain.cases import Case, Side, Status
from aivm.chain.client import Chain
from aivm.chain.docket import Docket
from aivm.client import Inference
from aivm.devnet.children import Membership, ProviderProcess, write_key
from aivm.devnet.network import CHEAT_MODULE
from aivm.dispute.state import game_id, receipt_hash
from aivm.dispute.trace import ProgramTree
from aivm.errors import NotFound
from aivm.litigation.conductor import Conductor, litigation_policy, playing
from aivm.litigation.seats import Brief
from aivm.litigation.tables import Pace
from aivm.packages import Package, open_package
from aivm.provider.defence import DefencePolicy
from aivm.receipts import Receipt
from aivm.workers.pool import WorkerPool

MODEL = "demo/tiny"
PACE = Pace(poll_seconds=0.05, slowest_retry_seconds=0.5)
QUICK = DefencePolicy(pace=PACE)
INPUTS = {"x": np.float32([[1, 2, 3, 4]]), "index": np.array([0], np.int64)}


async def rich(network: Any, number: int = 5) -> Account:
    """An account that can put up bonds, on a chain whose clock is not behind this machine's."""
    await network.devchain.advance(600)
    bank, account = network.devchain.accounts[0], network.devchain.accounts[number]
    terms = await network.chain.dispute.terms()
    await network.chain.token.transfer(bank, account.address, 3 * terms.bond)
    return account


@asynccontextmanager
async def challenger(network: Any, account: Account) -> AsyncIterator[Conductor]:
    """A conductor in the background that doubts whatever it is told to."""

    async def find(_: Receipt) -> Brief:
        raise NotFound("a challenger that was not started again remembers")

    book, workers = network.chain.address_book, WorkerPool(engine="native")
    policy = litigation_policy()
    async with await Chain.connect(network.devchain.url, book, policy=policy) as chain:
        conductor = Conductor(
            chain, account, Side.CHALLENGER, find, workers, Docket(chain), pace=PACE
        )
        try:
            async with playing(conductor):
                yield conductor
        finally:
            await workers.stop()


def package_of(network: Any) -> Package:
    return open_package(network.folder / "package")


async def doubted_for_nothing(network: Any, account: Account, bought: Inference) -> bytes:
    """A game about a receipt that is right, opened by hand."""
    package = package_of(network)
    tree = ProgramTree(package.program(package.manifest.entries[0].name))
    bond = (await network.chain.dispute.terms()).bond
    await network.chain.token.approve(account, network.chain.dispute.address, bond)
    opening = tree.record(0), tree.path(0)
    return bytes(await network.chain.dispute.open(account, bought.receipt, *opening))


async def until_moved(network: Any, game: bytes, moves: int) -> Case:
    """Wait until a game has had so many moves (or has ended)."""
    docket = Docket(network.chain)
    for _ in range(1500):
        await docket.poll()
        with suppress(NotFound):
            case = docket.case(game)
            if not case.is_open or len(case.turns) >= moves:
                return case
        await asyncio.sleep(0.02)
    raise AssertionError(f"the game never had {moves} moves")


async def test_a_node_that_cheats_defends_itself_and_is_convicted_by_a_proof(network: Any) -> None:
    doubter, terms = await rich(network), await network.chain.dispute.terms()
    async with (
        network.node(worker_module=CHEAT_MODULE, defence=QUICK),
        network.buyer() as client,
        challenger(network, doubter) as conductor,
    ):
        bought = await client.infer(MODEL, INPUTS)
        game = await conductor.open(bought.receipt, package_of(network), INPUTS)
        case = await conductor.ended(game)
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"
    assert case.taken == terms.penalty


async def test_an_honest_node_that_was_stopped_defends_itself_when_it_is_back(
    network: Any, caplog: pytest.LogCaptureFixture
) -> None:
    doubter, terms = await rich(network), await network.chain.dispute.terms()
    staked = (await network.chain.staking.get_provider(network.owner.address)).staked
    before = await network.chain.token.balance_of(network.owner.address)
    async with network.node(defence=QUICK), network.buyer() as client:
        bought = await client.infer(MODEL, INPUTS)
        game = await doubted_for_nothing(network, doubter, bought)
        await until_moved(network, game, 1)
    assert f"dispute {game.hex()[:8]} is open: start again" in caplog.text
    await network.devchain.advance(terms.clock + 60)
    async with network.node(defence=QUICK):
        case = await until_moved(network, game, 100)
    assert case.status is Status.ACQUITTED
    after = await network.chain.staking.get_provider(network.owner.address)
    assert after.staked == staked
    earned = await network.chain.token.balance_of(network.owner.address) - before
    assert earned >= terms.bond // 2


@pytest.mark.slow
async def test_a_provider_killed_in_the_middle_of_a_game_goes_on_when_it_is_started_again(
    network: Any,
) -> None:
    """A real process, kill -9; the rest of the game needs nothing but its journal."""
    membership = Membership(
        rpc_url=network.devchain.url,
        storage_url=network.config.storage_url,
        address_book=network.folder / "book.json",
        cache_dir=network.folder / "cache",
        storage_token_file=network.folder / "token",
    )

    async def started() -> ProviderProcess:
        shutil.rmtree(network.folder / "process" / "keystore", ignore_errors=True)
        return await ProviderProcess.start(
            membership,
            network.folder / "process",
            hot_key=network.hot_key,
            owner=network.owner.address,
            port=network.port,
            model=MODEL,
            arguments=["--engine", "native", "--worker-module", CHEAT_MODULE],
        )

    doubter = await rich(network)
    provider = await started()
    async with network.buyer() as client, challenger(network, doubter) as conductor:
        bought = await client.infer(MODEL, INPUTS)
        game = await conductor.open(bought.receipt, package_of(network), INPUTS)
        await until_moved(network, game, 2)
        os.kill(provider.child.pid, signal.SIGKILL)
        provider = await started()
        case = await conductor.ended(game)
        await provider.child.stop()
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"


@dataclass(frozen=True)
class Desk:
    """A folder with a receipt, its inputs and a key that can put up bonds."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    async def laid(cls, network: Any, bought: Inference) -> Desk:
        folder = network.folder / "desk"
        write_key(folder, "doubter", await rich(network))
        (folder / "receipt.json").write_bytes(bought.receipt.to_json())
        np.savez(folder / "inputs.npz", **INPUTS)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIVM_")}
        return cls(
            folder,
            {
                **kept,
                "HOME": str(folder),
                "AIVM_RPC_URL": network.devchain.url,
                "AIVM_STORAGE_URL": network.config.storage_url,
                "AIVM_ADDRESS_BOOK": str(network.folder / "book.json"),
                "AIVM_KEYSTORE": str(folder / "keystore"),
                "AIVM_ACCOUNT": "doubter",
                "AIVM_PASSWORD_FILE": str(folder / "password"),
            },
        )

    async def start(self) -> asyncio.subprocess.Process:
        """`aivm dispute open` on what lies here."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aivm.cli", "dispute", "open", "receipt.json"),
            *("--input", "inputs.npz", "--engine", "native", "--json"),
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


async def test_the_command_opens_a_dispute_and_goes_on_after_kill_9(network: Any) -> None:
    cheat = network.node(worker_module=CHEAT_MODULE, defence=QUICK)
    async with cheat, network.buyer() as client:
        bought = await client.infer(MODEL, INPUTS)
        desk = await Desk.laid(network, bought)
        first = await desk.start()
        doubter = network.devchain.accounts[5].address
        await until_moved(network, game_id(receipt_hash(bought.receipt.receipt), doubter), 2)
        first.kill()
        await first.communicate()
        second = await desk.start()
        out, err = await second.communicate()
        third = await desk.start()
        refused, _ = await third.communicate()
    assert second.returncode == 0, err
    document = json.loads(out)
    assert document["ok"] and document["dispute"]["status"] == "convicted"
    assert document["dispute"]["step_gas"] > 0
    assert "we doubt the receipt" in err.decode() and "is over: convicted" in err.decode()
    award, terms = int(document["dispute"]["taken"]) // 2, await network.chain.dispute.terms()
    assert await network.chain.dispute.credit(doubter) == 0
    assert await network.chain.token.balance_of(doubter) == 3 * terms.bond + award * 4 // 5
    assert (await network.chain.dispute.verdict(receipt_hash(bought.receipt.receipt))).share == 0
    assert third.returncode == 4
    assert "convicted already" in json.loads(refused)["error"]["message"]


@pytest.mark.slow
async def test_the_command_refuses_to_doubt_a_right_receipt(network: Any) -> None:
    async with network.node(defence=QUICK), network.buyer() as client:
        desk = await Desk.laid(network, await client.infer(MODEL, INPUTS))
        before = await network.chain.token.balance_of(network.devchain.accounts[5].address)
        process = await desk.start()
        out, _ = await process.communicate()
    assert process.returncode == 4
    assert "the receipt is right" in json.loads(out)["error"]["message"]
    after = await network.chain.token.balance_of(network.devchain.accounts[5].address)
    assert after == before


async def test_the_status_of_a_provider_shows_what_it_keeps_and_its_disputes(network: Any) -> None:
    doubter = await rich(network)
    async with network.node(defence=QUICK), network.buyer() as client:
        bought = await client.infer(MODEL, INPUTS)
        await doubted_for_nothing(network, doubter, bought)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aivm.cli", "provider", "status", "--json"),
            *("--owner", network.owner.address.lower()),
            env={
                **os.environ,
                "AIVM_RPC_URL": network.devchain.url,
                "AIVM_ADDRESS_BOOK": str(network.folder / "book.json"),
                "AIVM_STATE_DIR": str(network.folder / "provider"),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    document = json.loads(out)
    assert document["jobs"] == {"done": 1}
    size = sum(array.nbytes for array in INPUTS.values())
    assert document["inputs"] == {"jobs": 1, "bytes": size}
    (dispute,) = document["disputes"]
    assert dispute["status"] == "open" and dispute["challenger"] == doubter.address
