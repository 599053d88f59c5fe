"""Every step of every family, judged from its claim alone, adds up to what engines give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from aivm.commitments import Array
from aivm.dispute.claims import (
    Claim,
    Read,
    Stage,
    element_of_state,
    judge,
    lane_states_of,
    lane_steps,
    reads_of,
    shape_of,
    states_of,
)
from aivm.dispute.origins import Reader
from aivm.engines import open_engine
from aivm.errors import IllegalMove
from aivm.isa.chains import SUM_LANES, Chained
from aivm.isa.instructions import (
    Concat,
    Gather,
    Instruction,
    Map,
    Move,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function, Scattering
from aivm.isa.records import encode_instruction
from aivm.numerics.dtypes import DType
from aivm.testing.catalogue import catalogue
from aivm.testing.programs import random_program


class Bench:
    """An instruction with operands at hand, whose claims are judged one after another."""

    def __init__(
        self, instruction: Instruction, types: Sequence[TensorType], operands: Sequence[Array]
    ) -> None:
        self.instruction = instruction
        self.types = tuple(types)
        self.record = encode_instruction(instruction)
        self.patterns = [
            array.reshape(-1).view(f"<u{array.dtype.itemsize}").tolist() for array in operands
        ]

    def reader(self, slot: int, element: int) -> int:
        return int(self.patterns[slot][element])

    def claim(
        self, element: int, stage: Stage, step: int = 0, before: tuple[int, ...] = ()
    ) -> Claim:
        bare = Claim(self.record, self.types, element, stage, step, before, ())
        return replace(bare, reads=reads_of(bare, self.reader))

    def words(
        self, element: int, stage: Stage, step: int = 0, before: tuple[int, ...] = ()
    ) -> tuple[int, ...]:
        judgement = judge(self.claim(element, stage, step, before))
        assert not judgement.fault
        return judgement.words

    def element(self, element: int) -> int:
        """The element's pattern, from claims alone; the states are those of `states_of`."""
        shape = shape_of(self.instruction, self.types)
        if shape.steps == 0:
            return self.words(element, Stage.ELEMENT)[0]
        assert isinstance(self.instruction, Chained)
        reader: Reader = self.reader
        states = list(states_of(self.instruction, self.types, reader, element))
        assert len(states) == shape.steps
        if shape.lanes:
            return self._sum(element, shape.steps, states)
        state: tuple[int, ...] = ()
        for step, expected in enumerate(states):
            state = self.words(element, Stage.STEP, step, state)
            assert state == expected
        return element_of_state(self.instruction, state)

    def _sum(self, element: int, steps: int, states: list[tuple[int, ...]]) -> int:
        lanes = [0] * SUM_LANES
        assert isinstance(self.instruction, Reduce)
        for lane in range(SUM_LANES):
            state: tuple[int, ...] = ()
            own = lane_states_of(self.instruction, self.types, self.reader, element, lane)
            for step, expected in zip(range(lane, steps, SUM_LANES), own, strict=True):
                state = self.words(element, Stage.STEP, step, state)
                assert state == (states[step][lane],) == expected
            lanes[lane] = (state or (0,))[0]
        assert tuple(lanes) == states[-1]
        return self.words(element, Stage.FINISH, 0, tuple(lanes))[0]


def benches(seeds: Sequence[int]) -> Iterator[tuple[Bench, Array]]:
    """Every instruction of the random programs with these seeds, and its result."""
    for seed in seeds:
        case = random_program(seed, max_instructions=6)
        with closing(open_engine("reference").load(case.program, case.constants)) as executable:
            values = [*case.inputs, *case.constants, *executable.trace(case.inputs)]
        first = case.program.first_instruction
        types = case.program.value_types
        for instruction, result in zip(case.program.instructions, values[first:], strict=True):
            operands = instruction.operands
            yield (
                Bench(instruction, [types[v] for v in operands], [values[v] for v in operands]),
                result,
            )


def compare(bench: Bench, result: Array, rng: np.random.Generator) -> None:
    """One element out of claims and out of the engine."""
    if result.size:
        element = int(rng.integers(result.size))
        expected = result.reshape(-1).view(f"<u{result.dtype.itemsize}")[element]
        assert bench.element(element) == expected, bench.instruction


@pytest.mark.parametrize("first", range(0, 60, 12))
def test_steps_of_random_programs_give_the_engines_elements(first: int) -> None:
    rng = np.random.default_rng(first)
    for bench, result in benches(range(first, first + 12)):
        compare(bench, result, rng)


def test_steps_of_every_kind_of_instruction_give_the_engines_elements() -> None:
    rng = np.random.default_rng(5)
    engine = open_engine("reference")
    for entry in catalogue(5):
        with closing(engine.load(entry.program, ())) as executable:
            (result,) = executable.trace(entry.operands)
        compare(Bench(entry.instruction, entry.types, entry.operands), result, rng)


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def bench_of(instruction: Instruction, *operands: Array) -> Bench:
    dtypes = {"<f4": DType.F32, "<i4": DType.I32, "|b1": DType.BOOL}
    types = [TensorType(dtypes[operand.dtype.str], operand.shape) for operand in operands]
    return Bench(instruction, types, operands)


def places(claim: Claim) -> list[tuple[int, int]]:
    return [(read.slot, read.element) for read in claim.reads]


ONES = np.ones(3, "<f4")


def test_a_padding_element_reads_nothing() -> None:
    bench = bench_of(Move((0,), f32(4), (3,), (0,), (1,), (-1,), fill=7), ONES)
    assert places(bench.claim(0, Stage.ELEMENT)) == []
    assert bench.words(0, Stage.ELEMENT) == (7,)
    assert places(bench.claim(3, Stage.ELEMENT)) == [(0, 2)]


def test_a_concat_reads_only_the_operand_that_the_element_comes_from() -> None:
    bench = bench_of(Concat((0, 1), f32(6), 1, (3, 3), 1), ONES, ONES)
    assert places(bench.claim(4, Stage.ELEMENT)) == [(1, 1)]


def test_a_gather_reads_the_index_first() -> None:
    bench = bench_of(Gather((0, 1), f32(2), 1, 3, 1), ONES, np.array([2, -2], "<i4"))
    assert places(bench.claim(1, Stage.ELEMENT)) == [(1, 1), (0, 1)]


def test_an_update_for_another_row_is_not_read() -> None:
    index = np.array([1, 0], "<i4")
    instruction = Scatter(Scattering.ADD, (0, 1, 2), f32(3), 1, 3, 1)
    bench = bench_of(instruction, ONES, index, np.ones(2, "<f4"))
    assert places(bench.claim(0, Stage.STEP, 0)) == [(0, 0), (1, 0)]
    assert places(bench.claim(0, Stage.STEP, 1, (5,))) == [(1, 1), (2, 1)]


def test_a_start_is_read_even_where_an_update_replaces_it_at_once() -> None:
    index = np.array([1, 0], "<i4")
    instruction = Scatter(Scattering.REPLACE, (0, 1, 2), f32(3), 1, 3, 1)
    bench = bench_of(instruction, ONES, index, np.ones(2, "<f4"))
    assert places(bench.claim(1, Stage.STEP, 0)) == [(0, 1), (1, 0), (2, 0)]


def test_an_element_is_ranked_against_itself_with_one_read() -> None:
    bench = bench_of(Rank((0,), TensorType(DType.I64, (3,)), 1, 3, 1), ONES)
    assert places(bench.claim(1, Stage.STEP, 1, (1,))) == [(0, 1)]
    assert places(bench.claim(1, Stage.STEP, 2, (1,))) == [(0, 1), (0, 2)]


def test_a_select_reads_both_sides() -> None:
    bench = bench_of(
        Map(Function.SELECT, (0, 1, 2), f32(3)), np.array([True, False, True]), ONES, ONES
    )
    assert places(bench.claim(1, Stage.ELEMENT)) == [(0, 1), (1, 1), (2, 1)]


def test_an_index_outside_its_axis_is_a_fault() -> None:
    bench = bench_of(Gather((0, 1), f32(2), 1, 3, 1), ONES, np.array([2, -4], "<i4"))
    claims = [bench.claim(element, Stage.ELEMENT) for element in (0, 1)]
    assert [judge(claim).fault for claim in claims] == [False, True]
    assert places(claims[1]) == [(1, 1)]


def test_nans_are_read_as_the_canonical_one() -> None:
    bench = bench_of(
        Move((0,), f32(1), (1,), (0,), (1,), (0,)), np.array([0xFFC0_0001], "<u4").view("<f4")
    )
    assert bench.claim(0, Stage.ELEMENT).reads == (Read(0, 0, 0xFFC0_0001),)
    assert bench.words(0, Stage.ELEMENT) == (0x7FC0_0000,)


def test_a_claim_has_exactly_the_elements_that_its_step_reads() -> None:
    bench = bench_of(Map(Function.SUB, (0, 1), f32(3)), ONES, ONES)
    claim = bench.claim(1, Stage.ELEMENT)
    first, second = claim.reads
    for reads in (
        (first,),
        (second, first),
        (first, replace(second, element=2)),
        (first, replace(second, slot=0)),
        (first, second, Read(0, 2, 0)),
        (first, second, second),
        (),
    ):
        with pytest.raises(IllegalMove, match="exactly element 1 of operand 0, 1 of operand 1"):
            judge(replace(claim, reads=reads))


@pytest.mark.parametrize(
    ("stage", "step", "before"),
    [
        (Stage.ELEMENT, 0, ()),  # of a chain with steps
        (Stage.STEP, 3, (0,)),  # past the end
        (Stage.STEP, 1, ()),  # no state
        (Stage.STEP, 0, (0,)),  # a state before the start
        (Stage.STEP, 1, (0, 0)),
        (Stage.FINISH, 0, (0,) * SUM_LANES),  # not a float sum
    ],
)
def test_a_stage_that_the_instruction_does_not_have_is_refused(
    stage: Stage, step: int, before: tuple[int, ...]
) -> None:
    bench = bench_of(Rank((0,), TensorType(DType.I64, (3,)), 1, 3, 1), ONES)
    with pytest.raises(IllegalMove, match="stage, step and state"):
        bench.claim(0, stage, step, before)


def test_a_family_without_a_chain_has_one_stage() -> None:
    bench = bench_of(Map(Function.NEG, (0,), f32(3)), ONES)
    for stage, step in ((Stage.STEP, 0), (Stage.FINISH, 0), (Stage.ELEMENT, 1)):
        with pytest.raises(IllegalMove, match="stage, step and state"):
            bench.claim(0, stage, step)


@pytest.mark.parametrize(
    ("steps", "lane", "expected"), [(0, 0, 0), (16, 0, 1), (17, 0, 2), (17, 1, 1)]
)
def test_a_lane_has_every_sixteenth_element(steps: int, lane: int, expected: int) -> None:
    assert lane_steps(steps, lane) == expected == len(range(lane, steps, SUM_LANES))
