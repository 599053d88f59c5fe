"""Gas of disputes: every move of a whole game, and the proof of a step of every instruction family.

The players of `aivm.dispute` play on anvil, with the artifacts that ship. The whole game is about a
program as large as MiniLM: 603 values, of which one is a MATMUL's result of 768 KiB with chains of
384 steps. It is the second game of a verifier who has deposited several bonds, so no slot of his,
of the provider's or of the tokens' is fresh; what is fresh in every game (its own slot, and the
receipt's) is counted. Called by gas.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aivm.chain import tools
from aivm.chain.address_book import AddressBook
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.commitments import Array, bundle_root, program_root, tensor_root
from aivm.dispute.game import Outcome, opened, played
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.state import State
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Held
from aivm.engines import open_engine
from aivm.errors import ToolMissing
from aivm.isa import Fill, MatMul, Program, TensorType
from aivm.isa.program import Constant
from aivm.numerics.dtypes import DType
from aivm.receipts import Receipt, Tier, job_id, sign_receipt
from aivm.testing.liars import FalseMemory, said
from aivm.testing.programs import RandomProgram, random_program

FAMILIES = (
    "Map", "MatMul", "Reduce", "Move", "Gather", "Concat",
    "Cast", "Iota", "Fill", "Scatter", "Rank", "Random",
)  # fmt: skip
TOKEN = 10**18
OWNER, PROVIDER, HOT, CHALLENGER, CLIENT = range(5)
MANY = 100  # bonds, and penalties
HOUR = 3600


@dataclass(frozen=True)
class Lie:
    """A program and its inputs, and the value of which the provider has one bit wrong."""

    case: RandomProgram
    value: int
    element: int


def measure() -> dict[str, int]:
    """Gas of transactions by name."""
    try:
        tools.find_anvil()
    except ToolMissing:
        tools.install()
    return asyncio.run(_measured())


async def _measured() -> dict[str, int]:
    async with DevChain.start() as devchain:
        return await _on(devchain, await devchain.deploy())


async def _on(devchain: DevChain, book: AddressBook) -> dict[str, int]:
    async with await Chain.connect(devchain.url, book) as chain:
        court = Court(chain, devchain)
        await court.prepare()
        lie = as_large_as_minilm()
        await court.play(lie)
        await devchain.advance(HOUR)  # or the stake is held for long enough already, by chance
        found = await court.play(lie)
        figures = {f"dispute: {at:02} {name}": gas for at, (name, gas) in enumerate(found, 1)}
        figures["dispute: whole game"] = sum(gas for _, gas in found)
        figures |= await court.afterwards()
        for family in FAMILIES:
            name, gas = (await court.play(lie_in(family)))[-1]
            figures[f"dispute: {name} of {family.upper()}"] = gas
        return figures


class Court:
    """Who plays, and what it costs."""

    def __init__(self, chain: Chain, devchain: DevChain) -> None:
        self.chain = chain
        self.accounts = devchain.accounts
        self.sequence = 0
        self.receipt: Receipt | None = None

    async def prepare(self) -> None:
        """Everybody holds tokens; the provider has a stake, the challenger a deposit."""
        chain, accounts = self.chain, self.accounts
        terms = await chain.dispute.terms()
        for who in (PROVIDER, CHALLENGER, CLIENT):
            amount = MANY * (terms.bond + terms.penalty)
            await chain.token.transfer(accounts[OWNER], accounts[who].address, amount)
        provider, challenger = accounts[PROVIDER], accounts[CHALLENGER]
        await chain.staking.register_provider(provider, accounts[HOT].address, "https://p")
        await chain.token.approve(provider, chain.staking.address, MANY * terms.penalty)
        await chain.staking.stake(provider, MANY * terms.penalty)
        await chain.token.approve(challenger, chain.dispute.address, MANY * terms.bond)
        await chain.dispute.deposit(challenger, MANY * terms.bond)

    async def play(self, lie: Lie) -> list[tuple[str, int]]:
        """A game from its opening to the conviction: names and gas of its transactions."""
        chain, accounts = self.chain, self.accounts
        provider, challenger = self._players(lie, (await chain.block()).time)
        receipt, tree = provider.receipt, provider.program
        signed = sign_receipt(receipt, chain.staking.domain, accounts[HOT])
        header = (tree.record(0), tree.path(0))
        before = await chain.block()
        await chain.dispute.open(accounts[CHALLENGER], signed, *header)
        found = [("open", await self._gas_since(before.number))]
        state: State | Outcome = opened(
            (await chain.dispute.terms()).rules,
            receipt,
            accounts[HOT].address,
            accounts[CHALLENGER].address,
            *header,
            (await chain.block()).time,
        )
        history: list[Move] = []
        while isinstance(state, State):
            is_providers = state.phase.is_providers
            move = provider.move(state) if is_providers else challenger.move(state, history)
            history.append(move)
            account = accounts[HOT if is_providers else CHALLENGER]
            sent = await chain.dispute.play(account, state, move, receipt)
            name = type(move).__name__
            found.append((name[0].lower() + name[1:], sent.gas_used))
            state = played(state, move, account.address, (await chain.block()).time)
        assert state is Outcome.CONVICTED
        self.receipt = receipt
        return found

    async def afterwards(self) -> dict[str, int]:
        """What is paid once for many games, or by others."""
        chain, accounts = self.chain, self.accounts
        assert self.receipt is not None, "a game was played"
        paid = await chain.dispute.compensate(accounts[CLIENT], self.receipt)
        drawn = await chain.dispute.withdraw(accounts[CHALLENGER], TOKEN)
        return {
            "dispute: compensate, which collects for many games": paid.gas_used,
            "dispute: withdraw": drawn.gas_used,
        }

    def _players(self, lie: Lie, now: int) -> tuple[Provider, Challenger]:
        program, tree = lie.case.program, ProgramTree(lie.case.program)
        honest = Held(program, results_of(lie.case))
        false = FalseMemory(program, said(program, honest, lie.value, lie.element, 1 << 3))
        ours = Trace(program, honest)
        self.sequence += 1
        inputs = bundle_root(ours.roots[: program.first_constant])
        model, channel, root = bytes([7]) * 32, bytes([8]) * 32, program_root(program)
        receipt = Receipt(
            job=job_id(channel, self.sequence, model, root, inputs),
            model=model,
            program=root,
            inputs=inputs,
            outputs=bundle_root([false.roots[output] for output in program.outputs]),
            client=self.accounts[CLIENT].address,
            provider=self.accounts[PROVIDER].address,
            channel=channel,
            sequence=self.sequence,
            tier=Tier.OPTIMISTIC,
            numerics=program.numerics,
            time=now,
        )
        return Provider(receipt, tree, false), Challenger(receipt, tree, ours)

    async def _gas_since(self, block: int) -> int:
        """Of the transactions in the blocks after that one."""
        head, gas = (await self.chain.block()).number, 0
        for number in range(block + 1, head + 1):
            found = await self.chain.rpc.call("eth_getBlockByNumber", hex(number), False)
            gas += int(found["gasUsed"], 16)
        return gas


def as_large_as_minilm() -> Lie:
    """603 values; one of them is (128, 384) x (384, 1536)."""
    rng = np.random.default_rng(2)
    a, weights = _floats(rng, (128, 384)), _floats(rng, (384, 1536))
    constants = (*(_floats(rng, (64,)) for _ in range(99)), weights)
    shown = tuple(Constant(_type(each), tensor_root(each, DType.F32)) for each in constants)
    fills: list[Fill | MatMul] = [Fill(TensorType(DType.I32, ()), bits) for bits in range(502)]
    fills[350] = MatMul((0, 100), TensorType(DType.F32, (128, 1536)))
    value = 1 + len(constants) + 350
    program = Program((_type(a),), shown, tuple(fills), (value,))
    return Lie(RandomProgram(0, program, constants, (a,)), value, element=100_077)


def lie_in(family: str) -> Lie:
    """A small program with an instruction of that family, and the value that it makes."""
    for seed in range(1000):
        case = random_program(seed, max_instructions=10)
        first = case.program.first_instruction
        for value, instruction in enumerate(case.program.instructions, start=first):
            if type(instruction).__name__ == family and instruction.type.elements:
                return Lie(case, value, element=0)
    raise AssertionError(f"no random program has a {family}")


def results_of(case: RandomProgram) -> list[Array]:
    """Every value of an honest execution."""
    loaded = open_engine("wasm").load(case.program, case.constants)
    try:
        results = [array.copy() for array in loaded.trace(case.inputs)]
    finally:
        loaded.close()
    return [*case.inputs, *case.constants, *results]


def _floats(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    return rng.normal(size=tuple(shape)).astype("<f4")


def _type(array: Array) -> TensorType:
    return TensorType(DType.F32, array.shape)
