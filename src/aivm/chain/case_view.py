"""What a reader wants to see of a case: how it narrowed, and where it has come to.

States say which interval is in dispute. What else is to be seen (the instruction, the element and
step of a proof that no state follows) stands in the calldata of moves: the contract has accepted
them, so they are true; where a contract made the moves, these things stay unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from aivm.chain import artifact
from aivm.chain.cases import Case, Entry, Status
from aivm.chain.dispute import DisputeGame
from aivm.dispute import narrowing
from aivm.dispute.chronicle import Turn
from aivm.dispute.scopes import Scale, Scope, scopes_of
from aivm.dispute.state import NO_LANE, Phase, State, segment_steps
from aivm.dispute.trace import leaf_of_element
from aivm.errors import MalformedProgram, WrongChain
from aivm.isa.chains import SUM_LANES
from aivm.isa.instructions import Instruction, TensorType
from aivm.isa.records import RECORD_BYTES, decode_instruction

Call = tuple[str, tuple[Any, ...]]
"""A function of the contract, and its arguments; structs are mappings by field name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One transaction: what is in dispute after it, and into how many parts the provider cut it.

    `function` is the contract's, "" where it is not known; `parts` is 0 where nothing was cut.
    """

    entry: Entry
    function: str
    scope: Scope
    parts: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a game has come to; None for what it has not come to yet, or is not known."""

    value: int | None = None
    type: TensorType | None = None  # of the value, as the provider has shown it
    leaf: int | None = None
    element: int | None = None
    lane: int | None = None
    step: int | None = None
    instruction: Instruction | None = None
    output: int | None = None  # of the receipt, where that is what a proof was about


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case with what can be told of it."""

    case: Case
    rows: tuple[Row, ...]
    place: Place


@lru_cache(maxsize=1024)
def view_of(case: Case) -> CaseView:
    """The view of a case. It is kept: whoever draws all cases each second asks for it each time."""
    calls = [_call(entry) for entry in case.entries]
    states = [case.opening, *(turn.after for turn in case.turns)]
    shown = next((turn.type for turn in case.turns if turn.type is not None), None)
    scopes = scopes_of(states, shown)
    proof = calls[-1] if case.status is Status.CONVICTED else None
    if len(case.entries) > len(states):
        scopes.append(_last_scope(case.state, scopes[-1], proof))
    parts = [0, *map(_parts, case.turns, scopes[1:]), 0]
    rows = [
        Row(entry, call[0] if call else "", scope, cut)
        for entry, call, scope, cut in zip(case.entries, calls, scopes, parts, strict=False)
    ]
    place = _place(case.state, scopes[-1], shown)
    found = replace(place, instruction=_instruction(calls), output=_named(proof, "output"))
    return CaseView(case, tuple(rows), found)


def _call(entry: Entry) -> Call | None:
    if entry.sent is None:
        return None
    try:
        return artifact.load(DisputeGame.NAME).abi.decode_call(entry.sent.calldata)
    except WrongChain:  # trailing bytes that a sender made up
        return None


def _parts(turn: Turn, scope: Scope) -> int:
    """Into how many parts a move cut the dispute."""
    if not turn.before.phase.is_providers:
        return 0
    if turn.after.phase is Phase.PICK_STEP:
        return narrowing.segments(turn.after)
    return len(turn.nodes) or (scope.end - scope.first if scope.scale in _WHOLE else 0)


_WHOLE = frozenset({Scale.ELEMENTS, Scale.LANES})  # of which each item is shown


def _last_scope(state: State, scope: Scope, proof: Call | None) -> Scope:
    """What a proof was about: it picks from the interval that was left."""
    if proof is None:
        return scope
    if scope.scale is Scale.ELEMENTS and not scope.is_single:
        element = _named(proof, "element")
        return scope if element is None else scope.narrowed(element, element + 1)
    segment = _named(proof, "segment")
    if segment is None or state.phase is not Phase.PICK_STEP:
        return scope
    each = segment_steps(state.end - state.start, state.form)
    first = state.start + segment * each
    return scope.narrowed(first, min(first + each, state.end))


def _place(state: State, scope: Scope, shown: TensorType | None) -> Place:
    """What states tell; `shown` is the type that the provider has given the value."""
    single = scope.first if scope.is_single else None
    if scope.scale is Scale.TRACE:
        return Place(value=single if state.phase is not Phase.COMMIT else None)
    assert shown is not None, "below the trace the provider has given a type"
    if scope.scale is Scale.TENSOR:
        return Place(state.value, shown, leaf=single)
    element = single if scope.scale is Scale.ELEMENTS else state.element
    lane = None if state.lane == NO_LANE else state.lane
    step = single if scope.scale is Scale.CHAIN else None
    if step is not None and lane is not None:
        step = step * SUM_LANES + lane
    leaf = None if element is None else leaf_of_element(shown, element)
    return Place(state.value, shown, leaf, element, lane, step)


def _instruction(calls: Sequence[Call | None]) -> Instruction | None:
    """The instruction whose record a move has opened."""
    for name, argument in chain.from_iterable(map(_fields, calls)):
        if name == "record" and isinstance(argument, bytes) and len(argument) == RECORD_BYTES:
            try:
                return decode_instruction(argument)
            except MalformedProgram:  # the record of an output or a constant
                continue
    return None


def _named(call: Call | None, name: str) -> int | None:
    """The first field of that name, at any depth."""
    return next((value for found, value in _fields(call) if found == name), None)


def _fields(call: Call | None) -> Iterator[tuple[str, Any]]:
    """All arguments of a call and, after each, the fields within it; arguments have no names."""
    waiting = [("", argument) for argument in reversed(call[1])] if call else []
    while waiting:
        name, value = waiting.pop()
        yield name, value
        if isinstance(value, Mapping):
            waiting.extend(reversed(list(value.items())))
        elif isinstance(value, tuple):
            waiting.extend(("", part) for part in reversed(value))
