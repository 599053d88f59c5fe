"""The same games in Python and on a chain: the same states, the same ends, and the money."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.unit.dispute.conftest import LiarWithStates, Table, flipped, results_of, table

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.dispute import DisputeGame
from aivm.chain.dispute_calls import packed_state
from aivm.chain.transactions import TransactionReceipt
from aivm.dispute import moves
from aivm.dispute.game import Outcome, Rules, opened, played
from aivm.dispute.state import Phase, State, game_id
from aivm.errors import ChainRejected
from aivm.isa import MatMul, Program, Reduce, Reduction, TensorType
from aivm.isa.instructions import Instruction
from aivm.numerics.dtypes import DType
from aivm.receipts import Receipt, sign_receipt
from aivm.testing.programs import RandomProgram

pytestmark = pytest.mark.usefixtures("anvil_path")

BOND, PENALTY, STAKE = 100 * 10**18, 500 * 10**18, 5_000 * 10**18


@dataclass
class Arena:
    """A chain with the contracts on it, who plays there, and what each transaction cost."""

    chain: Chain
    devchain: DevChain
    rules: Rules
    gas: dict[str, int]

    @property
    def game(self) -> DisputeGame:
        return self.chain.dispute

    async def play(
        self, who: int, state: State, move: moves.Move, receipt: Receipt
    ) -> TransactionReceipt:
        sent = await self.game.play(self.devchain.accounts[who], state, move, receipt)
        self.gas[f"{len(self.gas):02} {type(move).__name__}"] = sent.gas_used
        return sent

    async def now(self) -> int:
        return (await self.chain.block()).time


@pytest.fixture
async def arena(deployed: Chain, devchain: DevChain) -> Arena:
    """Account 0 governs, 1 is the provider, 2 its hot key, 3 the challenger, 4 the client."""
    owner, provider, hot, challenger = devchain.accounts[:4]
    for account, amount in ((provider, STAKE), (challenger, BOND)):
        await deployed.token.transfer(owner, account.address, amount)
    await deployed.staking.register_provider(provider, hot.address, "https://p")
    await deployed.token.approve(provider, deployed.staking.address, STAKE)
    await deployed.staking.stake(provider, STAKE)
    await deployed.token.approve(challenger, deployed.dispute.address, BOND)
    terms = await deployed.dispute.terms()
    assert (terms.bond, terms.penalty) == (BOND, PENALTY)
    return Arena(deployed, devchain, terms.rules, {})


def game_about(instruction: Instruction, *, lies: bool = True) -> Table:
    """More than 64 values and leaves; the last value is in doubt."""
    from aivm.isa import Fill

    types = (TensorType(DType.F32, (120, 300)), TensorType(DType.F32, (300, 280)))
    fills = [Fill(TensorType(DType.I32, ()), bits) for bits in range(70)]
    program = Program(types, (), (*fills, instruction), (72,))
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in types)
    case = RandomProgram(0, program, (), inputs)
    honest = results_of(case)
    claimed = [*honest[:-1], flipped(honest[-1], 77, 3)] if lies else honest
    return table(case, honest, claimed, LiarWithStates)


async def begun(arena: Arena, game: Table) -> tuple[Table, State]:
    """The game opened on the chain and in Python."""
    _, provider, hot, challenger, client = arena.devchain.accounts[:5]
    receipt = replace(
        game.provider.receipt,
        provider=provider.address,
        client=client.address,
        time=await arena.now(),
    )
    signed = sign_receipt(receipt, arena.chain.staking.domain, hot)
    game.provider = replace(game.provider, receipt=receipt)
    game.challenger = replace(game.challenger, receipt=receipt)
    tree = game.provider.program
    game_ = await arena.game.open(challenger, signed, tree.record(0), tree.path(0))
    state = opened(
        arena.rules,
        receipt,
        hot.address,
        challenger.address,
        tree.record(0),
        tree.path(0),
        await arena.now(),
    )
    assert game_ == game_id(state.receipt, state.challenger)
    assert await arena.game.stored(game_) == state.hash
    return game, state


async def step(arena: Arena, game: Table, state: State) -> State | Outcome:
    """One move, on the chain and in Python; the judge says what the definition says."""
    is_providers = state.phase.is_providers
    move = game.provider.move(state) if is_providers else game.challenger.move(state, game.history)
    game.history.append(move)
    who = 2 if is_providers else 3
    sent = await arena.play(who, state, move, game.provider.receipt)
    result = played(state, move, arena.devchain.accounts[who].address, await arena.now())
    game_slot = await arena.game.stored(game_id(state.receipt, state.challenger))
    if isinstance(result, Outcome):
        assert game_slot == bytes(32)
        return result
    assert game_slot == result.hash
    assert arena.game.event(sent, "Moved").arguments["state"] == packed_state(result)
    return result


F32 = DType.F32
GAMES = {
    "matmul": MatMul((0, 1), TensorType(F32, (120, 280))),
    "lanes": Reduce(Reduction.SUM, (0,), TensorType(F32, (120,)), 120, 300, 1),
    "arg": Reduce(Reduction.ARG_MAX, (0,), TensorType(DType.I64, (120,)), 120, 300, 1),
}


@pytest.mark.parametrize("name", GAMES)
async def test_the_chain_and_the_rules_agree_and_the_cheat_pays(name: str, arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES[name]))
    result: State | Outcome = state
    while isinstance(result, State):
        result = await step(arena, game, result)
    assert result is Outcome.CONVICTED
    token, accounts = arena.chain.token, arena.devchain.accounts
    award = PENALTY // 2
    assert await arena.game.credit(accounts[3].address) == BOND + award * 4 // 5
    await arena.game.withdraw(accounts[3], BOND + award * 4 // 5)
    await arena.game.compensate(accounts[5], game.provider.receipt)
    assert await token.balance_of(accounts[3].address) == BOND + award * 4 // 5
    assert await token.balance_of(accounts[4].address) == award // 5
    assert await token.balance_of(arena.game.address) == 0
    info = await arena.chain.staking.get_provider(accounts[1].address)
    assert info.staked == STAKE - PENALTY
    assert len(arena.gas) <= 15  # and the opening


async def test_a_silent_challenger_loses_his_bond(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"], lies=False))
    committed = await step(arena, game, state)
    assert isinstance(committed, State)
    stranger, receipt = arena.devchain.accounts[0], game.provider.receipt
    with pytest.raises(ChainRejected) as early:
        await arena.game.timeout(stranger, committed, receipt)
    assert early.value.error == "NotYetOver"
    await arena.devchain.advance(arena.rules.clock + 60)
    await arena.game.timeout(stranger, committed, receipt)
    token, accounts = arena.chain.token, arena.devchain.accounts
    assert await token.balance_of(accounts[1].address) == BOND // 2
    assert await token.balance_of(arena.game.address) == 0


async def test_a_silent_provider_is_convicted(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"]))
    await arena.devchain.advance(arena.rules.clock + 60)
    with pytest.raises(ChainRejected) as late:
        await arena.play(2, state, game.provider.move(state), game.provider.receipt)
    assert late.value.error == "TimeOver"
    await arena.game.timeout(arena.devchain.accounts[5], state, game.provider.receipt)
    assert await arena.game.convicted(state.receipt)
    info = await arena.chain.staking.get_provider(arena.devchain.accounts[1].address)
    assert info.staked == STAKE - PENALTY


async def test_wrong_moves_revert_and_change_nothing(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"]))
    stored = await arena.game.stored(game_id(state.receipt, state.challenger))
    receipt = game.provider.receipt
    move = game.provider.move(state)
    assert isinstance(move, moves.Commit)
    wrong: list[tuple[int, State, moves.Move, str]] = [
        (3, state, move, "NotYourMove"),
        (2, replace(state, since=state.since + 1), move, "WrongState"),
        (2, state, replace(move, nodes=move.nodes[1:]), "WrongCount"),
        (2, state, replace(move, outputs=(bytes(32),)), "WrongOpening"),
        (2, state, moves.RevealLeaves(b""), "WrongPhase"),
    ]
    for who, shown, tried, error in wrong:
        with pytest.raises(ChainRejected) as refused:
            await arena.play(who, shown, tried, receipt)
        assert refused.value.error == error
    assert await arena.game.stored(game_id(state.receipt, state.challenger)) == stored
    committed = await step(arena, game, state)
    assert isinstance(committed, State) and committed.phase is Phase.PICK_VALUE
    pick = game.challenger.move(committed, game.history)
    assert isinstance(pick, moves.Pick)
    with pytest.raises(ChainRejected) as refused:
        await arena.play(3, committed, replace(pick, node=bytes(32)), receipt)
    assert refused.value.error == "WrongOpening"
