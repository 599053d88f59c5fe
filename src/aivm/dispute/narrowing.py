"""From a data leaf to one scalar step: the last rounds of a game.

A chain of n steps is cut into segments; the provider posts the state after each, and the challenger
picks the first segment that ends wrongly. Its start is then agreed and its end is not. A float sum
is 16 chains, its lanes, of which the challenger picks one first.

Of a state with one word, `before` and `after` hold it last: (0, word).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eth_hash.auto import keccak

from aivm.commitments import merkle
from aivm.dispute import moves
from aivm.dispute.claims import Claim, Read, Shape, Stage, lane_steps, shape_of
from aivm.dispute.state import (
    MAX_SEGMENTS,
    NO_LANE,
    Form,
    Phase,
    State,
    packed_words,
    segment_steps,
)
from aivm.dispute.trace import OpenedTensor, element_of_leaf, leaf_of_element
from aivm.dispute.trees import depth, leaf_count
from aivm.errors import IllegalMove
from aivm.isa.chains import SUM_LANES
from aivm.isa.instructions import Instruction, MatMul, Reduce, Scatter, TensorType
from aivm.isa.opcodes import Reduction
from aivm.isa.records import decode_instruction


def sizing_slot(instruction: Instruction) -> int | None:
    """The operand whose type says how long a chain is; None where the record itself says it."""
    if isinstance(instruction, MatMul):
        return 0
    return 1 if isinstance(instruction, Scatter) else None


def pick_element(state: State, move: moves.PickElement, sender: str) -> State:  # noqa: ARG001
    instruction = check_record(state, move.record)
    type_ = instruction.type
    if merkle.leaf_hash(move.data) != state.node:
        raise IllegalMove("this is not the leaf in dispute")
    if leaf_of_element(type_, move.element) != state.index:
        raise IllegalMove(f"element {move.element} is not in leaf {state.index}")
    if not 0 <= move.element < type_.elements:
        raise IllegalMove(f"the value has {type_.elements} elements")
    shape = _shape(state, instruction, move.sizing)
    after = (0, element_of_leaf(type_, move.data, move.element))
    form = Form.LAST_OF_TWO if _is_arg(instruction) and shape.steps else Form.ONE
    picked = replace(state, element=move.element, after=after, form=form, end=shape.steps)
    if shape.lanes and shape.steps:
        return replace(picked, phase=Phase.REVEAL_LANES)
    return replace(picked, phase=_narrowed(shape.steps))


def reveal_lanes(state: State, move: moves.RevealLanes, sender: str) -> State:  # noqa: ARG001
    if len(move.lanes) != SUM_LANES:
        raise IllegalMove(f"a float sum has {SUM_LANES} lanes")
    if any(move.lanes[state.end :]):
        raise IllegalMove("a lane to which nothing is added is +0")
    _check_words(move.lanes)
    return replace(state, node=_posted(move.lanes), phase=Phase.PICK_LANE)


def pick_lane(state: State, move: moves.PickLane, sender: str) -> State:  # noqa: ARG001
    check_posted(state, move.lanes)
    if not 0 <= move.lane < min(SUM_LANES, state.end):
        raise IllegalMove(f"nothing is added to lane {move.lane}")
    steps = lane_steps(state.end, move.lane)
    after = (0, move.lanes[move.lane])
    return replace(state, lane=move.lane, end=steps, after=after, phase=_narrowed(steps))


def reveal_states(state: State, move: moves.RevealStates, sender: str) -> State:  # noqa: ARG001
    count = segments(state) * _width(state)
    if len(move.words) != count:
        raise IllegalMove(f"{count} words are to be posted, not {len(move.words)}")
    _check_words(move.words)
    known = 2 if state.form is Form.TWO else 1
    if tuple(move.words[-known:]) != state.after[-known:]:
        raise IllegalMove("the last state is not the one in dispute")
    return replace(state, node=_posted(move.words), phase=Phase.PICK_STEP)


def pick_step(state: State, move: moves.PickStep, sender: str) -> State:  # noqa: ARG001
    check_posted(state, move.words)
    if not 0 <= move.segment < segments(state):
        raise IllegalMove(f"there are {segments(state)} segments")
    width, each = _width(state), segment_steps(state.end - state.start)
    first = state.start + move.segment * each
    end = min(first + each, state.end)
    at = move.segment * width
    before = _pair(move.words[at - width : at]) if move.segment else state.before
    return replace(
        state,
        start=first,
        end=end,
        before=before,
        after=_pair(move.words[at : at + width]),
        form=Form.ONE if width == 1 else Form.TWO,
        phase=_narrowed(end - first),
    )


def segments(state: State) -> int:
    """Into how many segments the steps in dispute are cut."""
    steps = state.end - state.start
    count = -(-steps // segment_steps(steps))
    assert 1 < count <= MAX_SEGMENTS, "a round narrows"
    return count


def claimed_step(state: State, move: moves.Prove) -> Claim:
    """The step that is left, with its opened operands."""
    instruction = check_record(state, move.record)
    is_step = state.end > 0
    step = state.start if state.lane == NO_LANE else state.start * SUM_LANES + state.lane
    before = state.before[-_width(state) :] if state.start else ()
    stage = Stage.STEP if is_step else Stage.ELEMENT
    types = _opened_types(state, instruction, move)
    reads = _reads(types, move)
    return Claim(move.record, types, state.element, stage, step, before, reads)


def claimed_finish(state: State, lanes: tuple[int, ...], move: moves.Prove) -> Claim:
    """The sum of the lanes, which needs nothing but them."""
    instruction = check_record(state, move.record)
    types = _opened_types(state, instruction, move)
    return Claim(move.record, types, state.element, Stage.FINISH, 0, lanes, _reads(types, move))


def check_record(state: State, record: bytes) -> Instruction:
    """The instruction, if the record is the one that the provider showed."""
    if keccak(record) != state.record:
        raise IllegalMove("this is not the record of the value in dispute")
    return decode_instruction(record)


def check_posted(state: State, words: Sequence[int]) -> None:
    """Raises IllegalMove unless these words are what the provider posted last."""
    _check_words(words)
    if _posted(words) != state.node:
        raise IllegalMove("these are not the words that the provider posted")


def _posted(words: Sequence[int]) -> bytes:
    return bytes(keccak(packed_words(words)))


def _check_words(words: Sequence[int]) -> None:
    if any(not 0 <= word < 1 << 64 for word in words):
        raise IllegalMove("a word has 64 bits")


def _narrowed(steps: int) -> Phase:
    return Phase.PROVE if steps <= 1 else Phase.REVEAL_STATES


def _width(state: State) -> int:
    return 1 if state.form is Form.ONE else 2


def _pair(words: Sequence[int]) -> tuple[int, int]:
    return (words[0], words[1]) if len(words) == 2 else (0, words[0])


def _is_arg(instruction: Instruction) -> bool:
    arg = (Reduction.ARG_MAX, Reduction.ARG_MIN)
    return isinstance(instruction, Reduce) and instruction.function in arg


def _shape(state: State, instruction: Instruction, sizing: OpenedTensor | None) -> Shape:
    slot = sizing_slot(instruction)
    if slot is None or sizing is None:
        if slot is not None:
            raise IllegalMove(f"operand {slot} says how long the chain is, and is not opened")
        return shape_of(instruction, ())
    _check_opened(state, instruction.operands[slot], sizing)
    return shape_of(instruction, (sizing.type,) * (slot + 1))


def _check_opened(state: State, value: int, tensor: OpenedTensor) -> None:
    if not merkle.verify(state.trace, tensor.root, value, state.values, tensor.path):
        raise IllegalMove(f"an opened operand is not value {value} of the trace")


def _opened_types(
    state: State, instruction: Instruction, move: moves.Prove
) -> tuple[TensorType, ...]:
    opened = move.evidence.operands
    if len(opened) != len(instruction.operands):
        raise IllegalMove(f"the instruction has {len(instruction.operands)} operands")
    for value, tensor in zip(instruction.operands, opened, strict=True):
        _check_opened(state, value, tensor)
    return tuple(tensor.type for tensor in opened)


def _reads(types: Sequence[TensorType], move: moves.Prove) -> tuple[Read, ...]:
    leaves = move.evidence.leaves
    for leaf in leaves:
        if not leaf.slot < len(types):
            raise IllegalMove(f"there is no operand {leaf.slot}")
        count = leaf_count(types[leaf.slot].size_bytes)
        root = move.evidence.operands[leaf.slot].data_root
        assert depth(count) < 64, "a tensor of this world"
        if not merkle.verify(root, leaf.data, leaf.index, count, leaf.path):
            raise IllegalMove(f"an opened leaf is not leaf {leaf.index} of operand {leaf.slot}")
    reads = []
    for place in move.evidence.reads:
        if not place.leaf < len(leaves):
            raise IllegalMove(f"there is no opened leaf {place.leaf}")
        leaf = leaves[place.leaf]
        type_ = types[leaf.slot]
        if leaf_of_element(type_, place.element) != leaf.index or place.element >= type_.elements:
            raise IllegalMove(f"element {place.element} is not in leaf {leaf.index}")
        reads.append(
            Read(leaf.slot, place.element, element_of_leaf(type_, leaf.data, place.element))
        )
    return tuple(reads)
