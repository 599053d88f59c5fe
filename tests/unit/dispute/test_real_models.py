"""Disputes about models that people run: every error is convicted, soon; nothing true ever is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.adversity.lies import lies

from aivm.dispute import moves
from aivm.dispute.game import Outcome, played
from aivm.dispute.moves import Move
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.state import Phase, State
from aivm.dispute.trace import Trace
from aivm.dispute.values import Executed
from aivm.engines import open_engine
from aivm.errors import IllegalMove, InternalError
from aivm.isa.instructions import Fill, Map, MatMul, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.testing.liars import FalseMemory, Said
from aivm.testing.small_models import small_models

from .conftest import CHALLENGER, SIGNER, Table, receipt_of
from .real_models import (
    Subject,
    digits,
    dispute,
    lie,
    minilm,
    of_every_kind,
    quantised_digits,
    quantised_minilm,
    small,
    subjects_of_catalogue,
)

MOST_ROUNDS, MOST_TRANSACTIONS = 10, 16  # P9

SUBJECTS: dict[str, Callable[[], Subject]] = {
    "digits": digits,
    "quantised digits": quantised_digits,
    "minilm": minilm,
    "quantised minilm": quantised_minilm,
}
LARGE = ("minilm", "quantised minilm")


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in SUBJECTS
    ]
)
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]()


def rounds(game: Table) -> int:
    """How often the provider showed something, and the challenger chose from it."""
    return sum(state.phase.is_providers for state in game.states)


def end(game: Table, state: State) -> Outcome:
    """The end of a game; a side that finds no legal move lets its time run out."""
    try:
        return game.finish(state)
    except (IllegalMove, InternalError):
        is_providers = game.states[-1].phase.is_providers
        return Outcome.CONVICTED if is_providers else Outcome.ACQUITTED


def assert_convicted(subject: Subject, told: Said) -> Table:
    game = dispute(subject, FalseMemory(subject.program, told))
    assert game.play() is Outcome.CONVICTED
    assert game.states[-1].value == told.value
    assert rounds(game) <= MOST_ROUNDS
    assert 1 + len(game.history) <= MOST_TRANSACTIONS  # with the opening
    return game


# --- lies ----------------------------------------------------------------------------------------


def test_a_wrong_bit_in_any_kind_of_instruction_is_convicted(subject: Subject) -> None:
    rng = np.random.default_rng(3)
    for value, instruction in of_every_kind(subject.program):
        elements, bits = instruction.type.elements, instruction.type.dtype.size_bytes * 8
        for element in {0, elements - 1, int(rng.integers(elements))}:
            told = lie(subject, value, element, bit=int(rng.integers(bits)))
            game = assert_convicted(subject, told)
            assert _element(game) == element


def _element(game: Table) -> int:
    last = game.history[-1]
    is_at_once = isinstance(last, moves.ProveElement)  # else the state before names it already
    return last.pick.element if is_at_once else game.states[-1].element


NANS = (0x7FC0_0001, 0xFFC0_0000, 0x7F80_0001)  # other ones than the canonical
ODD_WORDS = (*NANS, 0x7FC0_0000, 0x7F80_0000, 0xFF80_0000, 0, 1 << 31, 1)


def test_any_wrong_word_is_convicted(subject: Subject) -> None:
    families = {type(each).__name__: value for value, each in of_every_kind(subject.program)}
    for name in ("Map", "MatMul", "Reduce", "Move"):
        value = families[name]
        for word in ODD_WORDS:
            told = lie(subject, value, 1 % subject.types[value].elements, word)
            if told.roots()[value] != subject.roots[value]:
                assert_convicted(subject, told)
        for bit in (0, 22, 23, 31):
            assert_convicted(subject, lie(subject, value, 0, bit=bit))


def test_a_nan_with_a_payload_in_place_of_the_canonical_one_is_convicted() -> None:
    images = digits().inputs[0].copy()
    images[0, 0, 3, 3] = np.inf
    subject = replace(digits(), inputs=(images,))
    found = subject.values().arrays(range(len(subject.types)))
    nans = [
        (value, int(np.flatnonzero(np.isnan(found[value]))[0]))
        for value, _ in subject.instructions()
        if np.isnan(found[value]).any()
    ]
    assert len(nans) > 3
    for value, element in nans:
        for word in NANS:
            assert_convicted(subject, lie(subject, value, element, word))


def test_another_input_or_constant_is_convicted(subject: Subject) -> None:
    program = subject.program
    for value in (0, program.first_constant, program.first_instruction - 1):
        game = assert_convicted(subject, lie(subject, value, 0))
        last = moves.ProveInput if value < program.first_constant else moves.ProveConstant
        assert isinstance(game.history[-1], last)


def test_a_weight_that_is_used_otherwise_than_it_is_committed_to_is_convicted(
    subject: Subject,
) -> None:
    """Such a cheat need not lie in the game: it shows what it has computed."""
    program = subject.program
    value = max(
        operand
        for each in program.instructions
        if isinstance(each, MatMul)
        for operand in each.operands
        if operand < program.first_instruction
    )
    constants = [*subject.constants]
    weights = constants[value - program.first_constant].copy()
    weights.reshape(-1).view(np.uint8)[weights.itemsize - 1 :: weights.itemsize] ^= 0x80  # signs
    constants[value - program.first_constant] = weights
    executable = open_engine("native").load(program, constants)
    cheat = Trace(program, Executed(executable, constants, subject.inputs))
    game = dispute(subject, cheat)
    assert game.play() is Outcome.CONVICTED
    assert value in cheat.instruction(game.states[-1].value).operands
    executable.close()


def test_a_wrong_output_over_a_right_trace_is_convicted(subject: Subject) -> None:
    wrong = tuple(bytes([number]) * 32 for number, _ in enumerate(subject.program.outputs))

    class Boaster(Provider):
        def move(self, state: State) -> Move:
            move = super().move(state)
            return replace(move, outputs=wrong) if isinstance(move, moves.Commit) else move

    inputs = subject.roots[: subject.program.first_constant]
    receipt = receipt_of(subject.program, inputs, wrong)
    honest = subject.honest()
    game = Table(Boaster(receipt, subject.tree, honest), Challenger(receipt, subject.tree, honest))
    assert game.play() is Outcome.CONVICTED
    assert isinstance(game.history[-1], moves.ProveOutput)


@pytest.mark.parametrize("name", small_models())
def test_a_wrong_bit_anywhere_in_a_small_model_is_convicted(name: str) -> None:
    subject = small(name)
    for value, instruction in subject.instructions():
        for element in {0, instruction.type.elements - 1}:
            assert_convicted(subject, lie(subject, value, element))


def test_a_wrong_bit_in_every_instruction_of_the_catalogue_is_convicted() -> None:
    rng = np.random.default_rng(1)
    count = 0
    for subject in subjects_of_catalogue():
        value = len(subject.types) - 1
        type_ = subject.types[value]
        for element in {0, type_.elements - 1}:
            told = lie(subject, value, element, bit=int(rng.integers(8 * type_.dtype.size_bytes)))
            assert_convicted(subject, told)
            count += 1
        subject.executable.close()
    assert count > 700


class Rootless(Said):
    """Says a root of which nothing is the tensor."""

    def roots(self) -> list[bytes]:
        roots = super().roots()
        return [*roots[: self.value], bytes(32), *roots[self.value + 1 :]]


def test_a_root_that_no_tensor_stands_behind_convicts_by_silence() -> None:
    none = Program((), (), (Fill(TensorType(DType.F32, (3, 0)), 0),), (0,))
    empty = Subject(none, (), ())
    cases = [(empty, 0), *((digits(), value) for value in of_every_family(digits().program))]
    for subject, value in cases:
        true = subject.known()
        told = Rootless(subject.program, true, value, true.arrays({value})[value])
        game = dispute(subject, Trace(subject.program, told))
        assert end(game, game.open()) is Outcome.CONVICTED
        assert game.states[-1].phase.is_providers


def test_a_type_that_no_tensor_has_is_refused() -> None:
    subject = digits()
    game = dispute(subject, FalseMemory(subject.program, lie(subject, 28, 0)))
    assert game.play() is Outcome.CONVICTED
    pairs = zip(game.states, game.history, strict=True)
    state, shown = next(pair for pair in pairs if isinstance(pair[1], moves.RevealTensor))
    for shape in ((1 << 32,), (1,) * 9, (-1, 10), ((1 << 32) - 1, 256), (1 << 20, 1 << 20)):
        move = replace(shown, type=TensorType(DType.F32, shape))
        with pytest.raises(IllegalMove):
            played(state, move, SIGNER, state.since + 1)


# --- liars at every move -------------------------------------------------------------------------


def of_every_family(program: Program) -> list[int]:
    """The last value of every family."""
    first = program.first_instruction
    found = {type(each): first + at for at, each in enumerate(program.instructions)}
    return list(found.values())


def some(truth: Move, rng: np.random.Generator) -> list[Move]:
    """Moves with one thing wrong."""
    told = [wrong for _, wrong in lies(truth)]
    return [told[number] for number in rng.permutation(len(told))[:60]]


def test_a_liar_who_changes_any_one_thing_that_he_shows_is_convicted(subject: Subject) -> None:
    rng = np.random.default_rng(5)
    accepted = 0
    for value in of_every_family(subject.program):
        game = dispute(subject, FalseMemory(subject.program, lie(subject, value, 0)))
        assert game.play() is Outcome.CONVICTED
        for turn, (state, move) in enumerate(zip(game.states, game.history, strict=True)):
            if not state.phase.is_providers:
                continue
            for other in some(move, rng):
                try:
                    result = played(state, other, SIGNER, state.since + 1)
                except IllegalMove:
                    continue
                assert isinstance(result, State)
                accepted += 1
                again = replace(
                    game,
                    now=result.since,
                    states=[*game.states[: turn + 1], result],
                    history=[*game.history[:turn], other],
                )
                assert end(again, result) is Outcome.CONVICTED, (value, other)
    assert accepted > 3


def test_a_challenger_who_has_run_another_program_convicts_nobody() -> None:
    subject = digits()
    program, first = subject.program, subject.program.first_instruction
    value = next(
        value
        for value, each in subject.instructions()
        if isinstance(each, Map) and each.function is Function.SUB
    )
    instructions = [*program.instructions]
    instructions[value - first] = replace(instructions[value - first], function=Function.ADD)
    other = replace(program, instructions=tuple(instructions))
    believed = replace(subject, program=other)
    game = dispute(subject, subject.honest())
    game.challenger = replace(game.challenger, program=believed.tree, trace=believed.honest())
    assert end(game, game.open()) is Outcome.ACQUITTED
    assert game.states[-1].value == value
    assert game.states[-1].phase is Phase.PICK_ELEMENT


def test_a_challenger_of_what_is_right_loses_whatever_he_changes(subject: Subject) -> None:
    rng = np.random.default_rng(6)
    reached = set()
    for value in of_every_family(subject.program):
        game = dispute(subject, subject.honest())
        believed = FalseMemory(subject.program, lie(subject, value, 0, bit=0))
        game.challenger = replace(game.challenger, trace=believed)
        assert end(game, game.open()) is Outcome.ACQUITTED
        assert not game.states[-1].phase.is_providers
        for state, move in zip(game.states, game.history, strict=False):
            if state.phase.is_providers:
                continue
            reached.add(state.phase)
            for other in [move, *some(move, rng)]:
                try:
                    result = played(state, other, CHALLENGER, state.since + 1)
                except IllegalMove:
                    continue
                assert result is not Outcome.CONVICTED, other
    assert len(reached) > 3
