"""Games on a chain whose players know nothing but a docket: a provider who lies, and challengers.

Accounts by number: 0 governs, 1 is the provider, 2 its hot key, 3 and 4 are challengers, 5 is the
client, 6 a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from tests.unit.dispute.conftest import LiarWithStates, Table, flipped, results_of, table

from aivm.chain.cases import Case
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.dispute import Terms
from aivm.dispute.moves import Move
from aivm.isa import Fill, MatMul, Program, Reduce, Reduction, TensorType
from aivm.isa.instructions import Instruction
from aivm.numerics.dtypes import DType
from aivm.receipts import SignedReceipt, sign_receipt
from aivm.testing.programs import RandomProgram

STAKE = 5_000 * 10**18
MATMUL = MatMul((0, 1), TensorType(DType.F32, (12, 30)))
SUM = Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (12,)), 12, 70, 1)


def game_about(instruction: Instruction, *, lies: bool = True, values: int = 3) -> Table:
    """The last of at least `values` values is in doubt; a liar claims a wrong bit in it."""
    types = (TensorType(DType.F32, (12, 70)), TensorType(DType.F32, (70, 30)))
    fills = [Fill(TensorType(DType.I32, ()), bits) for bits in range(values - 3)]
    program = Program(types, (), (*fills, instruction), (values - 1,))
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in types)
    case = RandomProgram(0, program, (), inputs)
    honest = results_of(case)
    claimed = [*honest[:-1], flipped(honest[-1], 7, 3)] if lies else honest
    return table(case, honest, claimed, LiarWithStates)


@dataclass
class Court:
    """A chain with a staked provider, two challengers with bonds, and one table a receipt."""

    chain: Chain
    devchain: DevChain
    terms: Terms
    tables: dict[bytes, Table]  # by receipt hash

    @classmethod
    async def prepared(cls, chain: Chain, devchain: DevChain) -> Court:
        owner, provider, hot, *challengers = devchain.accounts[:5]
        terms = await chain.dispute.terms()
        await chain.token.transfer(owner, provider.address, STAKE)
        await chain.staking.register_provider(provider, hot.address, "https://p")
        await chain.token.approve(provider, chain.staking.address, STAKE)
        await chain.staking.stake(provider, STAKE)
        for account in challengers:
            await chain.token.transfer(owner, account.address, 3 * terms.bond)
            await chain.token.approve(account, chain.dispute.address, 3 * terms.bond)
        return cls(chain, devchain, terms, {})

    async def signed(self, game: Table) -> SignedReceipt:
        """The receipt of a table, as the provider signs it now."""
        _, provider, hot, _, _, client = self.devchain.accounts[:6]
        receipt = replace(
            game.provider.receipt,
            provider=provider.address,
            client=client.address,
            time=(await self.chain.block()).time,
        )
        return sign_receipt(receipt, self.chain.staking.domain, hot)

    async def open(self, game: Table, who: int = 3, signed: SignedReceipt | None = None) -> bytes:
        """A game about a table's receipt; returns its id."""
        signed = signed or await self.signed(game)
        tree, account = game.provider.program, self.devchain.accounts[who]
        opened = await self.chain.dispute.open(account, signed, tree.record(0), tree.path(0))
        game.provider = replace(game.provider, receipt=signed.receipt)
        game.challenger = replace(game.challenger, receipt=signed.receipt)
        self.tables[opened] = game
        return opened

    def move(self, case: Case) -> Move:
        """The next move, by a player who has nothing but its trace and this case."""
        game = self.tables[case.game]
        if case.state.phase.is_providers:
            return game.provider.move(case.state)
        return game.challenger.move(case.state, case.history(game.challenger.program))

    async def play(self, case: Case) -> int:
        """Make the next move; returns its gas."""
        mover = case.state.defender if case.state.phase.is_providers else case.challenger
        account = next(each for each in self.devchain.accounts if each.address == mover)
        sent = await self.chain.dispute.play(account, case.state, self.move(case), case.receipt)
        return sent.gas_used
