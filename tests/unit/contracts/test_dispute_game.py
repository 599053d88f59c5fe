"""The same games in Python and on a chain: the same states, the same ends, and the money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from tests.unit.dispute.conftest import LiarWithStates, Table, flipped, results_of, table

from aivm.chain import artifact
from aivm.chain.abi import encode
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.dispute_calls import call_of, opened_record, packed_state, receipt_fields
from aivm.chain.events import decode_log
from aivm.chain.transactions import Intent, TransactionReceipt
from aivm.dispute import moves
from aivm.dispute.game import Outcome, Rules, opened, played
from aivm.dispute.state import Phase, State, game_id
from aivm.errors import ChainRejected
from aivm.isa import MatMul, Program, Reduce, Reduction, TensorType
from aivm.isa.instructions import Instruction
from aivm.numerics.dtypes import DType
from aivm.receipts import Domain, sign_receipt
from aivm.testing.programs import RandomProgram

pytestmark = pytest.mark.usefixtures("anvil_path")

RULES = Rules(window=86_400, clock=3_600)
BOND, PENALTY, STAKE = 100 * 10**18, 500 * 10**18, 5_000 * 10**18


@dataclass
class Arena:
    """A dispute game on a chain, and who plays there."""

    chain: Chain
    devchain: DevChain
    address: str
    gas: dict[str, int]

    @property
    def abi(self) -> Any:
        return artifact.load("DisputeGame").abi

    async def send(self, who: int, function: str, arguments: list[Any]) -> TransactionReceipt:
        data = self.abi.encode_call(function, arguments)
        intent = Intent(f"DisputeGame.{function}", self.address, data)
        receipt = await self.chain.send(self.devchain.accounts[who], intent)
        self.gas[f"{len(self.gas):02} {function}"] = receipt.gas_used
        return receipt

    async def stored(self, game: bytes) -> bytes:
        data = self.abi.encode_call("games", [game])
        (answer,) = await self.chain.call_many([Intent("games", self.address, data)])
        return bytes(answer)

    async def now(self) -> int:
        return (await self.chain.block()).time


@pytest.fixture
async def arena(deployed: Chain, devchain: DevChain) -> Arena:
    """Account 0 governs, 1 is the provider, 2 its hot key, 3 the challenger, 4 the client."""
    owner, provider, hot, challenger = devchain.accounts[:4]

    async def create(name: str, *arguments: Any) -> str:
        shipped = artifact.load(name)
        data = shipped.bytecode + encode(shipped.abi.constructor, arguments, what=name)
        receipt = await deployed.send(owner, Intent(name, None, data))
        assert receipt.contract is not None
        return receipt.contract

    referee = await create("Referee", await create("OneStep", await create("Numerics")))
    staking = deployed.staking.address
    address = await create(
        "DisputeGame", staking, referee, RULES.window, RULES.clock, BOND, PENALTY
    )
    staking_abi = artifact.load("Staking").abi
    role = staking_abi.decode_result(
        "SLASHER_ROLE",
        (
            await deployed.call_many(
                [Intent("role", staking, staking_abi.encode_call("SLASHER_ROLE", []))]
            )
        )[0],
    )
    grant = staking_abi.encode_call("grantRole", [role, address])
    await deployed.send(owner, Intent("grantRole", staking, grant))
    for account, amount in ((provider, STAKE), (challenger, BOND)):
        await deployed.token.transfer(owner, account.address, amount)
    await deployed.staking.register_provider(provider, hot.address, "https://p")
    await deployed.token.approve(provider, staking, STAKE)
    await deployed.staking.stake(provider, STAKE)
    await deployed.token.approve(challenger, address, BOND)
    return Arena(deployed, devchain, address, {})


def game_about(instruction: Instruction, *, lies: bool = True) -> Table:
    """More than 64 values and leaves; the last value is in doubt."""
    from aivm.isa import Fill

    types = (TensorType(DType.F32, (120, 300)), TensorType(DType.F32, (300, 70)))
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
    header = opened_record(tree.record(0), tree.path(0))
    await arena.send(3, "open", [receipt_fields(receipt), signed.signature, header])
    state = opened(
        RULES,
        receipt,
        hot.address,
        challenger.address,
        tree.record(0),
        tree.path(0),
        await arena.now(),
    )
    assert await arena.stored(game_id(state.receipt, state.challenger)) == state.hash
    return game, state


async def step(arena: Arena, game: Table, state: State) -> State | Outcome:
    """One move, on the chain and in Python; the judge says what the definition says."""
    is_providers = state.phase.is_providers
    move = game.provider.move(state) if is_providers else game.challenger.move(state, game.history)
    game.history.append(move)
    who = 2 if is_providers else 3
    receipt = await arena.send(who, *call_of(state, move, game.provider.receipt))
    result = played(state, move, arena.devchain.accounts[who].address, await arena.now())
    game_slot = await arena.stored(game_id(state.receipt, state.challenger))
    if isinstance(result, Outcome):
        assert game_slot == bytes(32)
        return result
    assert game_slot == result.hash
    moved = [decode_log(arena.abi, log) for log in receipt.logs]
    shown = [event.arguments["state"] for event in moved if event and event.name == "Moved"]
    assert shown == [packed_state(result)]
    return result


F32 = DType.F32
GAMES = {
    "matmul": MatMul((0, 1), TensorType(F32, (120, 70))),
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
    assert await token.balance_of(accounts[3].address) == BOND + award * 4 // 5
    assert await token.balance_of(accounts[4].address) == award // 5
    assert await token.balance_of(arena.address) == 0
    info = await arena.chain.staking.get_provider(accounts[1].address)
    assert info.staked == STAKE - PENALTY
    assert len(arena.gas) <= 16


async def test_a_silent_challenger_loses_his_bond(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"], lies=False))
    committed = await step(arena, game, state)
    assert isinstance(committed, State)
    arguments = [packed_state(committed), receipt_fields(game.provider.receipt)]
    with pytest.raises(ChainRejected) as early:
        await arena.send(0, "timeout", arguments)
    assert early.value.error == "NotYetOver"
    await arena.devchain.advance(RULES.clock + 60)
    await arena.send(0, "timeout", arguments)
    token, accounts = arena.chain.token, arena.devchain.accounts
    assert await token.balance_of(accounts[1].address) == BOND // 2
    assert await token.balance_of(arena.address) == 0


async def test_a_silent_provider_is_convicted(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"]))
    await arena.devchain.advance(RULES.clock + 60)
    with pytest.raises(ChainRejected) as late:
        await arena.send(2, *call_of(state, game.provider.move(state), game.provider.receipt))
    assert late.value.error == "TimeOver"
    await arena.send(5, "timeout", [packed_state(state), receipt_fields(game.provider.receipt)])
    info = await arena.chain.staking.get_provider(arena.devchain.accounts[1].address)
    assert info.staked == STAKE - PENALTY


async def test_wrong_moves_revert_and_change_nothing(arena: Arena) -> None:
    game, state = await begun(arena, game_about(GAMES["matmul"]))
    stored = await arena.stored(game_id(state.receipt, state.challenger))
    receipt = game.provider.receipt
    move = game.provider.move(state)
    assert isinstance(move, moves.Commit)
    wrong: list[tuple[int, State, moves.Move, str]] = [
        (3, state, move, "NotYourMove"),
        (2, replace(state, since=state.since + 1), move, "WrongState"),
        (2, state, replace(move, nodes=move.nodes[1:]), "WrongCount"),
        (2, state, replace(move, outputs=(bytes(32),)), "WrongOpening"),
        (2, state, moves.RevealLeaf(b""), "WrongPhase"),
    ]
    for who, shown, tried, error in wrong:
        with pytest.raises(ChainRejected) as refused:
            await arena.send(who, *call_of(shown, tried, receipt))
        assert refused.value.error == error
    assert await arena.stored(game_id(state.receipt, state.challenger)) == stored
    committed = await step(arena, game, state)
    assert isinstance(committed, State) and committed.phase is Phase.PICK_VALUE
    pick = game.challenger.move(committed, game.history)
    assert isinstance(pick, moves.Pick)
    with pytest.raises(ChainRejected) as refused:
        await arena.send(3, *call_of(committed, replace(pick, node=bytes(32)), receipt))
    assert refused.value.error == "WrongOpening"


async def test_two_receipts_for_one_job_convict_at_once(arena: Arena) -> None:
    _, provider, hot, _, client = arena.devchain.accounts[:5]
    first = replace(
        game_about(GAMES["matmul"]).provider.receipt,
        provider=provider.address,
        client=client.address,
        time=await arena.now(),
    )
    second = replace(first, outputs=bytes([9]) * 32)
    domain: Domain = arena.chain.staking.domain
    shown = [
        part
        for receipt in (first, second)
        for part in (receipt_fields(receipt), sign_receipt(receipt, domain, hot).signature)
    ]
    with pytest.raises(ChainRejected) as refused:
        await arena.send(5, "equivocation", [*shown[:2], *shown[:2]])
    assert refused.value.error == "NoEquivocation"
    await arena.send(5, "equivocation", shown)
    balance = await arena.chain.token.balance_of(arena.devchain.accounts[5].address)
    assert balance == PENALTY // 2 * 4 // 5
    with pytest.raises(ChainRejected) as again:
        await arena.send(5, "equivocation", shown)
    assert again.value.error == "AlreadyConvicted"
