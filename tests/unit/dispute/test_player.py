"""Honest players against liars of every kind: the honest side always wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aivm.commitments import merkle, tensor_root
from aivm.dispute import moves, narrowing, trees
from aivm.dispute.game import Outcome, played
from aivm.dispute.player import Challenger, Provider, fault_of
from aivm.dispute.state import Phase, State
from aivm.dispute.trace import ProgramTree
from aivm.errors import IllegalMove, InternalError
from aivm.isa import Fill, Gather, MatMul, Program, Reduce, Reduction, Scatter, Scattering
from aivm.isa.instructions import Instruction, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing.programs import RandomProgram, random_program

from .conftest import (
    CHALLENGER,
    SIGNER,
    LiarWithStates,
    Table,
    flipped,
    held,
    receipt_of,
    results_of,
    table,
)

FAMILIES = {
    "Map", "MatMul", "Reduce", "Move", "Gather", "Concat",
    "Cast", "Iota", "Fill", "Scatter", "Rank", "Random",
}  # fmt: skip


def case_with(family: str, seed: int) -> tuple[RandomProgram, int]:
    """A random program with an instruction of that family, and the value that it makes."""
    while True:
        case = random_program(seed, max_instructions=10)
        first = case.program.first_instruction
        for value, instruction in enumerate(case.program.instructions, start=first):
            if type(instruction).__name__ == family and instruction.type.elements:
                return case, value
        seed += 1000


@pytest.mark.parametrize("liar", [Provider, LiarWithStates])
@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_bit_in_any_family_is_convicted(
    family: str, seed: int, liar: type[Provider]
) -> None:
    case, value = case_with(family, seed)
    rng = np.random.default_rng(seed)
    honest = results_of(case)
    type_ = case.program.value_types[value]
    element = int(rng.integers(type_.elements))
    claimed = list(honest)
    claimed[value] = flipped(honest[value], element, int(rng.integers(type_.dtype.size_bytes * 8)))
    game = table(case, honest, claimed, liar)
    assert outcome(game) is Outcome.CONVICTED
    assert game.states[-1].value == value


def outcome(game: Table) -> Outcome:
    """The end of a game; a side that finds no legal move lets its time run out."""
    try:
        return game.play()
    except (IllegalMove, InternalError):
        is_providers = game.states[-1].phase.is_providers
        return Outcome.CONVICTED if is_providers else Outcome.ACQUITTED


def test_most_convictions_come_from_the_step_itself() -> None:
    ends = []
    for family in sorted(FAMILIES):
        case, value = case_with(family, 11)
        honest = results_of(case)
        claimed = [*honest]
        claimed[value] = flipped(honest[value], 0, 0)
        game = table(case, honest, claimed, LiarWithStates)
        assert game.play() is Outcome.CONVICTED
        ends.append(type(game.history[-1]).__name__)
    assert set(ends) <= {"ProveElement", "ProveStep", "ProveFinish", "Prove"}


def little(*instructions: Instruction, inputs: tuple[TensorType, ...]) -> Program:
    return Program(inputs, (), instructions, (len(inputs) + len(instructions) - 1,))


@pytest.mark.parametrize("which", ["input", "constant"])
def test_a_trace_over_another_input_or_constant_is_convicted(which: str) -> None:
    case = next(
        case
        for case in map(random_program, range(100))
        if case.program.constants and case.constants[0].size and case.inputs[0].size
    )
    honest = results_of(case)
    value = 0 if which == "input" else case.program.first_constant
    claimed = [*honest]
    claimed[value] = flipped(honest[value], 0, 1)
    game = table(case, honest, claimed)
    # What is committed to need not be what the program's record says.
    game.provider.trace.roots[value] = tensor_root(
        claimed[value], case.program.value_types[value].dtype
    )
    assert game.play() is Outcome.CONVICTED
    assert isinstance(game.history[-1], moves.ProveInput | moves.ProveConstant)


def test_a_right_trace_under_a_wrong_output_is_convicted() -> None:
    case = random_program(5)
    honest = results_of(case)
    game = table(case, honest, honest)
    roots = game.provider.trace.roots
    wrong = [bytes([1]) * 32, *(roots[value] for value in case.program.outputs[1:])]
    receipt = receipt_of(case.program, roots[: case.program.first_constant], wrong)

    class Boaster(Provider):
        def move(self, state: State) -> moves.Move:
            move = super().move(state)
            return replace(move, outputs=tuple(wrong)) if isinstance(move, moves.Commit) else move

    game.provider = Boaster(receipt, game.provider.program, game.provider.trace)
    game.challenger = replace(game.challenger, receipt=receipt)
    assert game.play() is Outcome.CONVICTED
    assert isinstance(game.history[-1], moves.ProveOutput)


@pytest.mark.parametrize("family", ["gather", "scatter"])
def test_a_run_that_has_no_result_is_convicted(family: str) -> None:
    data, index = TensorType(DType.F32, (300,)), TensorType(DType.I64, (90,))
    updates = TensorType(DType.F32, (90,))
    gather = Gather((0, 1), updates, 1, 300, 1)
    scatter = Scatter(Scattering.ADD, (0, 1, 2), data, 1, 300, 1)
    instruction = gather if family == "gather" else scatter
    program = little(instruction, inputs=(data, index, updates))
    rng = np.random.default_rng(1)
    indices = rng.integers(-300, 300, 90)
    indices[77] = 300
    inputs = [rng.normal(size=300).astype("<f4"), indices, rng.normal(size=90).astype("<f4")]
    claimed = held(program, [*inputs, np.zeros(instruction.type.shape, "<f4")])
    receipt = receipt_of(program, claimed.roots[:3], claimed.roots[3:])
    ours = held(program, inputs)
    tree = ProgramTree(program)
    liar = (LiarWithStates if family == "scatter" else Provider)(receipt, tree, claimed)
    game = Table(liar, Challenger(receipt, tree, ours, fault_of(ours)))
    assert game.play() is Outcome.CONVICTED
    assert isinstance(game.history[-1], moves.ProveElement | moves.ProveStep)


LONG = [
    ("matmul", MatMul((0, 1), TensorType(DType.F32, (2, 3)))),
    ("sum", Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (2,)), 2, 2500, 1)),
    ("arg", Reduce(Reduction.ARG_MAX, (0,), TensorType(DType.I64, (2,)), 2, 2500, 1)),
    ("max", Reduce(Reduction.MAX, (0,), TensorType(DType.F32, (2,)), 2, 2500, 1)),
]


@pytest.mark.parametrize("liar", [Provider, LiarWithStates])
@pytest.mark.parametrize(("name", "instruction"), LONG)
def test_long_chains_narrow_in_few_rounds(
    name: str, instruction: Instruction, liar: type[Provider]
) -> None:
    types = (TensorType(DType.F32, (2, 2500)), TensorType(DType.F32, (2500, 3)))
    program = little(instruction, inputs=types)
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in types)
    case = RandomProgram(0, program, (), inputs)
    honest = results_of(case)
    claimed = [*honest[:2], flipped(honest[2], 1, 3)]
    game = table(case, honest, claimed, liar)
    assert outcome(game) is Outcome.CONVICTED
    rounds = sum(isinstance(move, moves.PickStep | moves.ProveStep) for move in game.history)
    assert rounds <= 3, name


def long_game(instruction: Instruction) -> Table:
    """More than 64 values, more than 64 leaves, and a chain of some length in the last value."""
    types = (TensorType(DType.F32, (120, 300)), TensorType(DType.F32, (300, 280)))
    fills = [Fill(TensorType(DType.I32, ()), bits) for bits in range(70)]
    program = little(*fills, instruction, inputs=types)
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in types)
    case = RandomProgram(0, program, (), inputs)
    honest = results_of(case)
    claimed = [*honest[:-1], flipped(honest[-1], 77, 3)]
    return table(case, honest, claimed, LiarWithStates)


SILENT_IN = [
    (MatMul((0, 1), TensorType(DType.F32, (120, 280))), set(Phase) - {
        Phase.PROVE_SOURCE, Phase.REVEAL_LANES, Phase.PICK_LANE, Phase.PROVE
    }),
    (Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (120,)), 120, 300, 1), {
        Phase.REVEAL_LANES, Phase.PICK_LANE
    }),
    (Reduce(Reduction.SUM, (0,), TensorType(DType.F32, (7200,)), 7200, 5, 1), {Phase.PROVE}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "phase"),
    [(instruction, phase) for instruction, phases in SILENT_IN for phase in sorted(phases)],
)
def test_silence_loses(instruction: Instruction, phase: Phase) -> None:
    game = long_game(instruction)
    game.silent = phase
    assert game.play() is (Outcome.CONVICTED if phase.is_providers else Outcome.ACQUITTED)
    assert game.states[-1].phase is phase


class Stubborn(Challenger):
    """Doubts what is right: picks something, wherever a move is legal."""

    def move(self, state: State, history: Sequence[moves.Move]) -> moves.Move:
        rng = np.random.default_rng(len(history))
        posted = history[-1]
        if isinstance(posted, moves.Commit | moves.Reveal | moves.RevealTensor):
            in_trace = state.phase is Phase.PICK_VALUE
            at_leaves = in_trace and state.level <= 6
            nodes = [merkle.leaf_hash(n) if at_leaves else n for n in posted.nodes]
            position = int(rng.integers(len(nodes)))
            path = trees.frontier_path(nodes, position)
            return moves.Pick(position, posted.nodes[position], path)
        if isinstance(posted, moves.RevealLanes):
            return moves.PickLane(0, posted.lanes)
        if isinstance(posted, moves.RevealStates):
            pick = moves.pick_step(0, posted.words, state.form)
            step = narrowing.pick_step(state, pick, CHALLENGER)
            return (
                pick if step.phase is not Phase.PROVE else moves.ProveStep(pick, self._prove(step))
            )
        if isinstance(posted, moves.RevealLeaves):
            mine = bytes(self.trace.data(state.value))
            assert mine[(state.index << state.level) * 256 :][: len(posted.data)] == posted.data
            if not posted.data:
                raise InternalError("nothing to doubt")
            flipped_ = bytes([posted.data[0] ^ 1]) + posted.data[1:]
            move = self._pick_element(state, history, flipped_)
            leaves = merkle.split(posted.data)
            is_proof = isinstance(move, moves.ProveElement)
            element = (move.pick if is_proof else move).element
            pick = self._opened(state, history, element, leaves)
            return replace(move, pick=pick) if is_proof else pick
        return super().move(state, history)


@pytest.mark.parametrize("seed", range(40))
def test_an_honest_provider_is_never_convicted(seed: int) -> None:
    case = random_program(seed)
    honest = results_of(case)
    game = table(case, honest, honest)
    game.challenger = Stubborn(game.provider.receipt, game.provider.program, game.provider.trace)
    assert outcome(game) is Outcome.ACQUITTED
    assert not game.states[-1].phase.is_providers


def test_an_honest_challenger_of_an_honest_provider_has_nothing_to_say() -> None:
    case = random_program(1)
    honest = results_of(case)
    game = table(case, honest, honest)
    assert outcome(game) is Outcome.ACQUITTED
    assert game.states[-1].phase is Phase.PICK_VALUE


def test_only_the_mover_moves_and_only_in_time() -> None:
    case, value = case_with("MatMul", 0)
    honest = results_of(case)
    claimed = [*honest]
    claimed[value] = flipped(honest[value], 0, 0)
    game = table(case, honest, claimed)
    outcome(game)
    now = game.now + 10
    for state, move in zip(game.states, game.history, strict=False):
        other = CHALLENGER if state.phase.is_providers else SIGNER
        with pytest.raises(IllegalMove, match="not the one to move"):
            played(state, move, other, now)
        mover = SIGNER if state.phase.is_providers else CHALLENGER
        with pytest.raises(IllegalMove, match="time is over"):
            played(state, move, mover, now + 10 * 86_400)
        for foreign in game.states:
            if foreign.phase is not state.phase:
                with pytest.raises(IllegalMove):
                    played(foreign, move, mover, now)
