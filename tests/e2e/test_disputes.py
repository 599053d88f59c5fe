"""Providers that nobody watches are disputed: the whole node defends itself, however it dies."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.chain.cases import Case, Side, Status
from aivm.chain.client import Chain
from aivm.chain.docket import Docket
from aivm.client import Inference
from aivm.devnet.children import Membership, ProviderProcess
from aivm.devnet.network import CHEAT_MODULE
from aivm.dispute.trace import ProgramTree
from aivm.errors import NotFound
from aivm.litigation.conductor import Conductor, litigation_policy
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
        stop = asyncio.Event()
        playing = asyncio.create_task(conductor.conduct(stop))
        try:
            yield conductor
        finally:
            stop.set()
            await playing
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
        os.kill(provider.pid, signal.SIGKILL)
        provider = await started()
        case = await conductor.ended(game)
        await provider.stop()
    assert case.status is Status.CONVICTED and case.entries[-1].move == "prove"
