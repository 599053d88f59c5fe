"""If, Loop and Scan: programs are straight lines, so choices are computed and loops unrolled.

A condition that is known now decides at once. One that depends on the model's inputs makes both
branches (or one more round) be computed, and selects between the results; what is not taken leaves
no fault (`Builder.guarded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
from onnx import GraphProto

from aivm.commitments import numpy_dtype
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.values import Entity, Maybe, TensorList, Value, described
from aivm.errors import MalformedModel
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_BIND = "Bind the input that decides it (`bindings`) and compile one program for each case."


def _truth(node: Node, entity: Entity | None) -> Value:
    """A condition, as BOOL of rank 0."""
    if not isinstance(entity, Value) or entity.dtype is not DType.BOOL:
        raise Malformed(f"the condition must be BOOL, not {described(entity)}")
    if entity.type.elements != 1:
        raise Malformed("the condition must be one BOOL")
    return node.build.reshape(entity, ())


def _decided(condition: Value) -> bool | None:
    """What a condition says, None if that is not known yet."""
    return None if condition.array is None else bool(condition.array)


# --- If ----------------------------------------------------------------------------------------


@operator("If", since=1)
def branch(node: Node) -> Sequence[Entity | None]:
    """The branch that the condition selects; both, and a selection, where it is not known."""
    condition = _truth(node, node.entity(0))
    decided = _decided(condition)
    if decided is not None:
        return node.lower_graph(node.graph("then_branch" if decided else "else_branch"), [])
    opposite = node.build.map(Function.NOT, condition)
    yes = _branch(node, "then_branch", condition)
    no = _branch(node, "else_branch", opposite)
    if len(yes) != len(no):
        raise Malformed("the branches give different numbers of results")
    return [
        _selected(node.build, condition, *pair) if node.wants(place) else None
        for place, pair in enumerate(zip(yes, no, strict=True))
    ]


def _branch(node: Node, name: str, condition: Value) -> list[Entity]:
    try:
        with node.build.guarded(condition):
            return node.lower_graph(node.graph(name), [])
    except MalformedModel as error:
        raise Unsupported(
            f"the condition depends on the model's inputs, and its {name} does not fit their "
            f"shapes ({error})",
            change=_BIND,
        ) from error


def _selected(build: Builder, condition: Value, yes: Entity, no: Entity) -> Entity:
    """`yes` where the condition holds, else `no`: they must be alike."""
    if yes is no:
        return yes
    match yes, no:
        case Value(), Value() if yes.type == no.type:
            return build.map(Function.SELECT, condition, yes, no)
        case TensorList(), TensorList() if len(yes.items) == len(no.items):
            pairs = zip(yes.items, no.items, strict=True)
            items = [_selected(build, condition, a, b) for a, b in pairs]
            return TensorList(tuple(item for item in items if isinstance(item, Value)), yes.dtype)
        case Maybe(), Maybe() if yes.held is None or no.held is None:
            if yes.held is no.held:
                return yes
        case Maybe(), Maybe() if yes.held is not None and no.held is not None:
            held = _selected(build, condition, yes.held, no.held)
            return Maybe(held) if isinstance(held, Value | TensorList) else held
    raise Unsupported(
        "the condition depends on the model's inputs, and decides between "
        f"{described(yes)} and {described(no)}",
        change=_BIND,
    )


# --- Loop --------------------------------------------------------------------------------------


@operator("Loop", since=1)
def loop(node: Node) -> Sequence[Entity | None]:
    """Unrolled. Rounds after a condition that is not known are computed and perhaps not taken."""
    body, carried = node.graph("body"), [_present(entity) for entity in node.inputs[2:]]
    trips = _trips(node)
    running = _truth(node, node.entity(1)) if node.entity(1) is not None else None
    collected: list[list[Value]] = [[] for _ in node.wanted[len(carried) :]]
    for trip in count():
        if trip == trips or (running is not None and _decided(running) is False):
            break
        if trip == MAX_ROUNDS:
            raise Unsupported(f"it runs more than {MAX_ROUNDS} times")
        unsure = running if running is not None and running.array is None else None
        _check_unsure(unsure, trips, any(node.wanted[len(carried) :]))
        with node.build.guarded(unsure):
            results = _round(node, body, trip, unsure, carried)
            following = _truth(node, results[0])
        fresh = results[1 : 1 + len(carried)]
        if unsure is not None:
            pairs = zip(fresh, carried, strict=True)
            fresh = [_selected(node.build, unsure, new, old) for new, old in pairs]
            following = node.build.map(Function.AND, unsure, following)
        carried, running = fresh, following
        for scan, result in zip(collected, results[1 + len(carried) :], strict=True):
            scan.append(_tensor(result))
    if collected and not collected[0]:
        return [*carried, *_empty_scans(node, body, carried)]
    return [*carried, *(_stacked(node.build, scan, 0) for scan in collected)]


def _trips(node: Node) -> int | None:
    """How many rounds at most; None if the condition alone decides."""
    if node.entity(0) is None:
        return None
    limit = node.known(0)
    if limit.dtype != np.int64 or limit.size != 1:
        raise Malformed("the number of rounds must be one INT64")
    return max(0, int(limit.reshape(-1)[0]))


# Each round is a copy of the body.
MAX_ROUNDS = 10_000
# Rounds that may turn out not to be taken are computed all the same.
_MAX_UNSURE_ROUNDS = 1024


def _check_unsure(unsure: Value | None, trips: int | None, scans: bool) -> None:
    if unsure is None:
        return
    if trips is None or trips > _MAX_UNSURE_ROUNDS:
        raise Unsupported(
            "how often it runs depends on the model's inputs",
            change=f"Give it a number of rounds of at most {_MAX_UNSURE_ROUNDS}, or bind the input "
            "that decides it (`bindings`).",
        )
    if scans:
        raise Unsupported("the length of its results depends on the model's inputs", change=_BIND)


def _round(
    node: Node, body: GraphProto, trip: int, unsure: Value | None, carried: Sequence[Entity]
) -> list[Entity]:
    build = node.build
    condition = build.constant(np.array(True)) if unsure is None else unsure
    results = node.lower_graph(body, [build.scalar(trip, DType.I64), condition, *carried])
    if len(results) != 1 + len(node.wanted):
        raise Malformed(f"the body gives {len(results)} values for {len(node.wanted)} results")
    return results


def _empty_scans(node: Node, body: GraphProto, carried: Sequence[Entity]) -> list[Value]:
    """Scans of no rounds: their types are found by lowering one that leaves no trace."""
    results = _round(node, body, 0, None, carried)
    return [_no_rows(node.build, _tensor(result)) for result in results[1 + len(carried) :]]


def _no_rows(build: Builder, like: Value) -> Value:
    empty = np.empty((0, *like.shape), numpy_dtype(like.dtype))
    return build.constant(empty, like.dtype)


def _present(entity: Entity | None) -> Entity:
    if entity is None:
        raise Malformed("an initial value is missing")
    return entity


def _tensor(entity: Entity) -> Value:
    if not isinstance(entity, Value):
        raise Unsupported(f"{described(entity)} cannot be collected round after round")
    return entity


def _stacked(build: Builder, values: Sequence[Value], axis: int) -> Value:
    """The values along a new axis."""
    first = values[0]
    if any(value.shape != first.shape for value in values):
        raise Malformed(f"results of shapes {sorted({v.shape for v in values})} do not stack")
    shape = (*first.shape[:axis], 1, *first.shape[axis:])
    return joined(build, [build.reshape(value, shape) for value in values], axis)


# --- Scan --------------------------------------------------------------------------------------


@operator("Scan", since=9)
def scan(node: Node) -> Sequence[Entity | None]:
    """Unrolled: one copy of the body for each place of the sequences."""
    states, sequences = _divided(node, node.inputs)
    axes = node.integers("scan_input_axes") or [0] * len(sequences)
    reversed_inputs = node.integers("scan_input_directions") or [0] * len(sequences)
    if len(axes) != len(sequences) or len(reversed_inputs) != len(sequences):
        raise Malformed("scan_input_axes or scan_input_directions do not fit the inputs")
    lines = [
        _line(node.build, sequence, normalised_axis(axis, sequence.rank), bool(reverse))
        for sequence, axis, reverse in zip(sequences, axes, reversed_inputs, strict=True)
    ]
    last, collected = _scanned(node, states, lines)
    outputs = len(collected)
    out_axes = node.integers("scan_output_axes") or [0] * outputs
    directions = node.integers("scan_output_directions") or [0] * outputs
    if len(out_axes) != outputs or len(directions) != outputs:
        raise Malformed("scan_output_axes or scan_output_directions do not fit the outputs")
    stacks = [
        _stacked(
            node.build,
            values[::-1] if reverse else values,
            normalised_axis(axis, values[0].rank + 1),
        )
        for values, axis, reverse in zip(collected, out_axes, directions, strict=True)
    ]
    return [*last, *stacks]


@operator("Scan", since=8, until=9)
def scan_batches(node: Node) -> Sequence[Entity | None]:
    """The first axis of every operand is a batch, and the second of sequences is walked."""
    if node.entity(0) is not None:
        raise Unsupported("Scan-8 with sequence lengths", change="Convert the model to opset 9.")
    build = node.build
    states, sequences = _divided(node, node.inputs[1:])
    reversed_inputs = node.integers("directions") or [0] * len(sequences)
    rows = []
    for batch in range(sequences[0].shape[0]):
        own = [_place(build, _tensor(state), 0, batch) for state in states]
        lines = [
            _line(build, _place(build, sequence, 0, batch), 0, bool(reverse))
            for sequence, reverse in zip(sequences, reversed_inputs, strict=True)
        ]
        last, collected = _scanned(node, own, lines)
        stacks = [_stacked(build, values, 0) for values in collected]
        rows.append([*(_tensor(state) for state in last), *stacks])
    return [_stacked(build, column, 0) for column in zip(*rows, strict=True)]


def _divided(
    node: Node, inputs: Sequence[Entity | None]
) -> tuple[Sequence[Entity], Sequence[Value]]:
    """The initial states, and the sequences to walk along."""
    number = node.integer("num_scan_inputs")
    if not 1 <= number <= len(inputs):
        raise Malformed(f"num_scan_inputs is {number} of {len(inputs)} inputs")
    entities = [_present(entity) for entity in inputs]
    split = len(entities) - number
    return entities[:split], [_tensor(entity) for entity in entities[split:]]


def _scanned(
    node: Node, states: Sequence[Entity], lines: Sequence[Sequence[Value]]
) -> tuple[Sequence[Entity], list[list[Value]]]:
    lengths = {len(line) for line in lines}
    if len(lengths) != 1:
        raise Malformed(f"sequences of {sorted(lengths)} places cannot be walked together")
    body, outputs = node.graph("body"), len(node.wanted) - len(states)
    if not lengths.pop():
        raise Unsupported("Scan over a sequence without places")
    collected: list[list[Value]] = [[] for _ in range(outputs)]
    for row in zip(*lines, strict=True):
        results = node.lower_graph(body, [*states, *row])
        if len(results) != len(node.wanted):
            raise Malformed(f"the body gives {len(results)} values for {len(node.wanted)} results")
        states = results[: len(states)]
        for values, result in zip(collected, results[len(states) :], strict=True):
            values.append(_tensor(result))
    return states, collected


def _line(build: Builder, value: Value, axis: int, reverse: bool) -> list[Value]:
    """The places along an axis, one after the other, without that axis."""
    places = range(value.shape[axis])
    return [
        _place(build, value, axis, place) for place in (reversed(places) if reverse else places)
    ]


def _place(build: Builder, value: Value, axis: int, place: int) -> Value:
    shape = (*value.shape[:axis], *value.shape[axis + 1 :])
    return build.reshape(cut(build, value, axis, place, 1), shape)
