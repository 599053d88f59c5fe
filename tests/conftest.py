"""Fixtures that many tests share: one local chain for the whole run, put back after every test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aivm.chain import tools
from aivm.chain.address_book import AddressBook
from aivm.chain.anvil import AnvilProcess
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.errors import ToolMissing

_RECURSION_LIMIT = sys.getrecursionlimit()


def pytest_collection_finish() -> None:
    """Undo what eth-account does when a test imports it (the product never does).

    It raises the recursion limit a hundredfold; deep JSON then ends the process, not the parser.
    """
    sys.setrecursionlimit(_RECURSION_LIMIT)


@dataclass(frozen=True)
class LocalNetwork:
    """A running chain with AIVM's contracts on it."""

    url: str
    address_book: AddressBook


@pytest.fixture(scope="session")
def anvil_path() -> Path:
    """The anvil that tests use; it is installed if need be, so that no test is ever skipped."""
    try:
        return tools.find_anvil()
    except ToolMissing:
        return tools.install()


@pytest.fixture(scope="session")
def local_network(anvil_path: Path) -> Iterator[LocalNetwork]:
    """Started and deployed once a run (once a worker, under xdist)."""

    async def deploy(url: str) -> AddressBook:
        async with DevChain.attach(url) as devchain:
            return await devchain.deploy()

    assert anvil_path.is_file()
    with AnvilProcess() as process:
        yield LocalNetwork(process.url, asyncio.run(deploy(process.url)))


@pytest.fixture
async def devchain(local_network: LocalNetwork) -> AsyncIterator[DevChain]:
    """The chain itself: funded accounts, its clock, mining. What the test did is undone after it.

    The first account governs and holds all tokens.
    """
    async with DevChain.attach(local_network.url) as devchain:
        before = await devchain.snapshot()
        try:
            yield devchain
        finally:
            await devchain.revert(before)


@pytest.fixture
async def deployed(devchain: DevChain, local_network: LocalNetwork) -> AsyncIterator[Chain]:
    """AIVM's contracts on `devchain`, as any client sees them."""
    async with await Chain.connect(devchain.url, local_network.address_book) as chain:
        yield chain
