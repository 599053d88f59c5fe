"""From a data leaf to one scalar step: the last rounds of a game.

A chain of n steps is cut into segments; the provider posts the state after each, and the challenger
picks the first segment that ends wrongly. Its start is then agreed and its end is not. A float sum
is 16 chains, its lanes, of which the challenger picks one first.

Of a state with one word, `before` and `after` hold it last: (0, word).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivm.commitments import merkle
from aivm.dispute import moves
from aivm.dispute.claims import Claim, Read, Stage, lane_steps, shape_of
from aivm.dispute.openings import check_record
from aivm.dispute.state import (
    CHUNK_BYTES,
    NO_LANE,
    Form,
    Phase,
    State,
    packed_words,
    posted_tree,
    segment_steps,
    unpacked_words,
)
from aivm.dispute.trace import Evidence, Work, element_of_leaf, leaf_of_element, tensor_hash
from aivm.dispute.trees import climbed, frontier_size, leaf_count
from aivm.errors import IllegalMove
from aivm.isa.chains import SUM_LANES
from aivm.isa.instructions import Instruction, Reduce
from aivm.isa.opcodes import Reduction
from aivm.isa.records import decode_instruction


def pick_element(state: State, move: moves.PickElement, sender: str) -> State:  # noqa: ARG001
    check_record(state, move.receipt, 1 + state.value, move.work.record, move.record_path)
    instruction = decode_instruction(move.work.record)
    type_ = instruction.type
    if tensor_hash(move.trace, type_) != state.opened:
        raise IllegalMove("this is not the trace, or not the type that the provider gave the value")
    if not 0 <= move.element < type_.elements:
        raise IllegalMove(f"the value has {type_.elements} elements")
    _check_leaf(state, move, leaf_of_element(type_, move.element))
    _check_operands(state, instruction, move)
    shape = shape_of(instruction, tuple(operand.type for operand in move.work.operands))
    picked = replace(
        state,
        opened=move.work.hash,
        element=move.element,
        after=(0, element_of_leaf(type_, move.leaf, move.element)),
        form=_form(instruction) if shape.steps else Form.NARROW,
        end=shape.steps,
    )
    if shape.lanes and shape.steps:
        return replace(picked, phase=Phase.REVEAL_LANES)
    return replace(picked, phase=_narrowed(shape.steps))


def _check_leaf(state: State, move: moves.PickElement, leaf: int) -> None:
    count = frontier_size(state.leaves, state.level, state.index, state.level)
    position = leaf - (state.index << state.level)
    if not 0 <= position < count:
        raise IllegalMove(f"element {move.element} is not in a leaf that the provider showed")
    if climbed(merkle.leaf_hash(move.leaf), position, count, move.leaf_path) != state.node:
        raise IllegalMove("this is not the leaf of that element")


def _check_operands(state: State, instruction: Instruction, move: moves.PickElement) -> None:
    operands = instruction.operands
    if not len(operands) == len(move.work.operands) == len(move.operand_paths):
        raise IllegalMove(f"the instruction has {len(operands)} operands")
    opened = zip(operands, move.work.operands, move.operand_paths, strict=True)
    for value, operand, path in opened:
        if not merkle.verify(move.trace, operand.root, value, state.values, path):
            raise IllegalMove(f"an opened operand is not value {value} of the trace")


def reveal_lanes(state: State, move: moves.RevealLanes, sender: str) -> State:  # noqa: ARG001
    if len(move.lanes) != SUM_LANES:
        raise IllegalMove(f"a float sum has {SUM_LANES} lanes")
    if any(move.lanes[state.end :]):
        raise IllegalMove("a lane to which nothing is added is +0")
    return replace(state, node=_posted(state, move.lanes), phase=Phase.PICK_LANE)


def pick_lane(state: State, move: moves.PickLane, sender: str) -> State:  # noqa: ARG001
    check_lanes(state, move.lanes)
    if not 0 <= move.lane < min(SUM_LANES, state.end):
        raise IllegalMove(f"nothing is added to lane {move.lane}")
    steps = lane_steps(state.end, move.lane)
    after = (0, move.lanes[move.lane])
    return replace(state, lane=move.lane, end=steps, after=after, phase=_narrowed(steps))


def reveal_states(state: State, move: moves.RevealStates, sender: str) -> State:  # noqa: ARG001
    count = segments(state) * state.form.words
    if len(move.words) != count:
        raise IllegalMove(f"{count} words are to be posted, not {len(move.words)}")
    known = 2 if state.form is Form.TWO else 1
    if tuple(move.words[-known:]) != state.after[-known:]:
        raise IllegalMove("the last state is not the one in dispute")
    return replace(state, node=_posted(state, move.words), phase=Phase.PICK_STEP)


def pick_step(state: State, move: moves.PickStep, sender: str) -> State:  # noqa: ARG001
    count, width = segments(state), state.form.width
    if not 0 <= move.segment < count:
        raise IllegalMove(f"there are {count} segments")
    number, offset = divmod(move.segment * width, CHUNK_BYTES)
    chunks = -(-count * width // CHUNK_BYTES)
    if climbed(merkle.leaf_hash(move.chunk), number, chunks, move.path) != state.node:
        raise IllegalMove("these are not states that the provider posted")
    at = offset + (width if number else 0)  # the state before them comes first
    each = segment_steps(state.end - state.start, state.form)
    first = state.start + move.segment * each
    end = min(first + each, state.end)
    return replace(
        state,
        start=first,
        end=end,
        before=_state_in(state, move.chunk, at - width) if move.segment else state.before,
        after=_state_in(state, move.chunk, at),
        form=Form.TWO if state.form is Form.LAST_OF_TWO else state.form,
        phase=_narrowed(end - first),
    )


def _state_in(state: State, chunk: bytes, at: int) -> tuple[int, int]:
    words = unpacked_words(chunk[at : at + state.form.width], state.form)
    return (words[0], words[1]) if len(words) == 2 else (0, words[0])


def segments(state: State) -> int:
    """Into how many segments the steps in dispute are cut."""
    steps = state.end - state.start
    count = -(-steps // segment_steps(steps, state.form))
    assert count > 1, "a round narrows"
    return count


def claimed_step(state: State, move: moves.Prove) -> Claim:
    """The step that is left, with its opened operands."""
    is_step = state.end > 0
    step = state.start if state.lane == NO_LANE else state.start * SUM_LANES + state.lane
    before = state.before[-state.form.words :] if state.start else ()
    return _claim(state, move, Stage.STEP if is_step else Stage.ELEMENT, step, before)


def claimed_finish(state: State, lanes: tuple[int, ...], move: moves.Prove) -> Claim:
    """The sum of the lanes, which needs nothing but them."""
    return _claim(state, move, Stage.FINISH, 0, lanes)


def _claim(
    state: State, move: moves.Prove, stage: Stage, step: int, before: tuple[int, ...]
) -> Claim:
    if move.work.hash != state.opened:
        raise IllegalMove("this is not the instruction in dispute, or not its operands")
    types = tuple(operand.type for operand in move.work.operands)
    reads = _reads(move.work, move.evidence)
    return Claim(move.work.record, types, state.element, stage, step, before, reads)


def check_lanes(state: State, lanes: Sequence[int]) -> None:
    """Raises IllegalMove unless these are the lanes that the provider posted last."""
    if len(lanes) != SUM_LANES or _posted(state, lanes) != state.node:
        raise IllegalMove("these are not the lanes that the provider posted")


def _posted(state: State, words: Sequence[int]) -> bytes:
    """The root over posted states."""
    bits = 8 * state.form.width // state.form.words
    if any(not 0 <= word < 1 << bits for word in words):
        raise IllegalMove(f"a word has {bits} bits")
    return posted_tree(packed_words(words, state.form), state.form).root


def _narrowed(steps: int) -> Phase:
    return Phase.PROVE if steps <= 1 else Phase.REVEAL_STATES


def _form(instruction: Instruction) -> Form:
    arg = (Reduction.ARG_MAX, Reduction.ARG_MIN)
    if isinstance(instruction, Reduce) and instruction.function in arg:
        return Form.LAST_OF_TWO
    return Form.NARROW if instruction.type.dtype.size_bytes <= 4 else Form.WIDE


def _reads(work: Work, evidence: Evidence) -> tuple[Read, ...]:
    leaves = evidence.leaves
    for leaf in leaves:
        if not leaf.slot < len(work.operands):
            raise IllegalMove(f"there is no operand {leaf.slot}")
        operand = work.operands[leaf.slot]
        count = leaf_count(operand.type.size_bytes)
        if not merkle.verify(operand.data_root, leaf.data, leaf.index, count, leaf.path):
            raise IllegalMove(f"an opened leaf is not leaf {leaf.index} of operand {leaf.slot}")
    reads = []
    for place in evidence.reads:
        if not place.leaf < len(leaves):
            raise IllegalMove(f"there is no opened leaf {place.leaf}")
        leaf = leaves[place.leaf]
        type_ = work.operands[leaf.slot].type
        if leaf_of_element(type_, place.element) != leaf.index or place.element >= type_.elements:
            raise IllegalMove(f"element {place.element} is not in leaf {leaf.index}")
        reads.append(
            Read(leaf.slot, place.element, element_of_leaf(type_, leaf.data, place.element))
        )
    return tuple(reads)
