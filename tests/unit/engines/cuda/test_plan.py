"""The plan of a program on a GPU: what is fused, what is done once, what shares memory."""

from __future__ import annotations

import pytest

from aivm.engines.cuda.kernel import Kernel, Launch, source
from aivm.engines.cuda.plan import GpuPlan, plan_inference, plan_trace
from aivm.engines.cuda.products import GpuTarget
from aivm.engines.plan.tape import Address
from aivm.isa import Function, Map, Program, Reduce, TensorType
from aivm.isa.opcodes import Reduction
from aivm.numerics.dtypes import DType
from aivm.testing import random_program

TARGET = GpuTarget((9, 0), 132)


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def softmax(rows: int, columns: int) -> Program:
    x, row = f32(rows, columns), f32(rows, 1)
    view = (rows, columns, 1)
    return Program(
        (x,),
        (),
        (
            Reduce(Reduction.MAX, (0,), row, *view),
            Map(Function.SUB, (0, 1), x),
            Map(Function.EXP, (2,), x),
            Reduce(Reduction.SUM, (3,), row, *view),
            Map(Function.DIV, (3, 4), x),
        ),
        (5,),
    )


def test_softmax_is_one_launch() -> None:
    (launch,) = plan_inference(softmax(100, 77), TARGET).steps
    assert launch.blocks == 25  # four rows a block
    assert launch.words == (Address(0), Address(5))


def test_the_same_work_is_compiled_once() -> None:
    first, second = plan_inference(softmax(9, 8), TARGET), plan_inference(softmax(9, 8), TARGET)
    assert first.kernels == second.kernels
    (kernel,) = first.kernels.values()
    assert source("", [kernel, kernel]).count("KERNEL(") == 1


def test_kernels_with_different_text_have_different_names() -> None:
    names = {
        Kernel("rows", threads, 1, arguments, body).name
        for threads in (32, 64)
        for arguments in ("addresses<1>", "addresses<2>")
        for body in ("a", "b")
    }
    assert len(names) == 8


def touched(plan: GpuPlan, launches: tuple[Launch, ...]) -> None:
    """Every buffer that a launch names has a place, inside the memory and aligned."""
    for launch in launches:
        for buffer in launch.buffers:
            offset = plan.offsets[buffer]
            assert offset is not None
            assert 0 <= offset <= plan.memory_bytes
            assert offset % 16 == 0


@pytest.mark.parametrize("seed", range(60))
def test_every_buffer_has_a_place(seed: int) -> None:
    program = random_program(seed).program
    for plan in (plan_inference(program, TARGET), plan_trace(program, TARGET)):
        touched(plan, (*plan.setup, *plan.steps))
        assert plan.offsets[plan.fault] is not None


def test_memory_is_used_again() -> None:
    """A chain that cannot be fused needs two buffers, not one a result."""
    x = f32(64, 64)
    column_sums = [
        step
        for value in range(0, 40, 2)
        for step in (
            Reduce(Reduction.SUM, (value,), f32(1, 64), 1, 64, 64),
            Map(Function.ADD, (value, value + 1), x),
        )
    ]
    program = Program((x,), (), tuple(column_sums), (40,))
    assert plan_inference(program, TARGET).memory_bytes <= 3 * x.size_bytes
