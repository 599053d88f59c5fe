"""What a provider keeps for its defence, for how long, and where it finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.provider.conftest import RunAgent, World

from aivm import host
from aivm.chain.dispute import Terms
from aivm.errors import NotFound
from aivm.market.openinference import RECEIPT_PARAMETER
from aivm.provider.catalog import Catalog
from aivm.provider.defence import SETTLING_SECONDS, Archive, Defence, retention_seconds
from aivm.provider.journal import Journal, Kept
from aivm.receipts import Receipt, parse_receipt

TERMS = Terms(window=1000, clock=100, bond=1, penalty=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


async def served(world: World, run_agent: RunAgent, given: dict[str, Any]) -> Receipt:
    """A job that this provider has done."""
    async with run_agent() as bench:
        message = world.request(given, world.open(), 1)
        model = bench.agent.catalog.models[world.package.model_id]
        answer = await bench.agent.infer(model, message)
    return parse_receipt(answer.parameters[RECEIPT_PARAMETER].encode()).receipt


class Network:
    """Models of the network, of which one is asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[str] = []

    async def package(self, reference: str) -> Any:
        self.asked.append(reference)
        return self.world.package


@pytest.mark.parametrize("is_served", [True, False])
async def test_package_and_inputs_of_a_receipt_are_found(
    world: World, run_agent: RunAgent, journal: Journal, is_served: bool
) -> None:
    given = world.inputs(3)
    receipt = await served(world, run_agent, given)
    catalog, network = Catalog(), Network(world)
    if is_served:
        catalog.install(world.package)
    models: Any = network
    brief = await Archive(journal, catalog, models).find(receipt)
    assert brief.package.model_id == world.package.model_id
    assert {name: array.tobytes() for name, array in brief.inputs.items()} == {
        name: array.tobytes() for name, array in given.items()
    }
    assert network.asked == ([] if is_served else [world.package.model_id.hex()])


async def test_inputs_that_are_not_kept_are_missed(
    world: World, run_agent: RunAgent, journal: Journal
) -> None:
    receipt = await served(world, run_agent, world.inputs(3))
    assert journal.prune(host.now() + 10) == 1
    models: Any = None
    with pytest.raises(NotFound, match="are not kept here"):
        await Archive(journal, Catalog(), models).find(receipt)


def test_inputs_are_kept_for_a_game_that_begins_in_the_last_second() -> None:
    assert retention_seconds(TERMS) == 1000 + 2 * 100 + SETTLING_SECONDS


@pytest.mark.parametrize("age", [-10, 10])
async def test_what_nobody_can_dispute_any_more_is_pruned(
    world: World, run_agent: RunAgent, journal: Journal, age: int
) -> None:
    """The inputs are `age` seconds older than what is still kept."""
    await served(world, run_agent, world.inputs(3))

    async def conduct(_: asyncio.Event) -> None:
        await asyncio.sleep(0.05)  # the pruning is due at once

    async def stop() -> None:
        return

    async def refresh() -> None:
        return

    conductor: Any = SimpleNamespace(conduct=conduct, refresh=refresh, open_cases=[], errands=[])
    workers: Any = SimpleNamespace(stop=stop)
    await Defence(conductor, journal, workers, -age, prune_seconds=3600).watch()
    assert (journal.kept() == Kept(0, 0)) is (age > 0)
