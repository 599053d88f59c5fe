from __future__ import annotations

from dataclasses import replace

import pytest

from aivm.errors import MalformedProgram
from aivm.isa import (
    Cast,
    Concat,
    Constant,
    Fill,
    Function,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Program,
    Random,
    Rank,
    Reduce,
    Reduction,
    Scatter,
    Scattering,
    TensorType,
    validate,
)
from aivm.numerics.dtypes import DType


def t(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def i32(*shape: int) -> TensorType:
    return TensorType(DType.I32, shape)


def i64(*shape: int) -> TensorType:
    return TensorType(DType.I64, shape)


def scatter(
    type_: TensorType, *view: int, function: Scattering = Scattering.REPLACE
) -> Instruction:
    outer, size, inner = view
    return Scatter(function, (0, 1, 2), type_, outer, size, inner)


def of(instruction: Instruction, *inputs: TensorType) -> Program:
    """A program of one instruction, whose operands are the inputs."""
    return Program(inputs, (), (instruction,), (len(inputs),))


HUGE = 2**32 - 1

GOOD = [
    of(Map(Function.ADD, (0, 1), f32(2, 3)), f32(3), f32(2, 1)),
    of(Map(Function.ADD, (0, 0), f32(4, 3)), f32(1, 3)),
    of(Map(Function.NEG, (0,), f32()), f32()),
    of(Map(Function.SELECT, (0, 1, 1), t(DType.BF16, 2)), t(DType.BOOL), t(DType.BF16, 2)),
    of(Map(Function.EQUAL, (0, 0), t(DType.BOOL, 0)), t(DType.BOOL, 0)),
    of(MatMul((0, 1), f32(5, 2, 4)), f32(5, 2, 3), f32(3, 4)),
    of(MatMul((0, 1), f32(7, 5, 2, 4), True, True), f32(5, 3, 2), f32(7, 1, 4, 3)),
    of(MatMul((0, 1), f32(2, 4)), f32(2, 0), f32(0, 4)),
    of(Reduce(Reduction.SUM, (0,), f32(2), 2, 0, 1), f32(2, 0)),
    of(Reduce(Reduction.ARG_MAX, (0,), t(DType.I64, 2, 1, 4), 2, 3, 4), f32(2, 3, 4)),
    of(Move((0,), f32(9), (), (-1,), (0,), ()), f32()),
    of(Move((0,), f32(HUGE), (0,), (0,), (1,), (-5,)), f32(0)),
    of(Gather((0, 1), f32(4, 2), 1, 3, 2), f32(3, 2), i32(4)),
    of(Gather((0, 1), f32(0, 2), 1, 0, 2), f32(0, 2), i32(0)),
    of(MatMul((0, 1), i32(2, 4)), t(DType.I8, 2, 3), t(DType.U8, 3, 4)),
    of(scatter(f32(4, 2), 2, 2, 2), f32(4, 2), i32(3), f32(2, 3, 2)),
    of(scatter(t(DType.BF16, 0), 1, 0, 5), t(DType.BF16, 0), i64(0), t(DType.BF16, 0)),
    of(Rank((0,), i64(2, 3), 1, 3, 2, True), f32(2, 3)),
    of(Rank((0,), i64(0), 1, 0, 7), t(DType.U8, 0)),
    of(Random((0,), t(DType.U32, 5)), t(DType.U64, 2)),
    of(Concat((0, 1, 0), f32(4), 1, (1, 2, 1), 1), f32(1), f32(2)),
    of(Cast((0,), t(DType.F16, 3)), f32(3)),
    of(Iota(i32(2, 3), 3, 1, -(2**31), 1)),
    of(Iota(i32(0, 3), 0, 3, 0, 0)),
    of(Fill(f32(2), 0x7FC00000)),
    of(Fill(f32(0, HUGE), 0)),
]


@pytest.mark.parametrize("program", GOOD)
def test_good_programs_pass(program: Program) -> None:
    validate(program)


def refused(program: Program, message: str) -> None:
    with pytest.raises(MalformedProgram, match=message):
        validate(program)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numerics": 2}, "program: numerics 2 is not known"),
        ({"outputs": ()}, "program: it has no outputs"),
        ({"outputs": (1, 2)}, "output 1: there is no value 2, only 0 to 1"),
        ({"outputs": (-1,)}, "output 0: there is no value -1"),
        ({"outputs": (0,)}, "output 0: value 0 is an input or constant"),
        ({"inputs": (f32(*[1] * 9),)}, "input 0: rank 9 is over 8"),
        ({"inputs": (f32(2**32),)}, "input 0: shape .* has a dimension outside"),
        ({"inputs": (f32(-1),)}, "input 0: shape .* has a dimension outside"),
        ({"inputs": (f32(2**20, 2**20, 2),)}, "input 0: shape .* has more than"),
        ({"inputs": (f32(0, HUGE, HUGE),)}, "input 0: shape .* has more than"),
        ({"constants": (Constant(f32(), b""),)}, "constant 0: its tensor root has 0 bytes"),
        ({"constants": (Constant(f32(HUGE + 1), bytes(32)),)}, "constant 0: shape"),
    ],
)
def test_what_surrounds_the_instructions(changes: dict[str, object], message: str) -> None:
    good = of(Map(Function.NEG, (0,), f32(2)), f32(2))
    refused(replace(good, **changes), message)  # type: ignore[arg-type]


@pytest.mark.parametrize("operand", [-1, 1, 2, 2**32])
def test_operands_come_before(operand: int) -> None:
    program = of(Map(Function.NEG, (operand,), f32(2)), f32(2))
    refused(program, rf"instruction 0 \(MAP\): operand {operand} does not come before")


def test_the_place_of_a_later_instruction_is_named() -> None:
    good = of(Map(Function.NEG, (0,), f32(2)), f32(2))
    bad = Map(Function.NEG, (1,), f32(3))
    refused(replace(good, instructions=(*good.instructions, bad)), "instruction 1")


MOVE = Move((0,), f32(3, 2), (2, 3), (1, 0), (1, 1), (0, 0))


@pytest.mark.parametrize(
    ("instruction", "inputs", "message"),
    [
        # any family
        (Fill(f32(*[1] * 9), 0), [], "rank 9 is over 8"),
        (Fill(f32(2**32), 0), [], "dimension outside"),
        # map
        (Map(Function.ADD, (0,), f32()), [f32()], "takes 2 operands, not 1"),
        (Map(Function.NEG, (0, 0), f32()), [f32()], "takes 1 operands, not 2"),
        (Map(Function.ADD, (0, 1), f32()), [f32(), i32()], r"ADD is not defined for \(F32, I32\)"),
        (Map(Function.EXP, (0,), i32()), [i32()], r"EXP is not defined for \(I32\)"),
        (Map(Function.SQRT, (0,), t(DType.F16)), [t(DType.F16)], "not defined"),
        (Map(Function.SELECT, (0, 0, 0), f32()), [f32()], "SELECT is not defined"),
        (Map(Function.LESS, (0, 0), f32()), [f32()], "gives BOOL, not F32"),
        (Map(Function.ADD, (0, 0), i32()), [f32()], "gives F32, not I32"),
        (Map(Function.NEG, (0,), f32(2)), [f32(3)], r"shape \(3,\) does not broadcast to \(2,\)"),
        (Map(Function.NEG, (0,), f32(1)), [f32(3)], "does not broadcast"),
        (Map(Function.NEG, (0,), f32(3)), [f32(1, 3)], "does not broadcast"),
        (Map(Function.NEG, (0,), f32(0)), [f32(2)], "does not broadcast"),
        # matmul
        (MatMul((0, 0), i32(2, 2)), [i32(2, 2)], "F32 and F32 gives F32|is not defined"),
        (MatMul((0, 0), i32(2, 2)), [f32(2, 2)], "F32 and F32 gives F32|is not defined"),
        (MatMul((0, 1), f32(2)), [f32(2, 3), f32(3)], "must all be 2 or more"),
        (MatMul((0, 0), f32(2, 3)), [f32(2, 3)], "inner dimensions 3 .* and 2"),
        (MatMul((0, 0), f32(3, 2), True), [f32(2, 3)], r"must end in \(3, 3\)"),
        (MatMul((0, 1), f32(3, 2, 2)), [f32(2, 2, 2), f32(2, 2)], "leading shape"),
        (MatMul((0, 1), f32(2, 2)), [f32(2, 2), f32(1, 2, 2)], "leading shape"),
        # reduce
        (Reduce(Reduction.SUM, (0,), f32(), 1, 3, 1), [f32(2)], "operand view"),
        (Reduce(Reduction.SUM, (0,), f32(2), 1, 2, 1), [f32(2)], "result view"),
        (Reduce(Reduction.SUM, (0,), f32(2), -1, 2, -1), [f32(2)], "dimension outside"),
        (Reduce(Reduction.SUM, (0,), f32(0), 0, 2**40, 2), [f32(0)], "more than"),
        (Reduce(Reduction.MAX, (0,), f32(2), 2, 0, 1), [f32(0)], "MAX over no elements"),
        (Reduce(Reduction.ARG_MIN, (0,), t(DType.I64, 0), 0, 0, 1), [f32(0)], "over no elements"),
        (Reduce(Reduction.ARG_MAX, (0,), f32(), 1, 2, 1), [f32(2)], "gives I64, not F32"),
        (Reduce(Reduction.SUM, (0,), i32(), 1, 2, 1), [f32(2)], "gives F32, not I32"),
        (Reduce(Reduction.MAX, (0,), t(DType.BOOL), 1, 2, 1), [t(DType.BOOL, 2)], "not defined"),
        # move
        (replace(MOVE, type=i32(3, 2)), [f32(2, 3)], "copies F32, so the result cannot be I32"),
        (replace(MOVE, source=(2, 2)), [f32(2, 3)], "does not have the 6 elements"),
        (replace(MOVE, source=(1,) * 9, origins=(0,) * 9), [f32()], "source rank 9"),
        (replace(MOVE, source=(-2, -3)), [f32(2, 3)], "source .* dimension outside"),
        (replace(MOVE, axes=(1,)), [f32(2, 3)], "axes and steps must have one entry"),
        (replace(MOVE, steps=(1,)), [f32(2, 3)], "axes and steps must have one entry"),
        (replace(MOVE, origins=(1,)), [f32(2, 3)], "origins must have one entry"),
        (replace(MOVE, axes=(2, 0)), [f32(2, 3)], "an axis outside -1 to 1"),
        (replace(MOVE, axes=(-2, 0)), [f32(2, 3)], "an axis outside -1 to 1"),
        (replace(MOVE, axes=(-1, 0)), [f32(2, 3)], "must have step 0"),
        (replace(MOVE, steps=(2**61, 1)), [f32(2, 3)], "reach further"),
        (replace(MOVE, origins=(0, -(2**62))), [f32(2, 3)], "reach further"),
        (replace(MOVE, type=f32(0, 2), steps=(2**63, 1)), [f32(2, 3)], "reach further"),
        (replace(MOVE, fill=0x7FC00001), [f32(2, 3)], "fill 0x7fc00001 is no canonical F32"),
        (replace(MOVE, fill=-1), [f32(2, 3)], "no canonical F32"),
        (replace(MOVE, fill=2**32), [f32(2, 3)], "no canonical F32"),
        # products of bytes
        (MatMul((0, 1), f32(2, 4)), [t(DType.I8, 2, 3), t(DType.U8, 3, 4)], "gives I32, not F32"),
        (MatMul((0, 1), i32(2, 4)), [t(DType.I8, 2, 3), i32(3, 4)], "I8 and I32 is not defined"),
        # scatter
        (scatter(f32(2), 1, 2, 1), [f32(2), f32(2), f32(2)], "the index is F32"),
        (scatter(f32(2), 1, 2, 1), [f32(2), i32(2), i32(2)], "copies I32"),
        (scatter(f32(2), 1, 3, 1), [f32(2), i32(2), f32(2)], "operand view"),
        (scatter(f32(3), 1, 2, 1), [f32(2), i32(2), f32(2)], "result view"),
        (scatter(f32(2), 1, 2, 1), [f32(2), i32(2), f32(3)], "updates view"),
        (scatter(f32(0), 1, 0, 1), [f32(0), i32(2), f32(2)], "an axis of no elements"),
        (
            scatter(t(DType.BOOL, 2), 1, 2, 1, function=Scattering.ADD),
            [t(DType.BOOL, 2), i32(2), t(DType.BOOL, 2)],
            "ADD is not defined for BOOL",
        ),
        # rank
        (Rank((0,), i64(2), 1, 2, 1), [t(DType.BOOL, 2)], "BOOL has no order"),
        (Rank((0,), i32(2), 1, 2, 1), [f32(2)], "ranks are I64"),
        (Rank((0,), i64(2), 1, 3, 1), [f32(2)], "operand view"),
        (Rank((0,), i64(3), 1, 2, 1), [f32(2)], "result view"),
        # random
        (Random((0,), t(DType.U32, 4)), [t(DType.U64, 3)], "U64 of shape"),
        (Random((0,), f32(4)), [t(DType.U64, 2)], "the result is U32"),
        # gather
        (Gather((0, 0), f32(2), 1, 2, 1), [f32(2)], "the index is F32"),
        (Gather((0, 1), f32(2), 1, 3, 1), [f32(2), i32(2)], "operand view"),
        (Gather((0, 1), f32(3), 1, 2, 1), [f32(2), i32(2)], "result view"),
        (Gather((0, 1), i32(2), 1, 2, 1), [f32(2), i32(2)], "copies F32"),
        (Gather((0, 1), f32(2), 1, 0, 1), [f32(0), i32(2)], "an axis of no elements"),
        # concat
        (Concat((0,), f32(2), 1, (2,), 1), [f32(2)], "joins 2 to 4 operands, not 1"),
        (Concat((0,) * 5, f32(10), 1, (2,) * 5, 1), [f32(2)], "joins 2 to 4 operands, not 5"),
        (Concat((0, 0), f32(4), 1, (2,), 1), [f32(2)], "has 1 lengths for 2 operands"),
        (Concat((0, 1), f32(4), 1, (2, 2), 1), [f32(2), i32(2)], "copies I32"),
        (Concat((0, 0), f32(4), 1, (2, 3), 1), [f32(2)], "operand view"),
        (Concat((0, 0), f32(5), 1, (2, 2), 1), [f32(2)], "result view"),
        # cast
        (Cast((0,), f32(2)), [f32(2)], "F32 cannot be cast to F32"),
        (Cast((0,), t(DType.F16, 2)), [i32(2)], "I32 cannot be cast to F16"),
        (Cast((0,), i32(2)), [t(DType.BF16, 2)], "BF16 cannot be cast to I32"),
        (Cast((0,), i32(1, 2)), [f32(2)], "the result has shape"),
        # iota
        (Iota(f32(2), 2, 1, 0, 1), [], "it must be I32 or I64"),
        (Iota(i32(3), 2, 1, 0, 1), [], "result view"),
        (Iota(i32(3), 0, 1, 0, 1), [], "result view"),
        (Iota(i32(2), -2, -1, 0, 1), [], "dimension outside"),
        (Iota(i32(2), 2, 1, 2**31, 1), [], "start 2147483648 or step 1 is no I32"),
        (Iota(i32(2), 2, 1, 0, -(2**31) - 1), [], "is no I32"),
        # fill
        (Fill(t(DType.BOOL), 2), [], "no canonical BOOL"),
        (Fill(t(DType.I8), 256), [], "no canonical I8"),
        (Fill(t(DType.I8), -1), [], "no canonical I8"),
        (Fill(f32(), 0xFFC00000), [], "no canonical F32"),
        (Fill(t(DType.BF16), 0x7F81), [], "no canonical BF16"),
        (Fill(t(DType.F16), 0xFE00), [], "no canonical F16"),
    ],
)
def test_malformed_instructions(
    instruction: Instruction, inputs: list[TensorType], message: str
) -> None:
    name = type(instruction).__name__.upper()
    refused(of(instruction, *inputs), rf"instruction 0 \({name}\): .*{message}")
