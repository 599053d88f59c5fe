"""A local chain for disputes: a staked provider, a challenger with bonds, what their moves cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.cases import Side
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.docket import Docket
from aivm.commitments import bundle_root
from aivm.dispute.game import Outcome, opened, played
from aivm.dispute.moves import Move
from aivm.dispute.state import State
from aivm.dispute.trace import ProgramTree
from aivm.errors import Mismatch
from aivm.litigation.collecting import compensate_client, withdraw_credit
from aivm.litigation.conductor import Conductor, litigation_policy
from aivm.litigation.seats import Brief
from aivm.litigation.tables import Pace
from aivm.receipts import Receipt, SignedReceipt, Tier, job_id, sign_receipt
from aivm.workers.pool import WorkerPool

STAKE = 1_000_000 * 10**18
BONDS = 100
PACE = Pace(poll_seconds=0.02)
CHANNEL = bytes(32)


@dataclass
class Court:
    """A network of its own."""

    devchain: DevChain
    book: AddressBook
    chain: Chain
    sequence: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Court]:
        async with AsyncExitStack() as stack:
            devchain = await stack.enter_async_context(DevChain.start())
            book = await devchain.deploy()
            chain = await stack.enter_async_context(await Chain.connect(devchain.url, book))
            court = cls(devchain, book, chain)
            await court._pay_in()
            yield court

    @property
    def provider(self) -> Account:
        return self.devchain.accounts[1]

    @property
    def challenger(self) -> Account:
        return self.devchain.accounts[2]

    async def _pay_in(self) -> None:
        """The stake, and bonds for many games."""
        bank, token, staking = self.devchain.accounts[0], self.chain.token, self.chain.staking
        await token.transfer(bank, self.provider.address, STAKE)
        await staking.register_provider(self.provider, self.provider.address, "https://p")
        await token.approve(self.provider, staking.address, STAKE)
        await staking.stake(self.provider, STAKE)
        bond = (await self.chain.dispute.terms()).bond
        await token.transfer(bank, self.challenger.address, BONDS * bond)

    async def signed(
        self, model: bytes, program: bytes, inputs: Sequence[bytes], outputs: Sequence[bytes]
    ) -> SignedReceipt:
        """The provider's receipt about a run; inputs and outputs by their tensor roots."""
        self.sequence += 1
        root = bundle_root(inputs)
        receipt = Receipt(
            job=job_id(CHANNEL, self.sequence, model, program, root),
            model=model,
            program=program,
            inputs=root,
            outputs=bundle_root(outputs),
            client=self.devchain.accounts[3].address,
            provider=self.provider.address,
            channel=CHANNEL,
            sequence=self.sequence,
            tier=Tier.OPTIMISTIC,
            numerics=1,
            time=await self._now(),
        )
        return sign_receipt(receipt, self.chain.staking.domain, self.provider)

    @asynccontextmanager
    async def playing(
        self, side: Side, brief: Brief, workers: WorkerPool
    ) -> AsyncIterator[Conductor]:
        """That side's conductor at work, with a connection of its own."""

        async def find(_: Receipt) -> Brief:
            return brief

        account = self.provider if side is Side.PROVIDER else self.challenger
        policy = replace(litigation_policy(), slowest_poll_seconds=PACE.poll_seconds)
        async with await Chain.connect(self.devchain.url, self.book, policy=policy) as chain:
            conductor = Conductor(
                chain, account, side, find, workers, Docket(chain), owner=account.address, pace=PACE
            )
            stop = asyncio.Event()
            task = asyncio.create_task(conductor.conduct(stop))
            try:
                yield conductor
            finally:
                stop.set()
                await task

    async def opened(self, signed: SignedReceipt, tree: ProgramTree) -> State:
        """A game of the challenger's by hand, the bond from what earlier ones have won."""
        header, dispute = (tree.record(0), tree.path(0)), self.chain.dispute
        terms = await dispute.terms()
        await dispute.open(self.challenger, signed, *header)
        people, now = (self.provider.address, self.challenger.address), await self._now()
        return opened(terms.rules, signed.receipt, *people, *header, now)

    async def play(self, state: State, move: Move, receipt: Receipt) -> State | Outcome:
        """A move of whoever is to move."""
        account = self.provider if state.phase.is_providers else self.challenger
        await self.chain.dispute.play(account, state, move, receipt)
        return played(state, move, account.address, await self._now())

    async def _now(self) -> int:
        return (await self.chain.block()).time

    async def paid_out(self) -> dict[str, int]:
        """Pays the clients and the challenger what the games so far have brought; the gas of it."""
        before, docket = (await self.chain.block()).number, Docket(self.chain)
        await docket.poll()
        for case in docket.cases:
            await compensate_client(self.chain, self.challenger, case.receipt)
        await withdraw_credit(self.chain, self.challenger)
        return await self.gas_since(before)

    async def gas_since(self, block: int) -> dict[str, int]:
        """Of all transactions in the blocks after that one, by hash, in their order."""
        rpc, last = self.devchain.rpc, (await self.chain.block()).number
        gas = {}
        for number in range(block + 1, last + 1):
            receipts: Sequence[Mapping[str, Any]] = await rpc.call(
                "eth_getBlockReceipts", hex(number)
            )
            gas |= {each["transactionHash"]: int(each["gasUsed"], 16) for each in receipts}
        return gas

    async def step_gas(self, transaction: str) -> int:
        """What the judge used in a transaction: to check what was opened, and compute the step."""
        judge = self.book["OneStep"].address.lower()
        for call in await self.devchain.rpc.call("trace_transaction", transaction):
            if call["action"].get("to", "").lower() == judge:
                return int(call["result"]["gasUsed"], 16)
        raise Mismatch("the deciding transaction asks no judge")
