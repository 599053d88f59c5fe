"""The contract judges every step of every family as Python does, and refuses what Python refuses.

Claims come from the recipes of `aivm.isa` (`aivm.dispute.claims`); the contract finds out by itself
what a step reads, and computes it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from aivm.chain.anvil import AnvilProcess
from aivm.commitments import Array
from aivm.dispute.claims import (
    Claim,
    Judgement,
    Read,
    Stage,
    judge,
    reads_of,
    shape_of,
    state_dtypes,
    states_of,
)
from aivm.engines import open_engine
from aivm.errors import AivmError, IllegalMove, MalformedProgram
from aivm.isa.chains import SUM_LANES, Chained
from aivm.isa.instructions import Instruction, TensorType
from aivm.isa.program import Program
from aivm.isa.records import decode_instruction, encode_instruction
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType
from aivm.testing.catalogue import catalogue
from aivm.testing.programs import random_program

from .one_step import OneStep

T = TypeVar("T")

NOT_PROVED_HERE = range(8, 24)  # of a record: which values the operands are


@pytest.fixture(scope="module")
def contract(anvil_path: Path) -> Iterator[OneStep]:
    assert anvil_path.is_file()
    with AnvilProcess() as node, closing(OneStep(node)) as one_step:
        yield one_step


class Source:
    """Claims about one instruction whose operands are at hand."""

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

    def claim(self, element: int, stage: Stage, step: int, before: tuple[int, ...]) -> Claim:
        bare = Claim(self.record, self.types, element, stage, step, before, ())
        return replace(bare, reads=reads_of(bare, self.reader))

    def claims(self, choice: random.Random) -> Iterator[Claim]:
        """Of one element: all of it, or the first step, one in the middle, the last, the finish."""
        elements = self.instruction.type.elements
        if elements == 0:
            return
        element = choice.randrange(elements)
        shape = shape_of(self.instruction, self.types)
        if shape.steps == 0:
            yield self.claim(element, Stage.ELEMENT, 0, ())
            return
        assert isinstance(self.instruction, Chained)
        states = list(states_of(self.instruction, self.types, self.reader, element))
        for step in sorted({0, choice.randrange(shape.steps), shape.steps - 1}):
            if shape.lanes:
                lane = step % SUM_LANES
                before = (states[step - 1][lane],) if step >= SUM_LANES else ()
            else:
                before = states[step - 1] if step else ()
            yield self.claim(element, Stage.STEP, step, before)
        if shape.lanes:
            yield self.claim(element, Stage.FINISH, 0, states[-1])


def sources_of_programs(seeds: Iterable[int], *, faults: bool = False) -> Iterator[Source]:
    for seed in seeds:
        case = random_program(seed, max_instructions=8, faults=faults)
        with closing(open_engine("reference").load(case.program, case.constants)) as executable:
            values = [*case.inputs, *case.constants]
            types = case.program.value_types
            try:
                values.extend(executable.trace(case.inputs))
            except AivmError:
                assert faults
            # where a run ends in a fault, the instruction that met it is the last
            for instruction in case.program.instructions[: len(values) + 1]:
                operands = instruction.operands
                if all(value < len(values) for value in operands):
                    yield Source(
                        instruction, [types[v] for v in operands], [values[v] for v in operands]
                    )


def sources_of_catalogue(seed: int) -> Iterator[Source]:
    for entry in catalogue(seed):
        yield Source(entry.instruction, entry.types, entry.operands)


def assert_judged_alike(contract: OneStep, claims: Sequence[Claim]) -> None:
    for claim, answer in zip(claims, contract.judge(claims), strict=True):
        assert answer == judge(claim), (decode_instruction(claim.record), claim)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_opcode_function_and_dtype(contract: OneStep, seed: int) -> None:
    choice = random.Random(seed)
    sources = sources_of_catalogue(seed)
    claims = [claim for source in sources for claim in source.claims(choice)]
    assert len(claims) > 800
    assert_judged_alike(contract, claims)


def test_random_programs(contract: OneStep) -> None:
    choice = random.Random(3)
    sources = sources_of_programs(range(150))
    claims = [claim for source in sources for _ in range(2) for claim in source.claims(choice)]
    assert len(claims) > 1_500
    assert_judged_alike(contract, claims)


def test_faults(contract: OneStep) -> None:
    choice = random.Random(4)
    sources = sources_of_programs(range(400, 480), faults=True)
    claims = [claim for source in sources for _ in range(3) for claim in source.claims(choice)]
    judgements = [judge(claim) for claim in claims]
    assert sum(judgement.fault for judgement in judgements) > 20
    assert contract.judge(claims) == judgements


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_random_programs(contract: OneStep, seed: int) -> None:
    choice = random.Random(seed)
    sources = sources_of_programs(range(1_000 + 100 * seed, 1_100 + 100 * seed), faults=True)
    claims = [claim for source in sources for _ in range(4) for claim in source.claims(choice)]
    assert_judged_alike(contract, claims)


# --- claims with something changed ---------------------------------------------------------------


def other_word(choice: random.Random, dtype: DType, word: int) -> int:
    """Another pattern of the dtype; at times one bit away."""
    if dtype is DType.BOOL:
        return 1 - word
    bits = 8 * dtype.size_bytes
    return word ^ (
        1 << choice.randrange(bits) if choice.random() < 0.5 else choice.getrandbits(bits) or 1
    )


def with_other_words(choice: random.Random, claim: Claim) -> Iterator[Claim]:
    """The same places with other words there: it is judged, and gives what those words give."""
    for number, read in enumerate(claim.reads):
        word = other_word(choice, claim.types[read.slot].dtype, read.word)
        yield replace(claim, reads=exchanged(claim.reads, number, replace(read, word=word)))
    if claim.before:
        instruction = decode_instruction(claim.record)
        assert isinstance(instruction, Chained)
        number = choice.randrange(len(claim.before))
        dtypes = state_dtypes(instruction, claim.types) * len(claim.before)
        word = other_word(choice, dtypes[number], claim.before[number])
        yield replace(claim, before=exchanged(claim.before, number, word))


def with_wrong_reads(choice: random.Random, claim: Claim) -> Iterator[Claim]:
    """Other elements, one too few, one too many, another order."""
    reads = claim.reads
    yield replace(claim, reads=(*reads, Read(choice.randrange(4), choice.randrange(40), 0)))
    for number, read in enumerate(reads):
        elsewhere = replace(read, element=read.element + choice.choice((-1, 1, 7)) & 0xFFFF_FFFF)
        yield replace(claim, reads=exchanged(reads, number, elsewhere))
        yield replace(
            claim, reads=exchanged(reads, number, replace(read, slot=(read.slot + 1) % 4))
        )
        yield replace(claim, reads=reads[:number] + reads[number + 1 :])
    if len(reads) > 1:
        yield replace(claim, reads=reads[::-1])


def exchanged(items: tuple[T, ...], number: int, item: T) -> tuple[T, ...]:
    return (*items[:number], item, *items[number + 1 :])


def judgement_of(claim: Claim) -> Judgement | None:
    """None where the claim is refused."""
    try:
        return judge(claim)
    except IllegalMove:
        return None


def every_claim(seed: int) -> list[Claim]:
    choice = random.Random(seed)
    return [claim for source in sources_of_catalogue(seed) for claim in source.claims(choice)]


def test_a_changed_word_is_judged_for_what_it_is(contract: OneStep) -> None:
    choice = random.Random(5)
    claims = [other for claim in every_claim(5) for other in with_other_words(choice, claim)]
    assert len(claims) > 1_000
    for claim, answer in zip(claims, contract.judge(claims), strict=True):
        expected = judgement_of(claim)  # an index that is another word may lead to another read
        if expected is None:
            assert answer == "WrongReads", claim
        else:
            assert answer == expected, claim


def test_other_places_than_those_that_the_step_reads_are_refused(contract: OneStep) -> None:
    choice = random.Random(6)
    claims = [other for claim in every_claim(6) for other in with_wrong_reads(choice, claim)]
    claims = [claim for claim in claims if judgement_of(claim) is None]
    assert len(claims) > 3_000
    assert set(contract.judge(claims)) == {"WrongReads"}


def test_another_element_or_step_reads_elsewhere_or_gives_what_python_gives(
    contract: OneStep,
) -> None:
    choice = random.Random(7)
    claims = []
    for claim in every_claim(7):
        instruction = decode_instruction(claim.record)
        claims.append(replace(claim, element=choice.randrange(instruction.type.elements)))
        claims.append(replace(claim, step=claim.step + choice.choice((1, 16))))
        claims.append(replace(claim, stage=choice.choice(list(Stage))))
        claims.append(replace(claim, before=claim.before[1:] or (1,)))
    for claim, answer in zip(claims, contract.judge(claims), strict=True):
        expected = judgement_of(claim)
        if expected is None:
            assert answer in ("WrongReads", "WrongState", "NoSuchStage"), claim
        else:
            assert answer == expected, claim


def test_a_changed_record_that_is_valid_is_judged_for_what_it_says(contract: OneStep) -> None:
    """A byte of the record is changed; what has become invalid, no program root commits to."""
    choice = random.Random(8)
    claims = [other for claim in every_claim(8) * 12 if (other := with_other_record(choice, claim))]
    assert len(claims) > 300
    refused = 0
    for claim, answer in zip(claims, contract.judge(claims), strict=True):
        expected = judgement_of(claim)
        if expected is None:
            refused += 1
            assert answer in ("WrongReads", "WrongState", "NoSuchStage"), claim
        else:
            assert answer == expected, claim
    assert 20 < refused < len(claims)


def with_other_record(choice: random.Random, claim: Claim) -> Claim | None:
    """A claim whose record differs in a byte that counts, and is the one record of what it says."""
    record = bytearray(claim.record)
    position = choice.choice([at for at in range(len(record)) if at not in NOT_PROVED_HERE])
    if choice.random() < 0.5:  # most bytes are zero and must stay so
        position = choice.choice([0, 1, 2, 5, *(at for at in range(24, 256) if record[at])])
    record[position] ^= choice.choice((1, 2, 3, 4, 8))
    try:
        instruction = decode_instruction(bytes(record))
        validate(Program(claim.types, (), (instruction,), (len(claim.types),)))
    except MalformedProgram:
        return None
    elements = instruction.type.elements
    if encode_instruction(instruction) != record or claim.element >= elements:
        return None
    return replace(claim, record=bytes(record))


def test_words_wider_than_their_dtype_are_refused(contract: OneStep) -> None:
    claims = []
    for claim in every_claim(9):
        for number, read in enumerate(claim.reads):
            bits = 8 * claim.types[read.slot].dtype.size_bytes
            if bits < 64:
                wide = replace(read, word=read.word | 1 << bits)
                claims.append(replace(claim, reads=exchanged(claim.reads, number, wide)))
        dtype = decode_instruction(claim.record).type.dtype
        if len(claim.before) in (1, SUM_LANES) and dtype.size_bytes < 8:
            claims.append(replace(claim, before=exchanged(claim.before, 0, 1 << 63)))
    assert set(contract.judge(claims)) == {"WordTooWide"}


def test_records_and_types_that_are_none_are_refused(contract: OneStep) -> None:
    claim = next(iter(every_claim(1)))
    header = bytes([0]) + claim.record[1:]
    assert contract.judge(
        [
            replace(claim, record=claim.record[:-1]),
            replace(claim, record=claim.record + b"\0"),
            replace(claim, types=()),
            replace(claim, types=claim.types * 2),
            replace(claim, record=header),
        ]
    ) == ["NoRecord", "NoRecord", "WrongTypes", "WrongTypes", "NoInstruction"]


def test_the_length_of_every_chain(contract: OneStep) -> None:
    for source in sources_of_catalogue(1):
        if source.instruction.type.elements:
            claim = Claim(source.record, source.types, 0, Stage.ELEMENT, 0, (), ())
            expected = shape_of(source.instruction, source.types).steps
            assert contract.chain_length(claim) == expected
