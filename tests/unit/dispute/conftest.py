"""Where games are played in these tests: receipts, honest sides, liars, and a table to play at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from aivm.commitments import Array, bundle_root, program_root
from aivm.dispute import moves
from aivm.dispute.game import Outcome, Rules, opened, played, timed_out
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.state import Form, Phase, State, decode_state
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Held
from aivm.engines import open_engine
from aivm.isa.program import Program
from aivm.receipts import Receipt, Tier, checked_address, job_id
from aivm.testing.programs import RandomProgram

RULES = Rules(window=7 * 86_400, clock=86_400)
NOW = 1_800_000_000
PROVIDER, SIGNER, CHALLENGER, CLIENT = (
    checked_address("0x" + f"{n:02x}" * 20) for n in range(1, 5)
)


def results_of(case: RandomProgram, engine: str = "reference") -> list[Array]:
    """Every value of an honest execution."""
    with closing(open_engine(engine).load(case.program, case.constants)) as executable:
        results = [array.copy() for array in executable.trace(case.inputs)]
    return [*case.inputs, *case.constants, *results]


def held(program: Program, values: Sequence[Array]) -> Trace:
    """A trace of values in memory."""
    return Trace(program, Held(program, values))


def receipt_of(
    program: Program, input_roots: Sequence[bytes], output_roots: Sequence[bytes]
) -> Receipt:
    model, channel, inputs = bytes([7]) * 32, bytes([8]) * 32, bundle_root(input_roots)
    root = program_root(program)
    return Receipt(
        job=job_id(channel, 1, model, root, inputs),
        model=model,
        program=root,
        inputs=inputs,
        outputs=bundle_root(output_roots),
        client=CLIENT,
        provider=PROVIDER,
        channel=channel,
        sequence=1,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=NOW - 60,
    )


def flipped(array: Array, element: int, bit: int) -> Array:
    """A copy with one bit of one element turned over."""
    copy = np.array(array, order="C")
    bytes_ = copy.reshape(-1).view(np.uint8)
    bytes_[element * copy.itemsize + bit // 8] ^= 1 << bit % 8
    return copy


@dataclass
class Table:
    """One receipt, its two sides, and the game that they play."""

    provider: Provider
    challenger: Challenger
    now: int = NOW
    states: list[State] = field(default_factory=list)
    history: list[Move] = field(default_factory=list)
    waits: int = 1  # seconds before every move
    silent: Phase | None = None  # where the mover says nothing

    def open(self) -> State:
        tree = self.provider.program
        receipt = self.provider.receipt
        state = opened(RULES, receipt, SIGNER, CHALLENGER, tree.record(0), tree.path(0), self.now)
        self.states.append(state)
        return state

    def play(self) -> Outcome:
        """Both sides move until the game ends."""
        return self.finish(self.open())

    def finish(self, state: State) -> Outcome:
        """Both sides move from this state on."""
        while True:
            assert decode_state(state.encode()) == state
            if state.phase is self.silent:
                self.now += RULES.clock + 1
                return timed_out(state, self.now)
            self.now += self.waits
            result = self.step(state)
            if isinstance(result, Outcome):
                return result
            state = result
            self.states.append(state)
            assert len(self.states) < 64, "the game does not narrow"

    def step(self, state: State) -> State | Outcome:
        is_providers = state.phase.is_providers
        move = (
            self.provider.move(state) if is_providers else self.challenger.move(state, self.history)
        )
        self.history.append(move)
        return played(state, move, SIGNER if is_providers else CHALLENGER, self.now)


class LiarWithStates(Provider):
    """Says of the steps whatever ends in what he has claimed, wrong from a segment on."""

    wrong_from: Callable[[int], int] = staticmethod(lambda count: count // 2)

    def move(self, state: State) -> Move:
        move = super().move(state)
        if isinstance(move, moves.RevealStates):
            width = state.form.words
            words = list(move.words)
            start = self.wrong_from(len(words) // width) * width
            words[start:] = [word ^ 1 for word in words[start:]]
            words[-1] = state.after[1]
            if state.form is Form.TWO:
                words[-2] = state.after[0]
            return moves.RevealStates(tuple(words))
        if isinstance(move, moves.RevealLanes) and state.end:
            lanes = list(move.lanes)
            lanes[(state.end - 1) % 16 if state.end < 16 else 5] ^= 1 << 12
            return moves.RevealLanes(tuple(lanes))
        return move


def table(
    case: RandomProgram,
    honest: Sequence[Array],
    claimed: Sequence[Array],
    liar: type[Provider] = Provider,
) -> Table:
    """A provider who claims these values, and a challenger who found the honest ones."""
    program, tree = case.program, ProgramTree(case.program)
    theirs, ours = held(program, claimed), held(program, honest)
    receipt = receipt_of(
        program, ours.roots[: program.first_constant], [theirs.roots[v] for v in program.outputs]
    )
    return Table(liar(receipt, tree, theirs), Challenger(receipt, tree, ours))
