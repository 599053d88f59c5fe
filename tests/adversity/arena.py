"""Duels on a chain: who plays, what a sent move does, who ends with what money.

Accounts by number: 0 governs, 1 is the provider, 2 its hot key, 3 the challenger, 4 the client, 5
and 6 are strangers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from tests.unit.dispute.conftest import Table

from aivm.chain.account import Account
from aivm.chain.artifact import known_errors
from aivm.chain.client import Chain
from aivm.chain.deploy import DeploymentParameters
from aivm.chain.devchain import DevChain
from aivm.chain.dispute import DisputeGame, Terms
from aivm.chain.dispute_calls import call_of
from aivm.chain.reverts import refusal
from aivm.chain.rpc import RpcError
from aivm.dispute.game import Outcome, opened, played
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.state import State, game_id, receipt_hash
from aivm.errors import AivmError, BadInput, ChainRejected, IllegalMove
from aivm.receipts import Receipt, SignedReceipt, sign_receipt

TOKEN = 10**18
OWNER, PROVIDER, HOT, CHALLENGER, CLIENT, STRANGER, OTHER = range(7)
PEOPLE = {
    "provider": PROVIDER,
    "hot": HOT,
    "challenger": CHALLENGER,
    "client": CLIENT,
    "stranger": STRANGER,
    "other": OTHER,
}
STAKE = 5_000 * TOKEN


class Side(Enum):
    """Of a game, or of the truth."""

    PROVIDER = "provider"
    CHALLENGER = "challenger"

    @property
    def victory(self) -> Outcome:
        return Outcome.ACQUITTED if self is Side.PROVIDER else Outcome.CONVICTED


@dataclass
class Tally:
    """What the lies of a test run came to."""

    lies: int = 0  # moves that no honest player would make, each tried on the chain
    accepted: int = 0  # those that a contract cannot see through at once
    games: int = 0  # played to their end
    lost: int = 0  # by the honest side


TALLY = Tally()

Attempt = tuple[str, bytes]
"""A sender's address, and calldata for the dispute game."""


@dataclass
class Arena:
    """A chain with the contracts on it, and accounts that have stake and bonds."""

    chain: Chain
    devchain: DevChain
    terms: Terms
    tally: Tally
    receipts: list[Receipt] = field(default_factory=list)  # of all games

    @classmethod
    async def prepared(
        cls, chain: Chain, devchain: DevChain, tally: Tally, stake: int = STAKE
    ) -> Arena:
        """The provider has its stake, and two challengers have a bond each."""
        arena = cls(chain, devchain, await chain.dispute.terms(), tally)
        owner, provider = arena.account(OWNER), arena.account(PROVIDER)
        await chain.token.transfer(owner, provider.address, stake)
        await chain.staking.register_provider(provider, arena.address(HOT), "https://p")
        await chain.token.approve(provider, chain.staking.address, stake)
        await chain.staking.stake(provider, stake)
        for who in (CHALLENGER, OTHER):
            await arena.equip(who)
        return arena

    @asynccontextmanager
    async def elsewhere(
        self, parameters: DeploymentParameters | None = None, stake: int = STAKE
    ) -> AsyncIterator[Arena]:
        """Another deployment on the same chain, with the same people."""
        book = await self.devchain.deploy(parameters)
        async with await Chain.connect(self.devchain.url, book) as chain:
            yield await Arena.prepared(chain, self.devchain, self.tally, stake)

    @property
    def game(self) -> DisputeGame:
        return self.chain.dispute

    def account(self, who: int) -> Account:
        return self.devchain.accounts[who]

    def address(self, who: int) -> str:
        return self.devchain.accounts[who].address

    async def now(self) -> int:
        return (await self.chain.block()).time

    async def equip(self, who: int, bonds: int = 1) -> None:
        """Give an account so many bonds, and the contract the right to take them."""
        account, amount = self.account(who), bonds * self.terms.bond
        await self.chain.token.transfer(self.account(OWNER), account.address, amount)
        await self.chain.token.approve(account, self.game.address, amount)

    async def _settle(self) -> None:
        """Everybody takes what the dispute game and the stake hold for him."""
        for receipt in self.receipts:
            if (await self.game.verdict(receipt_hash(receipt))).share:
                await self.game.compensate(self.account(STRANGER), receipt)
        for who in PEOPLE.values():
            if credit := await self.game.credit(self.address(who)):
                await self.game.withdraw(self.account(who), credit)
        await self.chain.staking.collect(self.account(STRANGER), self.game.address)

    async def money(self) -> dict[str, int]:
        """Where all tokens of a duel are, once everybody took his; `stake` is what can be slashed,
        `supply` what exists."""
        await self._settle()
        token, staking = self.chain.token, self.chain.staking
        held = {name: await token.balance_of(self.address(who)) for name, who in PEOPLE.items()}
        held["game"] = await token.balance_of(self.game.address)
        held["staking"] = await token.balance_of(staking.address)
        held["supply"] = await token.total_supply()
        info = await staking.get_provider(self.address(PROVIDER))
        held["stake"] = info.staked + info.unbonding
        return held

    def receipt(self, receipt: Receipt, now: int) -> Receipt:
        """The receipt as this arena's provider gives it to this arena's client."""
        provider, client = self.address(PROVIDER), self.address(CLIENT)
        return replace(receipt, provider=provider, client=client, time=now)

    def signed(self, receipt: Receipt) -> SignedReceipt:
        return sign_receipt(receipt, self.chain.staking.domain, self.account(HOT))

    def calldata(self, state: State, move: Move, receipt: Receipt) -> bytes:
        """Raises BadInput for what has no encoding."""
        return self.game.abi.encode_call(*call_of(state, move, receipt))

    async def refusals(self, attempts: Sequence[Attempt], to: str = "") -> list[str]:
        """For each call the error that it ends in; "" where the contract would accept it."""
        calls = [
            ("eth_call", [{"from": who, "to": to or self.game.address, "data": "0x" + data.hex()}])
            for who, data in attempts
        ]
        answers = await self.chain.rpc.batch(calls)
        return [_error(answer) if isinstance(answer, RpcError) else "" for answer in answers]

    async def open(self, table: Table, who: int = CHALLENGER) -> Duel:
        """A game about the table's receipt, dated now, on the chain and in Python."""
        receipt = self.receipt(table.provider.receipt, await self.now())
        return await self.join(table, self.signed(receipt), who)

    async def join(self, table: Table, signed: SignedReceipt, who: int = CHALLENGER) -> Duel:
        """A game about this signed receipt by that challenger."""
        tree, receipt = table.provider.program, signed.receipt
        self.receipts.append(receipt)
        game = await self.game.open(self.account(who), signed, tree.record(0), tree.path(0))
        people = (self.address(HOT), self.address(who))
        header = (tree.record(0), tree.path(0))
        state = opened(self.terms.rules, receipt, *people, *header, await self.now())
        assert await self.game.stored(game) == state.hash
        return Duel(
            self,
            replace(table.provider, receipt=receipt),
            replace(table.challenger, receipt=receipt),
            state,
            signed,
        )

    def verdict(self, outcome: Outcome, wanted: Outcome) -> None:
        """A game is over: the honest side has won."""
        self.tally.games += 1
        self.tally.lost += outcome is not wanted
        assert outcome is wanted


def _error(answer: RpcError) -> str:
    refused = refusal(answer, "a move", known_errors())
    assert isinstance(refused, ChainRejected), refused
    return refused.error or refused.message


@dataclass
class Duel:
    """One game: both players, and where it stands on the chain."""

    arena: Arena
    provider: Provider
    challenger: Challenger
    state: State
    signed: SignedReceipt
    history: list[Move] = field(default_factory=list)

    @property
    def receipt(self) -> Receipt:
        return self.signed.receipt

    @property
    def id(self) -> bytes:
        return game_id(self.state.receipt, self.state.challenger)

    @property
    def mover(self) -> str:
        """The address of the one to move."""
        is_providers = self.state.phase.is_providers
        return self.state.defender if is_providers else self.state.challenger

    @property
    def side(self) -> Side:
        """Who is to move."""
        return Side.PROVIDER if self.state.phase.is_providers else Side.CHALLENGER

    def copy(self) -> Duel:
        """The same game, to go on with after the chain was put back."""
        return replace(self, history=list(self.history))

    def move(self) -> Move:
        """What the mover's own rules say; raises where they say nothing."""
        if self.state.phase.is_providers:
            return self.provider.move(self.state)
        return self.challenger.move(self.state, self.history)

    def calldata(self, move: Move) -> bytes:
        return self.arena.calldata(self.state, move, self.receipt)

    async def make(self, move: Move) -> Outcome | None:
        """Make a move; the chain does what the rules in Python say. The outcome, if it ends."""
        arena, mover = self.arena, self.mover
        account = next(each for each in arena.devchain.accounts if each.address == mover)
        await arena.game.play(account, self.state, move, self.receipt)
        result = played(self.state, move, mover, await arena.now())
        self.history.append(move)
        stored = await arena.game.stored(self.id)
        if isinstance(result, Outcome):
            assert stored == bytes(32)
            return result
        self.state = result
        assert stored == result.hash
        return None

    async def rehearsal(self) -> list[Move]:
        """All moves that are left, if both play by their rules; the chain is put back."""
        before, branch = await self.arena.devchain.snapshot(), self.copy()
        while (move := branch.legal_move()) is not None:
            if await branch.make(move) is not None:
                break
        await self.arena.devchain.revert(before)
        return branch.history[len(self.history) :]

    async def timeout(self, who: int = STRANGER) -> Outcome:
        """Let the mover's time run out; somebody else says so."""
        arena, is_providers = self.arena, self.state.phase.is_providers
        left = self.state.provider_left if is_providers else self.state.challenger_left
        await arena.devchain.advance(left + 2)
        await arena.game.timeout(arena.account(who), self.state, self.receipt)
        assert await arena.game.stored(self.id) == bytes(32)
        return Outcome.CONVICTED if is_providers else Outcome.ACQUITTED

    async def finish(self, honest: Side) -> None:
        """Both play to the end, which the honest side wins; who has no legal move is silent."""
        outcome: Outcome | None = None
        while outcome is None:
            move = self.legal_move()
            if move is not None:
                outcome = await self.make(move)
            else:
                assert self.side is not honest, f"no move in {self.state.phase.name}"
                outcome = await self.timeout()
        self.arena.verdict(outcome, honest.victory)

    def own_move(self) -> Move | None:
        """What the mover's own rules say, legal or not, if they say anything."""
        try:
            return self.move()
        except (AivmError, IndexError, ValueError):  # a liar's false memory fits no rule
            return None

    def legal_move(self) -> Move | None:
        """The mover's next move, if its own rules have one that the game allows."""
        move = self.own_move()
        return move if move is not None and self.allows(move) else None

    def allows(self, move: Move) -> bool:
        """Whether the rules in Python allow the mover this move."""
        try:
            played(self.state, move, self.mover, self.state.since)
        except IllegalMove:
            return False
        return True


def encodable(duel: Duel, move: Move) -> bytes | None:
    """The calldata of a lie, if it has any."""
    try:
        return duel.calldata(move)
    except (BadInput, AssertionError, OverflowError, IllegalMove):
        return None


def changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Whose money is more or less than it was."""
    return {name: after[name] - held for name, held in before.items() if after[name] != held}


def conviction(terms: Terms, stake: int = STAKE) -> dict[str, int]:
    """What a conviction does to the money, from before the game was opened."""
    taken = min(stake, terms.penalty)
    award = taken // 2
    share = award // 5
    moved: dict[str, Any] = {
        "challenger": award - share,
        "client": share,
        "supply": award - taken,
        "staking": -taken,
        "stake": -taken,
    }
    return {name: amount for name, amount in moved.items() if amount}


def acquittal(terms: Terms) -> dict[str, int]:
    """What an acquittal does to the money, from before the game was opened."""
    half = terms.bond // 2
    moved = {"challenger": -terms.bond, "provider": half, "supply": half - terms.bond}
    return {name: amount for name, amount in moved.items() if amount}
