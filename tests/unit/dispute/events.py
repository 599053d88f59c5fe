"""What the contract's events say of a move, in one of the orders in which it says it."""

from __future__ import annotations

from aivm.dispute import moves
from aivm.dispute.chronicle import Committed, Happening, Moved, Posted, Revealed, Typed
from aivm.dispute.moves import Move
from aivm.dispute.state import State, packed_words


def told(move: Move, after: State) -> list[Happening]:
    """The events of `move`, which led to the state `after`."""
    moved = Moved(after)
    match move:
        case moves.Commit():
            return [Committed(move.outputs), Revealed(move.nodes), moved]
        case moves.Reveal():
            return [Revealed(move.nodes), moved]
        case moves.RevealTensor():
            return [moved, Typed(move.type), Revealed(move.nodes)]
        case moves.RevealLeaves():
            return [moved, Posted(move.data)]
        case moves.RevealLanes():
            return [moved, Posted(packed_words(move.lanes, after.form))]
        case moves.RevealStates():
            return [moved, Posted(packed_words(move.words, after.form))]
        case _:
            return [moved]
