"""P9: a dispute about MiniLM (batch 1, length 128) from its opening to the cheat's conviction.

    python benchmarks/dispute.py            prints tables, writes benchmarks/dispute.json

First, what people would see: a provider computes with one wrong bit in a weight of the last
feed-forward product (chains of 1536 steps) and defends what it has signed. Both sides are what
plays on any network, a `Conductor` with a worker process that runs the program again; the chain is
a local anvil that mines every transaction at once. Seconds run from the challenger's first look at
the receipt, with a worker that has yet to start, to the end of the game.

Then, a wrong bit in the last value of every kind of instruction that the model has. The figures of
P9 are the largest of all. Gas is that of every transaction sent until the game is over: the bond is
in it, with its allowance where the challenger has won nothing yet that pays for it, and so is the
verdict, which notes who gets what. Being paid out can wait for many verdicts; it stands by itself.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from court import Court
from measure import report, table
from minilm import inputs

from aivm import config
from aivm.chain.account import Account
from aivm.chain.cases import Case, Side, Status
from aivm.commitments import program_root, tensor_root, tensor_root_of_bytes
from aivm.devnet.model import prepare_package
from aivm.devnet.network import CHEAT_MODULE
from aivm.dispute.game import Outcome
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Executed, Held
from aivm.engines import open_engine
from aivm.errors import Mismatch
from aivm.isa import MatMul, Program
from aivm.litigation.seats import Brief
from aivm.packages import Package, PackageProgram, Programs
from aivm.receipts import SignedReceipt
from aivm.testing.liars import FalseMemory, said
from aivm.workers.pool import WorkerPool

MOST_ROUNDS, MOST_TRANSACTIONS, MOST_SECONDS = 10, 16, 5.0
MOST_GAS, MOST_DECIDING_GAS = 1_000_000, 150_000
GAMES = 3  # of those that are timed; the quickest counts


@dataclass(frozen=True)
class Figures:
    """What a game took. `deciding` is the gas of its last transaction, `step` that of the judge."""

    rounds: int
    transactions: int
    gas: int
    deciding: int
    step: int


@dataclass(frozen=True)
class Conducted:
    """A game between two conductors, with the gas of its transactions by hash."""

    case: Case
    seconds: float
    gas: dict[str, int]
    figures: Figures


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        publisher = Account.generate()
        package = prepare_package(Path(folder), config.load().cache_dir, publisher, lambda _: None)
        games, kinds, payout = asyncio.run(measured(package))
    result = summary(games, kinds, payout)
    report("dispute", result, text(games[0], kinds, result))
    return 0


async def measured(package: Package) -> tuple[list[Conducted], dict[str, Figures], int]:
    """The games between conductors, those about every kind, and the gas of paying one out."""
    given = inputs()
    found = Programs(package).find({name: array.shape for name, array in given.items()})
    async with Court.open() as court:
        brief, workers = Brief(package, given), WorkerPool(engine="native", module=CHEAT_MODULE)
        try:
            async with court.playing(Side.PROVIDER, brief, workers):
                first = await conducted(court, brief, found, workers)
                payout = sum((await court.paid_out()).values())
                others = [await conducted(court, brief, found, workers) for _ in range(GAMES - 1)]
        finally:
            await workers.stop()
        return [first, *others], await errors_in_every_kind(court, package, found), payout


# --- between conductors --------------------------------------------------------------------------


async def conducted(
    court: Court, brief: Brief, found: PackageProgram, cheat: WorkerPool
) -> Conducted:
    """A game about a receipt of the cheat's; the challenger starts from nothing."""
    signed = await receipt_of(court, brief, found, cheat)
    before = (await court.chain.block()).number
    started = time.perf_counter()
    workers = WorkerPool(engine="native")
    try:
        async with court.playing(Side.CHALLENGER, brief, workers) as challenger:
            game = await challenger.open(signed, brief.package, brief.inputs)
            case = await challenger.ended(game)
            seconds = time.perf_counter() - started
    finally:
        await workers.stop()
    if case.status is not Status.CONVICTED:
        raise Mismatch(f"the cheat's receipt ended as {case.status}")
    gas = await court.gas_since(before)
    return Conducted(case, seconds, gas, await figures(court, before, case.rounds))


async def receipt_of(
    court: Court, brief: Brief, found: PackageProgram, cheat: WorkerPool
) -> SignedReceipt:
    """What the cheat computes, and signs."""
    arrays = [brief.inputs[name] for name in found.input_names]
    shapes = {name: array.shape for name, array in brief.inputs.items()}
    model = brief.package.model_id
    blobs = [array.tobytes() for array in arrays]
    answers = await cheat.run(model.hex(), brief.package.directory, shapes, blobs)
    outputs = [
        tensor_root_of_bytes(kind.dtype, kind.shape, blob)
        for kind, blob in zip(found.output_types, answers, strict=True)
    ]
    return await court.signed(model, found.root, [tensor_root(each) for each in arrays], outputs)


async def figures(court: Court, before: int, rounds: int) -> Figures:
    """Of the game that is in the blocks after `before`."""
    gas = await court.gas_since(before)
    *_, last = gas
    step = await court.step_gas(last)
    return Figures(rounds, len(gas), sum(gas.values()), gas[last], step)


# --- an error anywhere ---------------------------------------------------------------------------


async def errors_in_every_kind(
    court: Court, package: Package, found: PackageProgram
) -> dict[str, Figures]:
    """By kind of instruction, a game about its last value."""
    program, arrays = found.program, [inputs()[name] for name in found.input_names]
    with closing(open_engine("native").load(program, found.constants)) as executable:
        values = Executed(executable, found.constants, arrays)
        every = values.arrays(range(len(program.value_types)))
    right = Held(program, [every[value] for value in sorted(every)])
    return {
        name: await error_in(court, package.model_id, program, right, value)
        for name, value in kinds_of(program).items()
    }


def kinds_of(program: Program) -> dict[str, int]:
    """The last value of every kind, and the largest product."""
    found, products = dict[str, int](), list[int]()
    for value, each in enumerate(program.instructions, start=program.first_instruction):
        function = getattr(each, "function", None)
        found[" ".join([type(each).__name__, *([function.name] if function else [])])] = value
        if isinstance(each, MatMul):
            products.append(value)
    sizes = [type_.size_bytes for type_ in program.value_types]
    return {**found, "MatMul, the largest": max(products, key=sizes.__getitem__)}


async def error_in(
    court: Court, model: bytes, program: Program, right: Held, value: int
) -> Figures:
    """A game about one wrong bit in the last element of a value, and in the steps to it."""
    last = program.value_types[value].elements - 1
    wrong = FalseMemory(program, said(program, right, value, last, flip=8))
    true, tree = Trace(program, right), ProgramTree(program)
    outputs = [wrong.roots[output] for output in program.outputs]
    signed = await court.signed(
        model, program_root(program), true.roots[: program.first_constant], outputs
    )
    receipt, before = signed.receipt, await court.chain.block()
    provider, challenger = Provider(receipt, tree, wrong), Challenger(receipt, tree, true)
    state = await court.opened(signed, tree)
    history: list[Move] = []
    rounds = 0
    while True:
        is_providers = state.phase.is_providers
        rounds += is_providers
        move = provider.move(state) if is_providers else challenger.move(state, history)
        result = await court.play(state, move, receipt)
        history.append(move)
        if isinstance(result, Outcome):
            break
        state = result
    if result is not Outcome.CONVICTED:
        raise Mismatch(f"an error in value {value} ended as {result.name}")
    return await figures(court, before.number, rounds)


# --- what came of it -----------------------------------------------------------------------------


def summary(
    games: Sequence[Conducted], kinds: Mapping[str, Figures], payout: int
) -> dict[str, Any]:
    """The figures, and P9's row."""
    every = [*(game.figures for game in games), *kinds.values()]
    worst = Figures(*(max(column) for column in zip(*map(astuple, every), strict=True)))
    seconds = min(game.seconds for game in games)
    met = (
        worst.rounds <= MOST_ROUNDS
        and worst.transactions <= MOST_TRANSACTIONS
        and seconds <= MOST_SECONDS
        and worst.gas <= MOST_GAS
        and worst.deciding <= MOST_DECIDING_GAS
    )
    figure = (
        f"{worst.rounds}, {worst.transactions}, {seconds:.1f} s, "
        f"{worst.gas / 1e6:.2f} M, {worst.deciding / 1e3:.0f} k"
    )
    goal = (
        f"<= {MOST_ROUNDS} rounds, {MOST_TRANSACTIONS} sent, {MOST_SECONDS:.0f} s, "
        f"{MOST_GAS / 1e6:.1f} M, {MOST_DECIDING_GAS / 1e3:.0f} k gas"
    )
    return {
        "conducted": asdict(games[0].figures),
        "seconds": [game.seconds for game in games],
        "payout": payout,
        "kinds": {name: asdict(found) for name, found in kinds.items()},
        "targets": {"P9": {"figure": figure, "goal": goal, "met": met}},
    }


def text(game: Conducted, kinds: Mapping[str, Figures], result: Mapping[str, Any]) -> str:
    entries = game.case.entries
    sent = {entry.transaction for entry in entries}
    rows: list[Sequence[object]] = [
        ["the bond's allowance", "challenger", spent]
        for transaction, spent in game.gas.items()
        if transaction not in sent
    ]
    rows += [[entry.move, str(entry.by), game.gas[entry.transaction]] for entry in entries]
    columns = ["a wrong bit in", "rounds", "transactions", "gas", "deciding", "step"]
    figures = {"a weight, conducted": game.figures, **kinds}
    return "\n".join(
        [
            table(["move", "by", "gas"], rows),
            "",
            table(columns, [[name, *astuple(found)] for name, found in figures.items()]),
            "",
            f"paying client and challenger out afterwards: {result['payout']:,} gas",
            f"seconds {' '.join(f'{each:.2f}' for each in result['seconds'])}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
