"""P9: a dispute about MiniLM (batch 1, length 128) from its opening to the cheat's conviction.

    python benchmarks/dispute.py            prints a table, writes benchmarks/dispute.json

The provider computes with one wrong bit in a weight of the last feed-forward product (chains of
1536 steps) and defends what it has signed. Both sides are what plays on any network, a `Conductor`
with a worker process that runs the program again; the chain is a local anvil that mines every
transaction at once. Seconds run from the challenger's first look at the receipt, with a worker that
has yet to start, to the end of the game. Gas is that of every transaction sent, the bond's
allowance too.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure import report, table
from minilm import inputs

from aivm import config
from aivm.chain import artifact
from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.cases import Case, Side, Status
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.docket import Docket
from aivm.commitments import Array, bundle_root, tensor_root, tensor_root_of_bytes
from aivm.devnet.model import prepare_package
from aivm.devnet.network import CHEAT_MODULE
from aivm.errors import Mismatch
from aivm.litigation.conductor import Conductor, litigation_policy
from aivm.litigation.seats import Brief
from aivm.litigation.tables import Pace
from aivm.packages import Package, Programs
from aivm.receipts import Receipt, SignedReceipt, Tier, job_id, sign_receipt
from aivm.workers.pool import WorkerPool

MOST_ROUNDS, MOST_TRANSACTIONS, MOST_SECONDS = 10, 16, 5.0
MOST_GAS, MOST_DECIDING_GAS = 1_000_000, 150_000
STAKE = 10_000 * 10**18
PACE = Pace(poll_seconds=0.02)
GAMES = 3  # the seconds are those of the quickest


@dataclass(frozen=True)
class Played:
    """A game that is over. `gas` is of all transactions, by hash, `step_gas` of the judge alone."""

    case: Case
    seconds: float
    gas: Mapping[str, int]
    step_gas: int


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        games = asyncio.run(play(Path(folder)))
    costliest = max(games, key=lambda game: sum(game.gas.values()))
    result = summary(costliest, [game.seconds for game in games])
    report("dispute", result, text(costliest, result))
    return 0


async def play(folder: Path) -> list[Played]:
    publisher = Account.generate()
    package = prepare_package(folder, config.load().cache_dir, publisher, lambda _: None)
    async with Court.open(package) as court:
        return [await court.dispute(sequence + 1) for sequence in range(GAMES)]


@dataclass
class Court:
    """A network, a staked provider, and a provider's conductor at work."""

    devchain: DevChain
    book: AddressBook
    chain: Chain
    package: Package
    cheat: WorkerPool

    @classmethod
    @asynccontextmanager
    async def open(cls, package: Package) -> AsyncIterator[Court]:
        async with AsyncExitStack() as stack:
            devchain = await stack.enter_async_context(DevChain.start())
            book = await devchain.deploy()
            chain = await stack.enter_async_context(await Chain.connect(devchain.url, book))
            cheat = WorkerPool(engine="native", module=CHEAT_MODULE)
            stack.push_async_callback(cheat.stop)
            court = cls(devchain, book, chain, package, cheat)
            await court._pay_in()
            await stack.enter_async_context(court._playing(1, cheat))
            yield court

    async def _pay_in(self) -> None:
        """The stake, and bonds for all games."""
        bank, provider, challenger = self.devchain.accounts[:3]
        token, staking = self.chain.token, self.chain.staking
        await token.transfer(bank, provider.address, STAKE)
        await staking.register_provider(provider, provider.address, "https://p")
        await token.approve(provider, staking.address, STAKE)
        await staking.stake(provider, STAKE)
        bond = (await self.chain.dispute.terms()).bond
        await token.transfer(bank, challenger.address, GAMES * bond)

    async def dispute(self, sequence: int) -> Played:
        """A game about a receipt of the cheat's; the challenger starts from nothing."""
        signed = await self._receipt(sequence)
        before = (await self.chain.block()).number
        started = time.perf_counter()
        workers = WorkerPool(engine="native")
        try:
            async with self._playing(2, workers) as challenger:
                game = await challenger.open(signed, self.package, inputs())
                case = await challenger.ended(game)
                seconds = time.perf_counter() - started
        finally:
            await workers.stop()
        if case.status is not Status.CONVICTED:
            raise Mismatch(f"the cheat's receipt ended as {case.status}")
        gas = await self._gas_since(before)
        step_gas = await self._step_gas(case.entries[-1].transaction)
        return Played(case, seconds, gas, step_gas)

    @asynccontextmanager
    async def _playing(self, number: int, workers: WorkerPool) -> AsyncIterator[Conductor]:
        """The conductor of that account at work, with a connection of its own."""
        account = self.devchain.accounts[number]
        side = Side.PROVIDER if number == 1 else Side.CHALLENGER
        policy = replace(litigation_policy(), slowest_poll_seconds=0.02)
        async with await Chain.connect(self.devchain.url, self.book, policy=policy) as chain:
            docket = Docket(chain)
            conductor = Conductor(
                chain, account, side, self._find, workers, docket, owner=account.address, pace=PACE
            )
            stop = asyncio.Event()
            task = asyncio.create_task(conductor.conduct(stop))
            try:
                yield conductor
            finally:
                stop.set()
                await task

    async def _find(self, receipt: Receipt) -> Brief:  # noqa: ARG002
        return Brief(self.package, inputs())

    async def _receipt(self, sequence: int) -> SignedReceipt:
        """What the cheat computes, and signs."""
        given = inputs()
        shapes = {name: array.shape for name, array in given.items()}
        found = Programs(self.package).find(shapes)
        ordered: list[Array] = [given[name] for name in found.input_names]
        model = self.package.model_id
        answers = await self.cheat.run(
            model.hex(), self.package.directory, shapes, [array.tobytes() for array in ordered]
        )
        outputs = [
            tensor_root_of_bytes(kind.dtype, kind.shape, blob)
            for kind, blob in zip(found.output_types, answers, strict=True)
        ]
        root = bundle_root(map(tensor_root, ordered))
        provider, channel = self.devchain.accounts[1], bytes(32)
        receipt = Receipt(
            job=job_id(channel, sequence, model, found.root, root),
            model=model,
            program=found.root,
            inputs=root,
            outputs=bundle_root(outputs),
            client=self.devchain.accounts[3].address,
            provider=provider.address,
            channel=channel,
            sequence=sequence,
            tier=Tier.OPTIMISTIC,
            numerics=1,
            time=(await self.chain.block()).time,
        )
        return sign_receipt(receipt, self.chain.staking.domain, provider)

    async def _gas_since(self, block: int) -> dict[str, int]:
        """Of all transactions in the blocks after that one, by hash."""
        rpc, last = self.devchain.rpc, (await self.chain.block()).number
        gas = {}
        for number in range(block + 1, last + 1):
            receipts: Sequence[Mapping[str, Any]] = await rpc.call(
                "eth_getBlockReceipts", hex(number)
            )
            gas |= {each["transactionHash"]: int(each["gasUsed"], 16) for each in receipts}
        return gas

    async def _step_gas(self, transaction: str) -> int:
        """What the call of the judge in a transaction used, all that it calls included."""
        selector = "0x" + artifact.load("OneStep").abi.functions["judge"].selector.hex()
        for call in await self.devchain.rpc.call("trace_transaction", transaction):
            if call["action"]["input"].startswith(selector):
                return int(call["result"]["gasUsed"], 16)
        raise Mismatch("the deciding transaction asks no judge")


def summary(game: Played, times: Sequence[float]) -> dict[str, Any]:
    """The figures, and P9's row; `times` are the seconds of all games."""
    total, seconds = sum(game.gas.values()), min(times)
    deciding = game.gas[game.case.entries[-1].transaction]
    rounds, transactions = game.case.rounds, len(game.gas)
    met = (
        rounds <= MOST_ROUNDS
        and transactions <= MOST_TRANSACTIONS
        and seconds <= MOST_SECONDS
        and total <= MOST_GAS
        and deciding <= MOST_DECIDING_GAS
    )
    figure = (
        f"{rounds}, {transactions}, {seconds:.1f} s, {total / 1e6:.2f} M, {deciding / 1e3:.0f} k"
    )
    goal = (
        f"<= {MOST_ROUNDS} rounds, {MOST_TRANSACTIONS} sent, {MOST_SECONDS:.0f} s, "
        f"{MOST_GAS / 1e6:.1f} M, {MOST_DECIDING_GAS / 1e3:.0f} k gas"
    )
    return {
        "rounds": rounds,
        "transactions": transactions,
        "seconds": list(times),
        "gas": total,
        "deciding_gas": deciding,
        "step_gas": game.step_gas,
        "targets": {"P9": {"figure": figure, "goal": goal, "met": met}},
    }


def text(game: Played, result: Mapping[str, Any]) -> str:
    entries = game.case.entries
    sent = {entry.transaction for entry in entries}
    rows: list[Sequence[object]] = [
        ["the bond's allowance", "challenger", spent]
        for transaction, spent in game.gas.items()
        if transaction not in sent
    ]
    rows += [[entry.move, str(entry.by), game.gas[entry.transaction]] for entry in entries]
    rows.append(["in all", "", sum(game.gas.values())])
    return "\n".join(
        [
            table(["move", "by", "gas"], rows),
            f"rounds {result['rounds']}, transactions {result['transactions']}, "
            f"seconds {' '.join(f'{each:.2f}' for each in result['seconds'])}",
            f"gas of the deciding transaction {result['deciding_gas']:,}, "
            f"of its judge's step alone {result['step_gas']:,}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
