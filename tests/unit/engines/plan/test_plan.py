"""What the planner makes of programs: which steps remain, what is fused, folded and shared."""

from __future__ import annotations

import numpy as np

from aivm.engines.plan.plan import Plan, Upload, plan_inference, plan_trace
from aivm.engines.plan.products import Target
from aivm.engines.plan.tape import Kind, Step
from aivm.isa import (
    Concat,
    Fill,
    Function,
    Gather,
    Iota,
    Map,
    MatMul,
    Move,
    Program,
    Reduce,
    Reduction,
    TensorType,
)
from aivm.numerics.dtypes import DType

TARGET = Target(16, 4096, bytes_group=2, bytes_scratch_rows=64)


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def plan(program: Program) -> Plan:
    return plan_inference(program, TARGET, constants_in_place=False)


def kinds(plan: Plan) -> list[str]:
    return [step.kind.name for step in plan.steps]


def transpose(operand: int, shape: tuple[int, ...], axes: tuple[int, ...]) -> Move:
    result = f32(*(shape[axis] for axis in axes))
    return Move((operand,), result, shape, axes, (1,) * len(axes), (0,) * len(axes))


def softmax(build, x: int, shape: tuple[int, ...]) -> int:
    rows, length = int(np.prod(shape[:-1])), shape[-1]
    row = f32(*shape[:-1], 1)
    top = build.add(Reduce(Reduction.MAX, (x,), row, rows, length, 1))
    low = build.add(Map(Function.SUB, (x, top), f32(*shape)))
    exp = build.add(Map(Function.EXP, (low,), f32(*shape)))
    total = build.add(Reduce(Reduction.SUM, (exp,), row, rows, length, 1))
    return build.add(Map(Function.DIV, (exp, total), f32(*shape)))


def test_softmax_is_one_step(build) -> None:
    x = build.input(2, 3, 40)
    assert kinds(plan(build.program(softmax(build, x, (2, 3, 40))))) == ["ROWS"]


def test_an_attention_head_costs_no_move(build) -> None:
    q, k = build.input(128, 384), build.input(128, 384)
    split = f32(128, 12, 32)
    whole = ((128, 12, 32), (0, 1, 2), (1, 1, 1), (0, 0, 0))
    heads = [
        build.add(transpose(build.add(Move((x,), split, *whole)), (128, 12, 32), (1, 0, 2)))
        for x in (q, k)
    ]
    scores = build.add(MatMul((heads[0], heads[1]), f32(12, 128, 128), transpose_b=True))
    made = plan(build.program(softmax(build, scores, (12, 128, 128))))
    assert kinds(made) == ["MATMUL", "ROWS"]


def test_weights_are_packed_once_and_their_staging_memory_is_used_again(build) -> None:
    x = build.input(4, 256)
    weights = [build.constant(np.ones((256, 256), np.float32)) for _ in range(8)]
    for weight in weights:
        x = build.add(MatMul((x, weight), f32(4, 256)))
    made = plan(build.program(x))
    assert kinds(made) == ["MATMUL"] * 8
    setup = [type(entry) if isinstance(entry, Upload) else entry.kind for entry in made.setup]
    assert setup == [Upload, Kind.PACK] * 8
    assert made.memory_bytes < 8 * 256 * 256 * 4 + 2 * 256 * 256 * 4


def test_what_depends_on_constants_only_is_done_once(build) -> None:
    x = build.input(8)
    table = build.constant(np.ones((4, 8), np.float32))
    total = build.add(Reduce(Reduction.SUM, (table,), f32(8), 1, 4, 8))
    made = plan(build.program(build.add(Map(Function.ADD, (x, total), f32(8)))))
    assert kinds(made) == ["ROWS"]
    assert [entry.kind for entry in made.setup if isinstance(entry, Step)] == [Kind.REDUCE]


def test_dead_instructions_vanish_from_the_plan_but_not_from_the_trace(build) -> None:
    x = build.input(8)
    build.add(Map(Function.EXP, (x,), f32(8)))
    program = build.program(build.add(Map(Function.NEG, (x,), f32(8))))
    assert len(plan(program).steps) == 1
    trace = plan_trace(program, TARGET, constants_in_place=False)
    assert (len(trace.steps), trace.ends) == (2, (1, 2))


def test_a_batch_of_products_with_one_matrix_is_one_product_with_more_rows(build) -> None:
    x = build.input(2, 8, 16)
    w = build.constant(np.ones((16, 4), np.float32))
    made = plan(build.program(build.add(MatMul((x, w), f32(2, 8, 4)))))
    (step,) = made.steps
    assert step.words[2:5] == (16, 4, 16)


def test_a_group_never_waits_for_itself(build) -> None:
    """b = exp(a); c = reduce over another axis of b; d = b + c: d may not join b's step."""
    a = build.input(4, 6)
    b = build.add(Map(Function.EXP, (a,), f32(4, 6)))
    c = build.add(Reduce(Reduction.SUM, (b,), f32(1, 6), 1, 4, 6))
    d = build.add(Map(Function.ADD, (b, c), f32(4, 6)))
    assert kinds(plan(build.program(d))) == ["ROWS", "REDUCE", "ROWS"]


def test_every_family_has_a_step(build) -> None:
    x, index = build.input(4, 6), build.input(3, dtype=DType.I64)
    padded = build.add(Move((x,), f32(5, 6), (4, 6), (0, 1), (1, 1), (0, 0)))
    picked = build.add(Gather((x, index), f32(3, 6), 1, 4, 6))
    joined = build.add(Concat((padded, picked), f32(8, 6), 1, (5, 3), 6))
    count = build.add(Iota(TensorType(DType.I64, (8,)), 8, 1, 0, 1))
    ones = build.add(Fill(f32(8, 6), 0x3F800000))
    made = plan(build.program(joined, count, ones))
    assert sorted(kinds(made)) == ["COPY", "COPY", "GATHER", "MOVE"]
    # The count and the ones never change.
    hoisted = sorted(entry.kind.name for entry in made.setup if isinstance(entry, Step))
    assert hoisted == ["COPY", "IOTA"]


def test_one_row_is_read_where_it_is(build) -> None:
    """A block has no more rows than the step, so nothing is repeated to fill one."""
    x, y = build.input(8), build.input(8)
    total = build.add(Map(Function.ADD, (x, y), f32(8)))
    (step,) = plan(build.program(total)).steps
    rows, block, ops = step.words[0], step.words[12], step.words[14]
    assert (rows, block, ops) == (1, 1, 1)
