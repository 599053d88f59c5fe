"""A traced function gives the bits of the function itself."""

from __future__ import annotations

import random

import pytest

from aivm.numerics import DType, Machine, ScalarMachine
from aivm.numerics.functions import BINARY, TERNARY, UNARY
from aivm.numerics.machine import W
from aivm.numerics.trace import Step, evaluate, trace

FUNCTIONS = [(name, function, 1) for name, function in UNARY.items()]
FUNCTIONS += [(name, function, 2) for name, function in BINARY.items()]
FUNCTIONS += [(name, function, 3) for name, function in TERNARY.items()]

SPECIAL = [0, 1, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
m = ScalarMachine()


@pytest.mark.parametrize(("name", "function", "arity"), FUNCTIONS, ids=[f[0] for f in FUNCTIONS])
def test_evaluation_agrees_with_the_function(name, function, arity) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(name)
    program = trace(name, arity, function)
    for _ in range(60):
        operands = [
            rng.choice([rng.getrandbits(32), rng.choice(SPECIAL) | rng.choice((0, 1 << 31))])
            for _ in range(arity)
        ]
        if name == "select":
            operands[0] &= 1
        assert evaluate(program, m, operands) == function(m, *operands)


def test_programs_are_straight_lines_in_order() -> None:
    for name, function, arity in FUNCTIONS:
        program = trace(name, arity, function)
        for index, step in enumerate(program.steps):
            assert all(0 <= operand < arity + index for operand in step.operands)
        assert 0 <= program.result < arity + len(program.steps)


def test_repeated_operations_are_recorded_once_and_unused_ones_not_at_all() -> None:
    def square_of_sum(machine: Machine[W], x: W, y: W) -> W:
        machine.div(x, y)
        return machine.mul(machine.add(x, y), machine.add(x, y))

    program = trace("square_of_sum", 2, square_of_sum)
    assert program.steps == (Step("add", (0, 1)), Step("mul", (2, 2)))
    assert program.result == 3


def test_every_kind_of_operation_can_be_recorded() -> None:
    def everything(machine: Machine[W], x: W) -> W:
        whole = machine.cast(DType.F32, DType.I32, machine.canonical(x))
        doubled = machine.int_op(
            DType.I32, "add", whole, machine.int_unary(DType.I32, "abs", whole)
        )
        truth = machine.compare(DType.I32, "less", doubled, whole)
        word = machine.sar(machine.shl(machine.shr(x, 1), 2), 1)
        low = machine.min(machine.sqrt(x), machine.max(x, machine.f32(2.0)))
        return machine.select(truth, machine.imul(word, low), machine.isub(word, low))

    program = trace("everything", 1, everything)
    for word in (0x40490FDB, 0xC0490FDB, 0x7FC00000):
        assert evaluate(program, m, [word]) == everything(m, word)


def test_wrong_number_of_operands_is_refused() -> None:
    with pytest.raises(ValueError, match="pow takes 2 operands, not 1"):
        evaluate(trace("pow", 2, BINARY["pow"]), m, [0])
