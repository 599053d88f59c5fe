"""How a game narrows: after each move, the interval that is still in dispute.

A game goes down five scales, one after another. A move that picks an item shows it on the scale
from which it was picked; the provider's next posting opens the scale below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from aivm.commitments.merkle import LEAF_BYTES
from aivm.dispute.state import Phase, State
from aivm.isa.chains import SUM_LANES
from aivm.isa.instructions import TensorType


class Scale(StrEnum):
    """What the items of an interval are."""

    TRACE = "trace"  # values
    TENSOR = "tensor"  # data leaves, of 256 bytes
    ELEMENTS = "elements"  # in the leaves that the provider has shown
    LANES = "lanes"  # of a float sum
    CHAIN = "chain"  # steps of one element, or of one of its lanes


@dataclass(frozen=True, slots=True)
class Scope:
    """The items from `first` to before `end`, on a scale that goes from `low` to before `high`."""

    scale: Scale
    first: int
    end: int
    low: int
    high: int

    @property
    def is_single(self) -> bool:
        """Whether one item is left."""
        return self.end - self.first == 1

    def narrowed(self, first: int, end: int) -> Scope:
        """A part of it, on the same scale."""
        return Scope(self.scale, first, end, self.low, self.high)


_ON_TRACE = frozenset({Phase.PICK_VALUE, Phase.REVEAL_VALUES})


def scopes_of(states: Sequence[State], type_: TensorType | None) -> list[Scope]:
    """The scope of every state of a game, from its first on.

    `type_` is that of the value in dispute, once the provider has shown it.
    """
    values = states[0].values
    scopes = [Scope(Scale.TRACE, 0, values, 0, values)]
    for before, after in pairwise(states):
        scopes.append(_next(scopes[-1], before, after, type_))
    return scopes


def _next(scope: Scope, before: State, after: State, type_: TensorType | None) -> Scope:
    match before.phase:
        case Phase.PICK_VALUE if after.phase not in _ON_TRACE:
            return scope.narrowed(after.value, after.value + 1)
        case Phase.COMMIT | Phase.REVEAL_VALUES | Phase.PICK_VALUE:
            return _below(Scale.TRACE, after, after.values)
        case Phase.PICK_ELEMENT:
            return scope.narrowed(after.element, after.element + 1)
        case Phase.REVEAL_LANES:
            lanes = min(SUM_LANES, after.end)
            return Scope(Scale.LANES, 0, lanes, 0, lanes)
        case Phase.PICK_LANE:
            return scope.narrowed(after.lane, after.lane + 1)
        case Phase.REVEAL_STATES if scope.scale is not Scale.CHAIN:
            return Scope(Scale.CHAIN, after.start, after.end, 0, after.end)
        case Phase.REVEAL_STATES | Phase.PICK_STEP:
            return scope.narrowed(after.start, after.end)
        case Phase.REVEAL_LEAVES:
            assert type_ is not None, "it was shown before the leaves"
            return _elements(after, type_)
        case _:
            return _below(Scale.TENSOR, after, after.leaves)


def _below(scale: Scale, state: State, items: int) -> Scope:
    """The leaves below the node that was reached."""
    first = state.index << state.level
    return Scope(scale, first, min(first + (1 << state.level), items), 0, items)


def _elements(state: State, type_: TensorType) -> Scope:
    """The elements of the leaves below the node that was reached."""
    in_leaf = LEAF_BYTES // type_.dtype.size_bytes
    low = (state.index << state.level) * in_leaf
    high = min(low + (in_leaf << state.level), type_.elements)
    return Scope(Scale.ELEMENTS, low, high, low, high)
