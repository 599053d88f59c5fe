"""The games that liars play here: small programs whose moves have every form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from tests.unit.dispute.conftest import (
    LiarWithStates,
    Table,
    flipped,
    held,
    receipt_of,
    results_of,
    table,
)

from aivm.commitments import Array, tensor_root
from aivm.dispute.moves import Commit, Move
from aivm.dispute.player import Challenger, Provider, fault_of
from aivm.dispute.state import State
from aivm.dispute.trace import ProgramTree
from aivm.dispute.values import Held
from aivm.isa import Fill, Gather, Map, MatMul, Program, Reduce, Reduction, Scatter, Scattering
from aivm.isa.instructions import Instruction, TensorType
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType
from aivm.testing.liars import FalseMemory
from aivm.testing.programs import RandomProgram, random_program

F32, I64 = DType.F32, DType.I64
_TYPES = (TensorType(F32, (120, 300)), TensorType(F32, (300, 70)))
LAST: dict[str, Instruction] = {
    "matmul": MatMul((0, 1), TensorType(F32, (120, 70))),
    "lanes": Reduce(Reduction.SUM, (0,), TensorType(F32, (120,)), 120, 300, 1),
    "short lanes": Reduce(Reduction.SUM, (0,), TensorType(F32, (7200,)), 7200, 5, 1),
    "arg": Reduce(Reduction.ARG_MAX, (0,), TensorType(I64, (120,)), 120, 300, 1),
    "map": Map(Function.EXP, (0,), TensorType(F32, (120, 300))),
}


@cache
def _case(name: str) -> tuple[RandomProgram, tuple[Array, ...]]:
    """More than 64 values and, but for reductions, leaves; and its honest results."""
    fills = [Fill(TensorType(DType.I32, ()), bits) for bits in range(70)]
    program = Program(_TYPES, (), (*fills, LAST[name]), (72,))
    rng = np.random.default_rng(2)
    inputs = tuple(rng.normal(size=type_.shape).astype("<f4") for type_ in _TYPES)
    case = RandomProgram(0, program, (), inputs)
    return case, tuple(results_of(case))


def cheat(name: str, liar: type[Provider] = LiarWithStates) -> Table:
    """A provider who claims one wrong bit in the last value."""
    case, honest = _case(name)
    return table(case, honest, [*honest[:-1], flipped(honest[-1], 77, 3)], liar)


def slander(name: str, value: int = 72) -> Table:
    """A challenger who doubts what is right: one bit of a value, and how it came about."""
    case, honest = _case(name)
    game, believed = table(case, honest, honest), list(honest)
    believed[value] = flipped(honest[value], min(77, honest[value].size - 1), 3)
    memory = FalseMemory(case.program, Held(case.program, believed))
    return replace(game, challenger=replace(game.challenger, trace=memory))


def little(
    instructions: Sequence[Instruction], inputs: Sequence[Array], types: Sequence[TensorType]
) -> RandomProgram:
    """A program whose output is the result of its last instruction."""
    last = len(types) + len(instructions) - 1
    return RandomProgram(
        0, Program(tuple(types), (), tuple(instructions), (last,)), (), tuple(inputs)
    )


def false_source(which: str) -> Table:
    """The receipt's inputs and constants are right, and the trace has another in their place."""
    case = next(
        case
        for case in map(random_program, range(100))
        if case.program.constants and case.constants[0].size and case.inputs[0].size
    )
    value = 0 if which == "input" else case.program.first_constant
    game = wrong_bit(case, value)
    # What is committed to need not be what the program's record says.
    array = (*case.inputs, *case.constants)[value]
    dtype = case.program.value_types[value].dtype
    game.provider.trace.roots[value] = tensor_root(flipped(array, 0, 1), dtype)
    return game


def wrong_bit(case: RandomProgram, value: int) -> Table:
    """A provider with one wrong bit in one value."""
    honest = results_of(case)
    claimed = [*honest[:value], flipped(honest[value], 0, 1), *honest[value + 1 :]]
    return table(case, honest, claimed, LiarWithStates)


def payload() -> Table:
    """The right result is the canonical NaN; the provider's NaN has a payload."""
    type_ = TensorType(F32, (5,))
    case = little([Map(Function.SQRT, (0,), type_)], [np.array([1, -1, 4, -9, 0], "<f4")], [type_])
    honest = results_of(case)
    return table(case, honest, [honest[0], flipped(honest[1], 3, 5)])


def impossible(name: str) -> Table:
    """A run that has no result, as an index lies outside its axis; the provider gives one."""
    data, index = TensorType(F32, (300,)), TensorType(I64, (90,))
    updates = TensorType(F32, (90,))
    instruction: Instruction = Gather((0, 1), updates, 1, 300, 1)
    if name == "scatter":
        instruction = Scatter(Scattering.ADD, (0, 1, 2), data, 1, 300, 1)
    rng = np.random.default_rng(1)
    indices = rng.integers(-300, 300, 90)
    indices[77] = 300
    inputs = [rng.normal(size=300).astype("<f4"), indices, rng.normal(size=90).astype("<f4")]
    program = little([instruction], inputs, [data, index, updates]).program
    claimed = held(program, [*inputs, np.zeros(instruction.type.shape, "<f4")])
    receipt, tree = receipt_of(program, claimed.roots[:3], claimed.roots[3:]), ProgramTree(program)
    ours = held(program, inputs)
    liar = (LiarWithStates if name == "scatter" else Provider)(receipt, tree, claimed)
    return Table(liar, Challenger(receipt, tree, ours, fault_of(ours)))


def boast() -> Table:
    """A right trace under a receipt that promises something else."""
    case = random_program(5)
    game = table(case, honest := results_of(case), honest)
    program, roots = case.program, game.provider.trace.roots
    wrong = (bytes([1]) * 32, *(roots[value] for value in program.outputs[1:]))
    receipt = receipt_of(program, roots[: program.first_constant], wrong)
    provider = Boaster(receipt, game.provider.program, game.provider.trace)
    return Table(provider, replace(game.challenger, receipt=receipt))


class Boaster(Provider):
    """Commits to the outputs of its receipt, whatever its trace says."""

    def move(self, state: State) -> Move:
        move = super().move(state)
        if not isinstance(move, Commit):
            return move
        return replace(move, outputs=(bytes([1]) * 32, *move.outputs[1:]))
