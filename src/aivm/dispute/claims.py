"""One scalar step: what decides it, what it gives, and which operand elements it reads.

`judge` is the definition that the contract `OneStep` is tested against; it runs the element recipes
of `aivm.isa` on nothing but a claim. Words travel as unsigned bit patterns, no wider than their
dtype (an I32 of -1 is 0xffffffff).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import cycle

from aivm.dispute.origins import Reader, TracedOperands, Word
from aivm.errors import IllegalMove
from aivm.isa.chains import SUM_LANES, Chain, Chained, chain, chain_length, wrapped_position
from aivm.isa.instructions import Gather, Instruction, Reduce, Scatter, TensorType
from aivm.isa.opcodes import Reduction
from aivm.isa.operands import ScalarOperands
from aivm.isa.recipes import canonical, element
from aivm.isa.records import decode_instruction
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap

_NO_READS = "the step reads nothing"


class Stage(IntEnum):
    """What part of an element's computation is judged. The codes are known to contracts."""

    ELEMENT = 0  # all of it: families without a chain, and chains without a step
    STEP = 1  # one step of a chain; step 0 (of a float sum: of its lane) begins with the start
    FINISH = 2  # of a float sum: the halving tree over its 16 lanes


@dataclass(frozen=True, slots=True)
class Read:
    """One element of an operand, as its bytes say; its NaN need not be the canonical one."""

    slot: int
    element: int
    word: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything that decides one step.

    `step` is 0 unless the stage is STEP; of a float sum it is the element's own number, so that its
    lane is step mod 16. `before` is the state before the step: nothing at the start of a chain (or
    lane), the word of its lane for a float sum, all 16 lanes at FINISH.
    """

    record: bytes
    types: tuple[TensorType, ...]
    element: int
    stage: Stage
    step: int
    before: tuple[int, ...]
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The state after the step, or the element; a fault is a step that no result can have."""

    words: tuple[int, ...]
    fault: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """How an element is computed: so many steps, and whether they are spread over 16 lanes.

    An instruction without a chain has no steps.
    """

    steps: int
    lanes: bool


def shape_of(instruction: Instruction, types: Sequence[TensorType]) -> Shape:
    """The shape of every element's computation, for operands of these types."""
    if not isinstance(instruction, Chained):
        return Shape(0, lanes=False)
    return Shape(chain_length(instruction, types), lanes=_is_float_sum(instruction))


def lane_steps(steps: int, lane: int) -> int:
    """How many of so many elements lane `lane` of a float sum adds up."""
    return max(0, -(-(steps - lane) // SUM_LANES))


def judge(claim: Claim) -> Judgement:
    """What the step gives. Raises IllegalMove unless the reads are exactly those it depends on."""
    given = {(read.slot, read.element): read.word for read in claim.reads}
    # What was not opened is read as 0: if the step depends on it, the places differ.
    operands, instruction, words = _run(claim, lambda *place: given.get(place, 0))
    needed = operands.needed(words)
    if tuple(needed) != tuple((read.slot, read.element) for read in claim.reads):
        places = ", ".join(f"{element} of operand {slot}" for slot, element in needed)
        raise IllegalMove(f"the step reads exactly element {places}" if needed else _NO_READS)
    return Judgement(
        _patterns(words, _dtypes(instruction, claim)), _is_fault(operands, instruction)
    )


def reads_of(claim: Claim, reader: Reader) -> tuple[Read, ...]:
    """The elements that a step depends on, in the order in which it reads them.

    `claim.reads` is not used. The reader may be asked for elements that do not matter in the end.
    """
    operands, _, words = _run(claim, reader)
    needed = operands.needed(words)
    return tuple(Read(slot, element, word) for (slot, element), word in needed.items())


def states_of(
    instruction: Chained, types: Sequence[TensorType], reader: Reader, index: int
) -> Iterator[tuple[int, ...]]:
    """The state after every step of an element's chain; of a float sum, all 16 lanes."""
    operands = _Operands(types, reader)
    steps = chain(operands, instruction, index)
    if _is_float_sum(instruction):
        lanes = [0] * SUM_LANES
        for k, word in enumerate(_lane_words(operands, steps, range(steps.length))):
            lanes[k % SUM_LANES] = word
            yield tuple(lanes)
        return
    state, dtypes = steps.start(), state_dtypes(instruction, types)
    for k in range(steps.length):
        state = steps.step(state, k)
        words = (canonical(operands, *each) for each in zip(dtypes, state, strict=True))
        yield tuple(map(_pattern, dtypes, words))


def lane_states_of(
    instruction: Reduce, types: Sequence[TensorType], reader: Reader, index: int, lane: int
) -> Iterator[tuple[int]]:
    """The word of one lane of a float sum after each of its own steps."""
    operands = _Operands(types, reader)
    steps = chain(operands, instruction, index)
    for word in _lane_words(operands, steps, range(lane, steps.length, SUM_LANES)):
        yield (word,)


def _lane_words(operands: _Operands, steps: Chain[int], numbers: range) -> Iterator[int]:
    """Of the steps with these numbers, the word that each leaves in its lane."""
    state = steps.start()
    for k in numbers:
        state = steps.step(state, k)
        yield _pattern(DType.F32, canonical(operands, DType.F32, state[k % SUM_LANES]))


def state_dtypes(instruction: Chained, types: Sequence[TensorType]) -> tuple[DType, ...]:
    """The dtypes of a chain's state; of a float sum, of one lane."""
    if isinstance(instruction, Reduce) and _is_arg(instruction):
        return types[0].dtype, DType.I64
    return (instruction.type.dtype,)


def element_of_state(instruction: Chained, state: tuple[int, ...]) -> int:
    """The element that a last state stands for, but for a float sum."""
    return state[-1] if isinstance(instruction, Reduce) and _is_arg(instruction) else state[0]


class _Operands(ScalarOperands):
    """Operands read through a function, with NaNs as the canonical one."""

    def __init__(self, types: Sequence[TensorType], reader: Reader) -> None:
        super().__init__(types, ())
        self._reader = reader

    def read(self, slot: int, element: int) -> int:
        dtype = self.types[slot].dtype
        return canonical(self, dtype, wrap(dtype, self._reader(slot, element)))


def _run(claim: Claim, reader: Reader) -> tuple[TracedOperands, Instruction, tuple[Word, ...]]:
    """The words that the step gives, with their origins; canonical."""
    operands, instruction = TracedOperands(claim.types, reader), decode_instruction(claim.record)
    words = _compute(operands, instruction, claim)
    dtypes = _dtypes(instruction, claim)
    pairs = zip(dtypes, words, strict=True)
    return operands, instruction, tuple(canonical(operands, dtype, word) for dtype, word in pairs)


def _compute(operands: TracedOperands, instruction: Instruction, claim: Claim) -> tuple[Word, ...]:
    if not isinstance(instruction, Chained):
        _demand(claim.stage is Stage.ELEMENT and not claim.step and not claim.before)
        return (element(operands, instruction, claim.element),)
    lanes = _is_float_sum(instruction)
    steps = chain(operands, instruction, claim.element)
    if claim.stage is Stage.STEP:
        _demand(claim.step < steps.length)
    else:
        _demand(claim.step == 0 and (steps.length == 0) is (claim.stage is Stage.ELEMENT))
    dtypes = state_dtypes(instruction, claim.types)
    before = tuple(operands.word(*each) for each in zip(cycle(dtypes), claim.before, strict=False))
    if claim.stage is Stage.FINISH:
        _demand(lanes and len(before) == SUM_LANES)
        return (steps.finish(before),)
    first = claim.stage is Stage.ELEMENT or claim.step < (SUM_LANES if lanes else 1)
    _demand(len(before) == (0 if first else len(dtypes)))
    if claim.stage is Stage.ELEMENT:
        return (steps.run(),)
    if lanes:
        return (_lane_step(steps, claim.step, before),)
    if first:
        before = steps.start()
        operands.keep(before)  # also where a SCATTER replaces it at once
    return steps.step(before, claim.step)


def _lane_step(steps: Chain[Word], step: int, before: tuple[Word, ...]) -> Word:
    """One step of a float sum, of which only its lane matters."""
    lanes, lane = list(steps.start()), step % SUM_LANES
    lanes[lane : lane + len(before)] = before
    return steps.step(tuple(lanes), step)[lane]


def _demand(fits: bool) -> None:
    if not fits:
        raise IllegalMove("the claim's stage, step and state are none that its instruction has")


def _dtypes(instruction: Instruction, claim: Claim) -> tuple[DType, ...]:
    """The dtypes of the words that a claim is answered with."""
    if claim.stage is Stage.STEP and isinstance(instruction, Chained):
        return state_dtypes(instruction, claim.types)
    return (instruction.type.dtype,)


def _patterns(words: Sequence[Word], dtypes: Sequence[DType]) -> tuple[int, ...]:
    return tuple(_pattern(dtype, word.value) for dtype, word in zip(dtypes, words, strict=True))


def _pattern(dtype: DType, word: int) -> int:
    """A word as bits, no wider than its dtype."""
    return word & ((1 << 8 * dtype.size_bytes) - 1)


def _is_fault(operands: TracedOperands, instruction: Instruction) -> bool:
    """Whether an index that was read is outside the axis of a GATHER or SCATTER."""
    if not isinstance(instruction, Gather | Scatter):
        return False
    return not all(wrapped_position(instruction.size, index)[1] for index in operands.indices)


def _is_float_sum(instruction: Chained) -> bool:
    if not isinstance(instruction, Reduce):
        return False
    return instruction.function is Reduction.SUM and instruction.type.dtype is DType.F32


def _is_arg(instruction: Reduce) -> bool:
    return instruction.function in (Reduction.ARG_MAX, Reduction.ARG_MIN)
