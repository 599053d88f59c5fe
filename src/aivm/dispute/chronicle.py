"""What the chain tells of a game, turned back into its moves: all that a player has to remember.

The contract shows the state after every move, and whatever the provider posted. What the challenger
chose follows from two states and the posting between them, so whoever lost its memory (or never
had one: another challenger, a page that draws the game) goes on from events alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aivm.commitments.merkle import leaf_hash
from aivm.dispute import moves
from aivm.dispute.moves import Move
from aivm.dispute.state import Phase, State, segment_steps, unpacked_words
from aivm.dispute.trace import ProgramTree
from aivm.dispute.trees import frontier_path
from aivm.errors import BadInput, WrongChain
from aivm.isa.instructions import TensorType
from aivm.receipts.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Moved:
    """The game is in this state now."""

    state: State


@dataclass(frozen=True, slots=True)
class Committed:
    """The provider posted the roots of the receipt's outputs, ..."""

    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Revealed:
    """... nodes of a tree, or tensor roots, ..."""

    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """... the type of a value, ..."""

    type: TensorType


@dataclass(frozen=True, slots=True)
class Posted:
    """... or the bytes of leaves, or packed words."""

    data: bytes


Happening = Moved | Committed | Revealed | Typed | Posted
"""An event of one game."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One move as the chain tells it: the states around it, and what was posted by it."""

    before: State
    after: State
    outputs: tuple[bytes, ...] = ()
    nodes: tuple[bytes, ...] = ()
    type: TensorType | None = None
    data: bytes = b""


_POSTINGS: dict[Phase, frozenset[type]] = {
    Phase.COMMIT: frozenset({Committed, Revealed}),
    Phase.REVEAL_VALUES: frozenset({Revealed}),
    Phase.REVEAL_TENSOR: frozenset({Typed, Revealed}),
    Phase.REVEAL_NODES: frozenset({Revealed}),
    Phase.REVEAL_LEAVES: frozenset({Posted}),
    Phase.REVEAL_LANES: frozenset({Posted}),
    Phase.REVEAL_STATES: frozenset({Posted}),
}


def turns_of(happenings: Sequence[Happening]) -> list[Turn]:
    """The moves that a game's events tell, from its first state on, in the chain's order.

    A move's postings may stand before or after the state that it leads to. Raises WrongChain where
    a posting is missing, or is of another kind than the move's.
    """
    first, *rest = happenings
    if not isinstance(first, Moved):
        raise WrongChain("a game's first event does not show its state")
    turns: list[Turn] = []
    before, told = first.state, dict[type, Happening]()
    for happening in rest:
        wanted = _POSTINGS.get(before.phase, frozenset()) | {Moved}
        if type(happening) not in wanted or type(happening) in told:
            kind = type(happening).__name__
            raise WrongChain(f"the chain tells of {kind} in phase {before.phase.name}")
        told[type(happening)] = happening
        if told.keys() == wanted:
            turns.append(_turn(before, told.values()))
            before, told = turns[-1].after, {}
    if told:
        raise WrongChain(f"the chain tells only a part of a move in phase {before.phase.name}")
    return turns


def history_of(receipt: Receipt, program: ProgramTree, turns: Sequence[Turn]) -> list[Move]:
    """The moves of a game about `receipt`, for `Challenger.move`.

    Exactly the moves that were made, but for `PickElement`, which is left out: no event has the
    operands that it opens, and nothing depends on it later. Raises BadInput if `program` is not the
    one in dispute.
    """
    if program.root != receipt.program:
        raise BadInput("this program is not the one that the receipt names")
    history: list[Move] = []
    posting: Turn | None = None
    for turn in turns:
        move = _posting(receipt, turn)
        if move is not None:
            posting = turn
        elif posting is None:
            raise WrongChain(
                f"the challenger moved in {turn.before.phase.name}, before any posting"
            )
        else:
            move = _choice(turn, posting)
        if move is not None:
            history.append(move)
    return history


def _turn(before: State, told: Iterable[Happening]) -> Turn:
    turn = Turn(before, before)
    for happening in told:
        match happening:
            case Moved(state):
                turn = replace(turn, after=state)
            case Committed(outputs):
                turn = replace(turn, outputs=outputs)
            case Revealed(nodes):
                turn = replace(turn, nodes=nodes)
            case Typed(type_):
                turn = replace(turn, type=type_)
            case Posted(data):
                turn = replace(turn, data=data)
    return turn


def _posting(receipt: Receipt, turn: Turn) -> Move | None:
    """The provider's move, or None if it is the challenger's turn."""
    match turn.before.phase:
        case Phase.COMMIT:
            return moves.Commit(receipt, turn.outputs, turn.nodes)
        case Phase.REVEAL_VALUES | Phase.REVEAL_NODES:
            return moves.Reveal(turn.nodes)
        case Phase.REVEAL_TENSOR:
            assert turn.type is not None, "the turn is whole"
            return moves.RevealTensor(turn.type, turn.nodes)
        case Phase.REVEAL_LEAVES:
            return moves.RevealLeaves(turn.data)
        case Phase.REVEAL_LANES:
            return moves.RevealLanes(unpacked_words(turn.data, turn.before.form))
        case Phase.REVEAL_STATES:
            return moves.RevealStates(unpacked_words(turn.data, turn.before.form))
        case _:
            return None


def _choice(turn: Turn, posting: Turn) -> Move | None:
    """The challenger's move, which chooses from the provider's last posting."""
    before, after = turn.before, turn.after
    match before.phase:
        case Phase.PICK_VALUE | Phase.PICK_LEAF:
            return _pick(before, after, posting.nodes)
        case Phase.PICK_LANE:
            return moves.PickLane(after.lane, unpacked_words(posting.data, before.form))
        case Phase.PICK_STEP:
            each = segment_steps(before.end - before.start, before.form)
            segment = (after.start - before.start) // each
            words = unpacked_words(posting.data, before.form)
            return moves.pick_step(segment, words, before.form)
        case _:
            return None


def _pick(before: State, after: State, nodes: Sequence[bytes]) -> moves.Pick:
    is_value = before.phase is Phase.PICK_VALUE and after.level == 0
    index = after.value if is_value else after.index
    levels = before.level - after.level
    position = index - (before.index << levels)
    hashes = [leaf_hash(node) for node in nodes] if is_value else nodes
    return moves.Pick(position, after.node, frontier_path(hashes, position))
