"""The contract judges steps of models that people run, and of the largest there can be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.dispute.real_models import (
    Subject,
    digits,
    minilm,
    of_every_kind,
    quantised_digits,
    quantised_minilm,
)

from aivm.chain.anvil import AnvilProcess
from aivm.dispute.claims import Claim, Stage, element_of_state, judge, reads_of, shape_of
from aivm.dispute.trace import Trace
from aivm.isa.chains import SUM_LANES, Chained
from aivm.isa.instructions import (
    Concat,
    Gather,
    Instruction,
    Map,
    MatMul,
    Move,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.isa.program import Program
from aivm.isa.records import encode_instruction
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType

from .one_step import OneStep


@pytest.fixture(scope="module")
def contract(anvil_path: Path) -> Iterator[OneStep]:
    assert anvil_path.is_file()
    with AnvilProcess() as node, closing(OneStep(node)) as one_step:
        yield one_step


def claims_of(subject: Subject, trace: Trace, value: int, element: int) -> list[Claim]:
    """The first, a middle and the last step of an element, and what follows them."""
    instruction, record = trace.instruction(value), subject.tree.record(value + 1)
    shape = shape_of(instruction, trace.operand_types(value))
    if not shape.steps:
        return [trace.claim(value, record, element, Stage.ELEMENT, 0, ())]
    claims = []
    for step in sorted({0, shape.steps // 2, shape.steps - 1}):
        lane = step % SUM_LANES if shape.lanes else None
        done = step // SUM_LANES if shape.lanes else step
        (before,) = trace.states(value, element, lane, {done}) if done else ((),)
        claims.append(trace.claim(value, record, element, Stage.STEP, step, before))
    if shape.lanes:
        lanes = trace.lanes(value, element)
        claims.append(trace.claim(value, record, element, Stage.FINISH, 0, lanes))
    return claims


@pytest.mark.parametrize(
    "make",
    [
        digits,
        quantised_digits,
        pytest.param(minilm, marks=pytest.mark.slow),
        pytest.param(quantised_minilm, marks=pytest.mark.slow),
    ],
)
def test_steps_of_every_kind_of_instruction_in_a_model(
    contract: OneStep, make: Callable[[], Subject]
) -> None:
    choice, subject = random.Random(1), make()
    trace, claims = subject.honest(), list[Claim]()
    for value, instruction in of_every_kind(subject.program):
        elements = instruction.type.elements
        for element in sorted({0, elements - 1, choice.randrange(elements)}):
            found = claims_of(subject, trace, value, element)
            last = judge(found[-1]).words
            if isinstance(instruction, Chained):
                last = (element_of_state(instruction, last),)
            assert last == (trace.word(value, element),)  # what the engine gave
            claims += found
    assert_judged_alike(contract, claims)


def assert_judged_alike(contract: OneStep, claims: Sequence[Claim]) -> None:
    for claim, answer in zip(claims, contract.judge(claims), strict=True):
        assert answer == judge(claim), claim


# --- tensors that fit into no memory: the elements are made up when they are read ---------------

F32, I64 = DType.F32, DType.I64
LONG = 2**20  # MATMUL of such matrices has the most elements that a value can have


def f32(*shape: int) -> TensorType:
    return TensorType(F32, shape)


EIGHT = (2, 3, 1, 5, 2, 3, 4, 7)
HUGE: dict[str, tuple[Instruction, tuple[TensorType, ...]]] = {
    "matmul": (MatMul((0, 1), f32(LONG, LONG)), (f32(LONG, LONG), f32(LONG, LONG))),
    "matmul, transposed": (
        MatMul((0, 1), f32(LONG, LONG), transpose_a=True, transpose_b=True),
        (f32(LONG, LONG), f32(LONG, LONG)),
    ),
    "matmul of bytes": (
        MatMul((0, 1), TensorType(DType.I32, (3, LONG, LONG // 4))),
        (TensorType(DType.I8, (LONG, LONG)), TensorType(DType.I8, (3, LONG, LONG // 4))),
    ),
    "matmul of rank 8": (
        MatMul((0, 1), f32(*EIGHT)),
        (f32(3, 1, 1, 2, 1, 4, 300), f32(2, 1, 1, 5, 1, 3, 300, 7)),
    ),
    "map of rank 8": (
        Map(Function.ADD, (0, 1), f32(*EIGHT)),
        (f32(1, 3, 1, 1, 2, 1, 4, 1), f32(5, 2, 1, 1, 7)),
    ),
    "map": (
        Map(Function.FMA, (0, 1, 2), f32(LONG, LONG)),
        (f32(LONG, LONG), f32(LONG), f32(LONG, 1)),
    ),
    "sum": (Reduce(Reduction.SUM, (0,), f32(16, 16), 16, 2**32, 16), (f32(16, 2**16, 2**16, 16),)),
    "arg": (
        Reduce(Reduction.ARG_MAX, (0,), TensorType(I64, (16, 16)), 16, 2**32, 16),
        (f32(16, 2**16, 2**16, 16),),
    ),
    "rank": (Rank((0,), TensorType(I64, (LONG, LONG)), LONG, LONG, 1), (f32(LONG, LONG),)),
    "gather": (
        Gather((0, 1), f32(2**8, 2**16, 2**8), 2**8, 2**20, 2**8),
        (f32(2**8, 2**20, 2**8), TensorType(I64, (2**16,))),
    ),
    "scatter": (
        Scatter(Scattering.ADD, (0, 1, 2), f32(2**8, 2**20, 2**8), 2**8, 2**20, 2**8),
        (f32(2**8, 2**20, 2**8), TensorType(I64, (2**16,)), f32(2**8, 2**16, 2**8)),
    ),
    "concat": (
        Concat((0, 1), f32(2**10, 2**21, 2**9), 2**10, (2**20, 2**20), 2**9),
        (f32(2**10, 2**20, 2**9), f32(2**10, 2**20, 2**9)),
    ),
    "windows of a padded image": (
        Move(
            (0,),
            f32(2, 3, 7, 7, 2**10, 2**10),
            (2, 3, 2**11, 2**11),
            (0, 1, 2, 3, 2, 3),
            (1, 1, 1, 1, 2, 2),
            (0, 0, -3, -3),
            0xFF80_0000,
        ),
        (f32(2, 3, 2**11, 2**11),),
    ),
    "rank 8, turned round and broadcast": (
        Move(
            (0,),
            f32(*EIGHT),
            (2, 3, 4, 7),
            (0, 1, 0, 0, 1, 2, 2, 3),
            (-1, 1, 0, 0, 0, 0, -1, 3),
            (1, 0, 3, -2),
        ),
        (f32(2, 3, 4, 7),),
    ),
}


def made_up(types: Sequence[TensorType], indices: int | None) -> Callable[[int, int], int]:
    """Words of operands too large to have; those of an index operand stay in their axis."""

    def read(slot: int, element: int) -> int:
        drawn = int.from_bytes(sha256(f"{slot} {element}".encode()).digest()[:8], "big")
        if types[slot].dtype is I64:
            assert indices is not None
            return drawn % indices
        if types[slot].dtype is DType.I8:
            return drawn & 0xFF
        return drawn & 0x807F_FFFF | 0x3F00_0000 + (drawn >> 40 & 7) * 0x0080_0000  # 0.5 to 128

    return read


@pytest.mark.parametrize("name", HUGE)
def test_steps_of_the_largest_and_the_widest_values(contract: OneStep, name: str) -> None:
    choice = random.Random(name)
    instruction, types = HUGE[name]
    validate(Program(types, (), (instruction,), (len(types),)))
    record, elements = encode_instruction(instruction), instruction.type.elements
    read = made_up(types, getattr(instruction, "size", None))
    shape, claims = shape_of(instruction, types), list[Claim]()
    for element in {0, elements - 1, *(choice.randrange(elements) for _ in range(20))}:
        steps = {0, shape.steps - 1, choice.randrange(shape.steps)} if shape.steps else {0}
        for step in steps:
            first = step < (SUM_LANES if shape.lanes else 1)
            words = 2 if "ARG" in repr(instruction) else 1
            before = () if first or not shape.steps else (0x3FC0_0000, 5)[:words]
            stage = Stage.STEP if shape.steps else Stage.ELEMENT
            bare = Claim(record, types, element, stage, step, before, ())
            claims.append(replace(bare, reads=reads_of(bare, read)))
    assert_judged_alike(contract, claims)
    assert any(claim.reads for claim in claims)
