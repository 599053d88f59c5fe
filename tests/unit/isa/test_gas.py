from __future__ import annotations

import pytest

from aivm.isa import (
    Cast,
    Concat,
    Fill,
    Function,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Program,
    Reduce,
    Reduction,
    TensorType,
    gas_units,
    instruction_gas,
)
from aivm.isa.gas import FLOAT_STEPS, INTEGER_STEPS, PER_INSTRUCTION
from aivm.isa.recipes import FLOAT_FUNCTIONS
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics.dtypes import DType
from aivm.numerics.functions import BINARY, TERNARY, UNARY
from aivm.numerics.trace import trace


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def i64(*shape: int) -> TensorType:
    return TensorType(DType.I64, shape)


@pytest.mark.parametrize(
    ("instruction", "operands", "steps", "moved_bytes"),
    [
        (Map(Function.ADD, (0, 1), f32(8, 4)), [f32(8, 4), f32(4)], 32, 128 + 128 + 16),
        (Map(Function.EXP, (0,), f32(8)), [f32(8)], 8 * FLOAT_STEPS[Function.EXP], 64),
        (MatMul((0, 1), f32(2, 4)), [f32(2, 16), f32(16, 4)], 2 * 4 * 16, 32 + 128 + 256),
        (MatMul((0, 1), f32(2, 4), True), [f32(16, 2), f32(16, 4)], 2 * 4 * 16, 32 + 128 + 256),
        (MatMul((0, 1), f32(4, 4)), [f32(4, 0), f32(0, 4)], 0, 64),
        (Reduce(Reduction.SUM, (0,), f32(4), 4, 8, 1), [f32(4, 8)], 32, 16 + 128),
        (Move((0,), f32(4), (64,), (0,), (1,), (0,)), [f32(64)], 4, 32),
        (Gather((0, 1), f32(2, 8), 1, 64, 8), [f32(64, 8), i64(2)], 16, 2 * 64 + 16),
        (Concat((0, 0), f32(8), 1, (4, 4), 1), [f32(4), f32(4)], 8, 64),
        (Cast((0,), i64(4)), [f32(4)], 8, 32 + 16),
        (Iota(i64(4), 4, 1, 0, 1), [], 4, 32),
        (Fill(f32(4), 0), [], 4, 16),
        (Fill(f32(1), 0), [], 1, 4),
    ],
)
def test_price_of_each_family(
    instruction: Instruction, operands: list[TensorType], steps: int, moved_bytes: int
) -> None:
    price = PER_INSTRUCTION + steps + -(-moved_bytes // 16)
    assert instruction_gas(instruction, operands) == price


def test_a_program_costs_the_sum_of_its_instructions() -> None:
    double = Map(Function.ADD, (0, 0), f32(4))
    program = Program((f32(4),), (), (double, Map(Function.MUL, (0, 1), f32(4))), (2,))
    # 64 for the instruction, 4 steps, 3 tensors of 16 bytes each
    assert gas_units(program) == 2 * (64 + 4 + 3)


def test_a_program_without_elements_is_not_free() -> None:
    program = Program((f32(0),), (), (Map(Function.NEG, (0,), f32(0)),), (1,))
    assert gas_units(program) == PER_INSTRUCTION


SLOW = ("div", "sqrt")


@pytest.mark.parametrize("name", sorted({*UNARY, *BINARY, *TERNARY}))
def test_prices_are_the_weights_of_the_functions(name: str) -> None:
    function = Function[name.upper()]
    program = trace(name, FUNCTIONS[function].arity, FLOAT_FUNCTIONS[name])
    operations = [step.operation for step in program.steps if step.operation != "bits"]
    weight = sum(8 if operation in SLOW else 1 for operation in operations)
    assert FLOAT_STEPS.get(function, 1) == weight


def test_a_remainder_of_integers_is_not_priced_as_one_of_floats() -> None:
    prices = {}
    for dtype in (DType.F32, DType.I32):
        type_ = TensorType(dtype, (4,))
        prices[dtype] = instruction_gas(Map(Function.FMOD, (0, 1), type_), [type_, type_])
    assert prices[DType.F32] - prices[DType.I32] == 4 * (
        FLOAT_STEPS[Function.FMOD] - INTEGER_STEPS[Function.FMOD]
    )
