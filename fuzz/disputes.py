"""Disputes about random programs, for hours; an honest side that does not win is a defect.

    python fuzz/disputes.py --minutes 60               or --games 100000
    python fuzz/disputes.py --only 12345               one game again, after a failure

In two games of three the provider lies about one word of one value, and then of the steps that lead
to it, with as much truth in them as it likes; in the third it is honest, and the challenger doubts
with such a false memory. Runs that have no result (an index outside its axis) are in it too. Each
game is a function of its number. Exit status: 0 nothing found, 3 something, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from aivm.commitments import bundle_root, numpy_dtype, program_root
from aivm.dispute.game import Outcome, Rules, opened, played
from aivm.dispute.player import Challenger, Provider, fault_of
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Executed, Held, Values
from aivm.engines import open_engine
from aivm.errors import AivmError
from aivm.isa.program import Program
from aivm.receipts import Receipt, Tier, checked_address, job_id
from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import composed_program
from aivm.testing.liars import FalseMemory, said

RULES = Rules(window=86_400, clock=3_600)
NOW = 1_800_000_000
OWNER, SIGNER, DOUBTER, CLIENT = (checked_address("0x" + f"{n:02x}" * 20) for n in range(1, 5))
MOST_MOVES = 15  # with the opening, 16 transactions
KINDS = ("false word", "false word", "false doubt")


@dataclass(frozen=True)
class Game:
    """Two sides, and which of them is honest."""

    kind: str
    provider: Provider
    challenger: Challenger
    honest_provider: bool


def game_of(number: int) -> Game | None:
    """The game of that number; None where the program has nothing to lie about."""
    dice = np.random.Generator(np.random.PCG64([number, 2]))
    case = program_of(number, dice)
    with closing(open_engine("native").load(case.program, case.constants)) as executable:
        values = Executed(executable, case.constants, case.inputs)
        count = len(values.roots())
        true = Held(case.program, list(values.arrays(range(count)).values()))
    if count < len(case.program.value_types):
        return impossible(case, true, dice)
    return disagreement(KINDS[number % len(KINDS)], case, true, dice)


def program_of(number: int, dice: np.random.Generator) -> RandomProgram:
    kind = dice.random()
    if kind < 0.3:
        return composed_program(number)
    size = int(dice.choice([1, 6, 16, 40, 90]))
    return random_program(number, max_instructions=size, faults=kind > 0.9)


def disagreement(
    kind: str, case: RandomProgram, true: Values, dice: np.random.Generator
) -> Game | None:
    program = case.program
    there = [value for value, type_ in enumerate(program.value_types) if type_.elements]
    if not there:
        return None
    value = int(dice.choice(there))
    type_ = program.value_types[value]
    bits = 8 * type_.dtype.size_bytes
    flip = 1 << int(dice.integers(bits))
    if dice.random() < 0.3:
        flip = int.from_bytes(dice.bytes(type_.dtype.size_bytes), "little") or 1
    told = said(program, true, value, int(dice.integers(type_.elements)), flip)
    false = false_memory(program, told, dice)
    right = Trace(program, true)
    theirs, ours = (right, false) if kind == "false doubt" else (false, right)
    return game_between(kind, theirs, ours, right.roots)


def false_memory(program: Program, values: Values, dice: np.random.Generator) -> FalseMemory:
    share = float(dice.choice([0.0, 1.0, dice.random()]))
    lanes = dice.integers(16, size=int(dice.integers(3))).tolist()
    return FalseMemory(program, values, share=share, flip=1 << int(dice.integers(8)), lanes=lanes)


def impossible(case: RandomProgram, true: Values, dice: np.random.Generator) -> Game:
    """A provider who has a result where there is none."""
    program, given = case.program, len(true.roots())
    zeros = [np.zeros(t.shape, numpy_dtype(t.dtype)) for t in program.value_types[given:]]
    values = Held(program, [*true.arrays(range(given)).values(), *zeros])
    ours = Trace(program, true)
    theirs = false_memory(program, values, dice)
    return game_between("no result", theirs, ours, ours.roots)


def game_between(kind: str, theirs: Trace, ours: Trace, roots: Sequence[bytes]) -> Game:
    """About the provider's receipt; `roots` are the true ones, also of the inputs."""
    program = theirs.program
    root, model, channel = program_root(program), bytes([7]) * 32, bytes([8]) * 32
    inputs = bundle_root(roots[: program.first_constant])
    receipt = Receipt(
        job=job_id(channel, 1, model, root, inputs),
        model=model,
        program=root,
        inputs=inputs,
        outputs=bundle_root(theirs.roots[value] for value in program.outputs),
        client=CLIENT,
        provider=OWNER,
        channel=channel,
        sequence=1,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=NOW - 60,
    )
    tree = ProgramTree(program)
    fault = fault_of(ours) if len(ours.roots) < len(ours.types) else (0, 0)
    return Game(
        kind,
        Provider(receipt, tree, theirs),
        Challenger(receipt, tree, ours, fault),
        honest_provider=kind == "false doubt",
    )


def outcome_of(game: Game) -> tuple[Outcome, int]:
    """How a game ends, and after how many moves; a liar without a legal move is silent.

    Raises what an honest side raises.
    """
    tree, history = game.provider.program, []
    state = opened(RULES, game.provider.receipt, SIGNER, DOUBTER, tree.record(0), tree.path(0), NOW)
    while True:
        is_providers = state.phase.is_providers
        try:
            if is_providers:
                move, sender = game.provider.move(state), SIGNER
            else:
                move, sender = game.challenger.move(state, history), DOUBTER
            result = played(state, move, sender, NOW)
        except (AivmError, IndexError, AssertionError):
            if is_providers is game.honest_provider:
                raise
            return (Outcome.CONVICTED if is_providers else Outcome.ACQUITTED), len(history)
        history.append(move)
        if isinstance(result, Outcome):
            return result, len(history)
        assert len(history) < 4 * MOST_MOVES, "the game does not narrow"
        state = result


def finding(number: int) -> tuple[str, str | None]:
    """What kind of end the game of that number has, and what is wrong with it."""
    try:
        game = game_of(number)
        if game is None:
            return "nothing to lie about", None
        outcome, count = outcome_of(game)
    except Exception:  # whatever it is, an honest side has not won
        return "exception", traceback.format_exc(limit=-5)
    name = f"{game.kind}: {outcome.name.lower()}, {count:2} moves"
    if (outcome is Outcome.ACQUITTED) is not game.honest_provider:
        return name, "the honest side has lost"
    return name, f"{count} moves" if count > MOST_MOVES else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--games", type=int, default=0, help="at most so many; 0: without end")
    parser.add_argument("--seed", type=int, default=0, help="number of the first game")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one game again")
    arguments = parser.parse_args()
    if arguments.only is not None:
        ended, wrong = finding(arguments.only)
        print(f"{arguments.only}: {ended}\n{wrong or ''}")
        return 3 if wrong else 0
    end, number, found = time.monotonic() + arguments.minutes * 60, arguments.seed, 0
    ends: Counter[str] = Counter()
    while time.monotonic() < end and (not arguments.games or sum(ends.values()) < arguments.games):
        ended, wrong = finding(number)
        ends[ended] += 1
        if wrong:
            found += 1
            print(f"{number}: {ended}\n{wrong}", flush=True)
        number += 1
    for name, count in sorted(ends.items()):
        print(f"{count:9} {name}")
    print(f"{sum(ends.values())} games, {found} findings, next number {number}")
    return 3 if found else 0


if __name__ == "__main__":
    sys.exit(main())
