"""Values computed again for every question are those that a run gives, and none is kept."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest

from aivm.commitments import Array, tensor_root
from aivm.dispute.game import Outcome
from aivm.dispute.player import Challenger, Provider, fault_of
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Executed, Held
from aivm.engines import Executable, open_engine
from aivm.errors import InvalidIndex, WrongTensor
from aivm.isa import Constant, Gather, Map, Program
from aivm.isa.instructions import TensorType
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType
from aivm.testing.programs import RandomProgram, random_program

from .conftest import LiarWithStates, Table, flipped, held, receipt_of, results_of


@dataclass
class Watched:
    """An executable that says how far its traces came, and which results still live."""

    inner: Executable
    ran: list[int] = field(default_factory=list)
    seen: list[weakref.ref[Array]] = field(default_factory=list)
    most_alive: int = 0

    @property
    def program(self) -> Program:
        return self.inner.program

    @property
    def alive(self) -> int:
        return sum(array() is not None for array in self.seen)

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        self.ran.append(0)
        for array in self.inner.trace(inputs):
            self.ran[-1] += 1
            self.seen.append(weakref.ref(array))
            self.most_alive = max(self.most_alive, self.alive)
            yield array


def executed(case: RandomProgram) -> tuple[Watched, Executed]:
    watched = Watched(open_engine("native").load(case.program, case.constants))
    return watched, Executed(watched, case.constants, case.inputs)


@pytest.mark.parametrize("seed", range(8))
def test_roots_and_values_are_those_of_a_run(seed: int) -> None:
    case = random_program(seed, max_instructions=12)
    honest = results_of(case)
    _, values = executed(case)
    assert values.roots() == Held(case.program, honest).roots()
    for wanted in ({0}, {len(honest) - 1}, {0, len(honest) // 2}, set(range(len(honest)))):
        found = values.arrays(wanted)
        assert set(found) == wanted
        for value, array in found.items():
            assert array.tobytes() == honest[value].tobytes()


def test_only_what_is_asked_for_is_kept_and_computed() -> None:
    case = random_program(3, max_instructions=30)
    first, count = case.program.first_instruction, len(case.program.instructions)
    watched, values = executed(case)
    values.roots()
    assert (watched.ran, watched.most_alive) == ([count], 2)  # one, and the next one in the making
    values.arrays({0, first - 1})
    assert watched.ran == [count]
    found = values.arrays({first + 2})
    assert watched.ran == [count, 3]
    assert watched.alive == len(found) == 1


def test_a_game_runs_the_program_a_few_times_whatever_the_number_of_rounds() -> None:
    case = next(
        case
        for case in (random_program(seed, max_instructions=40) for seed in range(99))
        if any(type(each).__name__ == "MatMul" for each in case.program.instructions)
    )
    honest = results_of(case)
    value = next(
        value
        for value, each in enumerate(case.program.instructions, case.program.first_instruction)
        if type(each).__name__ == "MatMul"
    )
    claimed = [*honest]
    claimed[value] = flipped(honest[value], 0, 0)
    theirs = held(case.program, claimed)
    watched, values = executed(case)
    receipt = receipt_of(
        case.program,
        theirs.roots[: case.program.first_constant],
        [theirs.roots[output] for output in case.program.outputs],
    )
    tree = ProgramTree(case.program)
    provider = LiarWithStates(receipt, tree, theirs)
    game = Table(provider, Challenger(receipt, tree, Trace(case.program, values)))
    assert game.play() is Outcome.CONVICTED
    assert game.states[-1].value == value
    assert len(watched.ran) == 2  # for the roots, and for the value with its operands


F32 = TensorType(DType.F32, (3,))


def test_values_end_where_a_run_meets_a_fault() -> None:
    index = TensorType(DType.I64, (2,))
    program = Program(
        (F32, index),
        (),
        (
            Map(Function.NEG, (0,), F32),
            Gather((2, 1), TensorType(DType.F32, (2,)), 1, 3, 1),
            Map(Function.NEG, (2,), F32),
        ),
        (4,),
    )
    inputs = (np.ones(3, "<f4"), np.array([0, 3]))
    claimed = [*inputs, -inputs[0], np.zeros(2, "<f4"), inputs[0]]
    with closing(open_engine("native").load(program, ())) as executable:
        with pytest.raises(InvalidIndex):
            list(executable.trace(inputs))
        ours = Trace(program, Executed(executable, (), inputs))
        assert len(ours.roots) == 3
        assert fault_of(ours) == (1, 0)
        theirs, tree = held(program, claimed), ProgramTree(program)
        receipt = receipt_of(program, theirs.roots[:2], theirs.roots[4:])
        challenger = Challenger(receipt, tree, ours, fault_of(ours))
        game = Table(Provider(receipt, tree, theirs), challenger)
        assert game.play() is Outcome.CONVICTED


def test_what_was_given_is_hashed_as_it_is_and_read_as_the_canonical_nan() -> None:
    payload = np.array([0x7F80_0001, 0xFFFF_FFFF, 1], "<u4").view("<f4")
    weights = payload[::-1].copy()
    constant, add = Constant(F32, tensor_root(weights)), Map(Function.ADD, (0, 1), F32)
    program = Program((F32,), (constant,), (add,), (2,))
    with closing(open_engine("native").load(program, (weights,))) as executable:
        values = Executed(executable, (weights,), (payload,))
        assert values.roots()[:2] == [tensor_root(payload), tensor_root(weights)]
        assert values.arrays({0})[0].tobytes() == payload.tobytes()
        assert values.arrays({2})[2].view("<u4").tolist() == [0x7FC0_0000] * 3


def test_values_of_other_types_are_refused() -> None:
    program = Program((F32,), (), (Map(Function.NEG, (0,), F32),), (1,))
    right = np.ones(3, "<f4")
    for values in ([np.ones(4, "<f4")], [right.astype("<f8")], [right] * 3):
        with pytest.raises(WrongTensor):
            Held(program, values)
    with closing(open_engine("native").load(program, ())) as executable:
        for inputs in ([], [np.ones(4, "<f4")], [right, right]):
            with pytest.raises(WrongTensor):
                Executed(executable, (), inputs)
