"""Malformed calldata, of every kind of move.

A mutation is refused, or is the same move written otherwise and has the same effect, or is another
legal move: that ends no game against the honest side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adversity import tables
from tests.adversity.arena import CHALLENGER, TALLY, Arena, Duel, Side
from tests.conftest import LocalNetwork
from tests.property.conftest import MUTATIONS, mutate
from tests.unit.dispute.conftest import Table

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.transactions import Intent
from aivm.dispute.game import Outcome, played
from aivm.dispute.moves import Move

WORD = 32
SPECIAL = (0, 1, 31, 32, 64, 255, 256, 1 << 32, 1 << 64, (1 << 64) - 1, 1 << 160, 1 << 255)
WORDS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(("set", "add", "copy", "dirty")),
        st.sampled_from((*SPECIAL, (1 << 256) - 1)),
        st.floats(0, 1, exclude_max=True),
    ),
    min_size=1,
    max_size=3,
)
WordMutation = tuple[float, str, int, float]
Change = tuple[str, Any]
CHANGES = st.one_of(
    WORDS.map(lambda words: ("words", words)),
    MUTATIONS.map(lambda bytes_: ("bytes", bytes_)),
    st.floats(0, 1, exclude_max=True).map(lambda part: ("cut", part)),
    st.binary(min_size=1, max_size=40).map(lambda more: ("more", more)),
)


@dataclass(frozen=True)
class Stage:
    """A game that stands still before a move."""

    duel: Duel
    honest: Side
    move: Move

    @property
    def data(self) -> bytes:
        return self.duel.calldata(self.move)

    def arguments(self, data: bytes) -> Any:
        """What contracts read in it, as leniently as they do; None for another function's."""
        functions = self.duel.arena.game.abi.functions.values()
        signature = next(each for each in functions if each.selector == self.data[:4])
        if data[:4] != signature.selector:
            return None
        try:
            kinds = [parameter.kind for parameter in signature.inputs]
            return decode(kinds, data[4:], strict=False)
        except (DecodingError, OverflowError, ValueError):
            return None

    async def judge(self, data: bytes) -> None:
        """Send what the contract would accept, and look at what it did; the chain is put back."""
        duel, arena = self.duel, self.duel.arena
        before = await arena.devchain.snapshot()
        account = next(each for each in arena.devchain.accounts if each.address == duel.mover)
        await arena.chain.send(account, Intent("a mutation", arena.game.address, data))
        stored = await arena.game.stored(duel.id)
        if self.arguments(data) == self.arguments(self.data):
            result = played(duel.state, self.move, duel.mover, await arena.now())
            assert stored == (bytes(32) if isinstance(result, Outcome) else result.hash)
        else:
            assert stored != bytes(32) or self.honest is Side.CHALLENGER
        await arena.devchain.revert(before)


@dataclass(frozen=True)
class Theatre:
    """Games that stand before every kind of move, all at once."""

    arena: Arena
    stages: list[Stage]
    runner: asyncio.Runner

    def show(self, stage: Stage, mutated: list[bytes]) -> None:
        mover = stage.duel.mover
        errors = self.runner.run(self.arena.refusals([(mover, data) for data in mutated]))
        for data, error in zip(mutated, errors, strict=True):
            if not error:
                self.runner.run(stage.judge(data))
        self.arena.tally.lies += len(mutated)


@pytest.fixture(scope="module")
def theatre(local_network: LocalNetwork) -> Iterator[Theatre]:
    with asyncio.Runner() as runner, ExitStack() as stack:
        attached = DevChain.attach(local_network.url)
        devchain = runner.run(attached.__aenter__())
        stack.callback(lambda: runner.run(attached.__aexit__(None, None, None)))
        before = runner.run(devchain.snapshot())
        stack.callback(lambda: runner.run(devchain.revert(before)))
        chain = runner.run(connected(local_network))
        stack.callback(lambda: runner.run(chain.rpc.close()))
        arena = runner.run(Arena.prepared(chain, devchain, TALLY))
        yield Theatre(arena, runner.run(staged(arena)), runner)


async def connected(network: LocalNetwork) -> Chain:
    return await Chain.connect(network.url, network.address_book)


async def staged(arena: Arena) -> list[Stage]:
    """A stage for each kind of move, about true and about false receipts."""
    await arena.equip(CHALLENGER, bonds=200)
    stages: dict[tuple[str, Side], Stage] = {}
    for name in tables.LAST:
        for maker, honest in ((tables.cheat, Side.CHALLENGER), (tables.slander, Side.PROVIDER)):
            duel = await parked(arena, maker(name), 0)
            for place, move in enumerate(await whole(duel)):
                kind = (type(move).__name__, honest)
                if kind not in stages:
                    duel = await parked(arena, maker(name), place, sequence=len(stages) + 1)
                    stages[kind] = Stage(duel, honest, duel.move())
    return list(stages.values())


async def whole(duel: Duel) -> list[Move]:
    """All moves of a game; of a false challenger's also the proof that proves nothing."""
    before, branch, script = await duel.arena.devchain.snapshot(), duel.copy(), list[Move]()
    while (move := branch.own_move()) is not None:
        script.append(move)
        if not branch.allows(move) or await branch.make(move) is not None:
            break
    await duel.arena.devchain.revert(before)
    return script


async def parked(arena: Arena, table: Table, place: int, sequence: int = 0) -> Duel:
    """A game after so many moves."""
    receipt = arena.receipt(table.provider.receipt, await arena.now())
    duel = await arena.join(table, arena.signed(replace(receipt, sequence=sequence)))
    for _ in range(place):
        await duel.make(duel.move())
    return duel


def changed(data: bytes, change: Change) -> bytes:
    kind, how = change
    if kind == "words":
        return with_words(data, how)
    if kind == "bytes":
        return mutate(data, how)
    return data[: int(how * len(data))] if kind == "cut" else data + how


def with_words(data: bytes, mutations: list[WordMutation]) -> bytes:
    """Overwrites whole words behind the selector: offsets, lengths, numbers, addresses, hashes."""
    words = [data[at : at + WORD] for at in range(4, len(data), WORD)]
    for place, how, value, other in mutations:
        at = int(place * len(words))
        old = int.from_bytes(words[at], "big")
        new = {
            "set": value,
            "add": old + value,
            "copy": int.from_bytes(words[int(other * len(words))], "big"),
            "dirty": old | 1 << 255 | 1 << 161,
        }[how]
        words[at] = (new % (1 << 256)).to_bytes(WORD, "big")
    return data[:4] + b"".join(words)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.floats(0, 1, exclude_max=True), changes=st.lists(CHANGES, min_size=1, max_size=30))
def test_mutations(theatre: Theatre, place: float, changes: list[Change]) -> None:
    stage = theatre.stages[int(place * len(theatre.stages))]
    theatre.show(stage, [changed(stage.data, change) for change in changes])


def test_every_word_in_turn(theatre: Theatre) -> None:
    """What offsets and lengths can be wrong about, systematically."""
    for stage in theatre.stages:
        data = stage.data
        places = [(at + 0.5) / (len(data) // WORD) for at in range(min(len(data) // WORD, 40))]
        for how, value in (("set", 0), ("set", (1 << 256) - 1), ("dirty", 0)):
            theatre.show(stage, [with_words(data, [(at, how, value, 0.0)]) for at in places])


def test_every_kind_of_move_is_on_stage(theatre: Theatre) -> None:
    kinds = {type(stage.move).__name__ for stage in theatre.stages}
    assert kinds >= {"Commit", "Pick", "Reveal", "RevealTensor", "ProveElement", "ProveStep"}
    assert {stage.honest for stage in theatre.stages} == set(Side)
