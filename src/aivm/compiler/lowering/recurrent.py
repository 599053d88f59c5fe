"""LSTM, GRU and RNN, unrolled: one copy of the cell for each place of the sequence.

The part of the gates that depends on the sequence alone is one product for all places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aivm.compiler.builder import Builder
from aivm.compiler.lowering.activations import Activation, named_activations
from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value
from aivm.isa.instructions import TensorType
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

State = tuple[Value, ...]
"""Hidden state [B, H], and for LSTM the cell state [B, H]."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """One direction of a layer: what stays the same from place to place."""

    node: Node
    hidden: int
    recurrence: Value  # [H, gates * H]
    input_bias: Value | None  # [gates * H]
    state_bias: Value | None  # [gates * H]
    peepholes: Sequence[Value]  # LSTM: for the input, output and forget gate, [H] each
    activations: Sequence[Activation]

    @property
    def build(self) -> Builder:
        return self.node.build

    def gate(self, gates: Value, place: int) -> Value:
        """[B, H] out of [B, gates * H]."""
        return cut(self.build, gates, 1, place * self.hidden, self.hidden)

    def activate(self, which: int, value: Value) -> Value:
        """The activation, after clipping its argument where the layer says so."""
        if "clip" in self.node.attributes:
            bound = self.node.number("clip")
            value = self.build.map(Function.MAX, value, self.build.scalar(-bound, value.dtype))
            value = self.build.map(Function.MIN, value, self.build.scalar(bound, value.dtype))
        return self.activations[which](self.build, value)

    def add(self, a: Value, b: Value) -> Value:
        return self.build.map(Function.ADD, a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        return self.build.map(Function.MUL, a, b)

    def complement(self, value: Value) -> Value:
        """1 - x."""
        return self.build.map(Function.SUB, self.build.scalar(1, value.dtype), value)

    def recalled(self, hidden: Value) -> Value:
        """What the hidden state adds to the gates."""
        total = self.build.matmul(hidden, self.recurrence)
        return total if self.state_bias is None else self.add(total, self.state_bias)


Step = Callable[[_Cell, Value, State], State]


def _rnn_step(cell: _Cell, gates: Value, state: State) -> State:
    return (cell.activate(0, cell.add(gates, cell.recalled(state[0]))),)


def _gru_step(cell: _Cell, gates: Value, state: State) -> State:
    """Gates in the order update, reset, hidden."""
    (hidden,) = state
    recalled = cell.recalled(hidden)
    update = cell.activate(0, cell.add(cell.gate(gates, 0), cell.gate(recalled, 0)))
    reset = cell.activate(0, cell.add(cell.gate(gates, 1), cell.gate(recalled, 1)))
    if cell.node.integer("linear_before_reset", 0):
        memory = cell.multiply(reset, cell.gate(recalled, 2))
    else:
        memory = cell.gate(cell.recalled(cell.multiply(reset, hidden)), 2)
    fresh = cell.activate(1, cell.add(cell.gate(gates, 2), memory))
    kept = cell.multiply(update, hidden)
    return (cell.add(cell.multiply(cell.complement(update), fresh), kept),)


def _lstm_step(cell: _Cell, gates: Value, state: State) -> State:
    """Gates in the order input, output, forget, cell."""
    hidden, memory = state
    total = cell.add(gates, cell.recalled(hidden))

    def gate(place: int, seen: Value) -> Value:
        value = cell.gate(total, place)
        if cell.peepholes:
            value = cell.add(value, cell.multiply(cell.peepholes[place], seen))
        return cell.activate(0, value)

    let_in = gate(0, memory)
    forget = cell.complement(let_in) if cell.node.integer("input_forget", 0) else gate(2, memory)
    fresh = cell.activate(1, cell.gate(total, 3))
    memory = cell.add(cell.multiply(forget, memory), cell.multiply(let_in, fresh))
    return cell.multiply(gate(1, memory), cell.activate(2, memory)), memory


@operator("RNN", since=7)
def rnn(node: Node) -> Sequence[Value | None]:
    return _layer(node, _rnn_step, gates=1, states=1, activations=["Tanh"])


@operator("GRU", since=7)
def gru(node: Node) -> Sequence[Value | None]:
    return _layer(node, _gru_step, gates=3, states=1, activations=["Sigmoid", "Tanh"])


@operator("LSTM", since=7)
def lstm(node: Node) -> Sequence[Value | None]:
    return _layer(node, _lstm_step, gates=4, states=2, activations=["Sigmoid", "Tanh", "Tanh"])


def _layer(
    node: Node, step: Step, *, gates: int, states: int, activations: list[str]
) -> Sequence[Value | None]:
    """Y [S, D, B, H], then the last states [D, B, H]; with layout 1 the batch comes first."""
    build, batch_first = node.build, bool(node.integer("layout", 0))
    value = node.input(0)
    if value.rank != 3 or node.input(2).rank != 3:
        raise Malformed("a recurrent layer needs a sequence and weights of rank 3")
    if batch_first:
        value = build.transpose(value, (1, 0, 2))
    directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    reversals = directions.get(node.text("direction", "forward"))
    if reversals is None or node.input(2).shape[0] != len(reversals):
        raise Malformed("the weights do not fit the layer's direction")
    functions = _activations(node, activations * len(reversals))
    outputs, lasts = [], []
    for number, backwards in enumerate(reversals):
        own = functions[number * len(activations) : (number + 1) * len(activations)]
        cell = _read_cell(node, number, own, states)
        initial = [_initial_state(node, cell, number, slot, value) for slot in range(states)]
        output, last = _unrolled(
            cell, step, _inputs(cell, number, value, gates), tuple(initial), backwards
        )
        outputs.append(output)
        lasts.append(last)
    shape = (value.shape[0], 1, value.shape[1], node.input(2).shape[2])
    every = joined(build, [build.reshape(output, shape) for output in outputs], 1)
    results = [build.transpose(every, (2, 0, 1, 3)) if batch_first else every]
    for slot in range(states):
        ends = [build.reshape(last[slot], (1, *shape[2:])) for last in lasts]
        end = joined(build, ends, 0)
        results.append(build.transpose(end, (1, 0, 2)) if batch_first else end)
    return results


def _activations(node: Node, defaults: list[str]) -> list[Activation]:
    given = node.attributes.get("activations")
    names = [name.decode() for name in given.strings] if given is not None else defaults
    if len(names) != len(defaults):
        raise Malformed(f"{len(names)} activations where the layer has {len(defaults)}")
    alphas, betas = (
        list(node.attributes[key].floats) if key in node.attributes else []
        for key in ("activation_alpha", "activation_beta")
    )
    return named_activations(names, alphas, betas)


def _read_cell(node: Node, direction: int, activations: Sequence[Activation], states: int) -> _Cell:
    build = node.build
    recurrence = node.input(2)
    _, wide, hidden = recurrence.shape
    matrix = build.transpose(_of_direction(build, recurrence, direction), (1, 0))
    bias = node.optional(3)
    input_bias = state_bias = None
    if bias is not None:
        row = build.reshape(_of_direction(build, bias, direction), (2, wide))
        input_bias, state_bias = (_of_direction(build, row, half) for half in (0, 1))
    peepholes: list[Value] = []
    weights = node.optional(7) if states == 2 else None
    if weights is not None:
        rows = build.reshape(_of_direction(build, weights, direction), (3, hidden))
        peepholes = [_of_direction(build, rows, gate) for gate in range(3)]
    return _Cell(node, hidden, matrix, input_bias, state_bias, peepholes, activations)


def _of_direction(build: Builder, value: Value, place: int) -> Value:
    """value[place]."""
    return build.reshape(cut(build, value, 0, place, 1), value.shape[1:])


def _inputs(cell: _Cell, direction: int, value: Value, gates: int) -> Value:
    """What the sequence adds to the gates: [S, B, gates * H]."""
    build, weights = cell.build, cell.node.input(1)
    if weights.shape[1:] != (gates * cell.hidden, value.shape[2]):
        raise Malformed(f"weights {weights.shape} do not fit a sequence {value.shape}")
    matrix = build.transpose(_of_direction(build, weights, direction), (1, 0))
    total = build.matmul(value, matrix)
    return total if cell.input_bias is None else cell.add(total, cell.input_bias)


def _initial_state(node: Node, cell: _Cell, direction: int, slot: int, value: Value) -> Value:
    """[B, H]: given, or zero. `value` is the sequence [S, B, I]."""
    given, shape = node.optional(5 + slot), (value.shape[1], cell.hidden)
    if given is None:
        return node.build.fill(TensorType(value.dtype, shape), 0)
    if node.integer("layout", 0):
        given = node.build.transpose(given, (1, 0, 2))
    return node.build.reshape(_of_direction(node.build, given, direction), shape)


def _unrolled(
    cell: _Cell, step: Step, gates: Value, state: State, backwards: bool
) -> tuple[Value, State]:
    """The hidden states of all places [S, B, H], and the last state."""
    build, length = cell.build, gates.shape[0]
    lengths = _lengths(cell.node, length)
    outputs: list[Value] = []
    for place in reversed(range(length)) if backwards else range(length):
        now = _of_direction(build, gates, place)
        found = step(cell, now, state)
        shown = found[0]
        if lengths is not None:
            inside = build.map(Function.LESS, build.scalar(place, DType.I32), lengths)
            zero = build.scalar(0, shown.dtype)
            shown = build.map(Function.SELECT, inside, shown, zero)
            found = tuple(
                build.map(Function.SELECT, inside, new, old)
                for new, old in zip(found, state, strict=True)
            )
        state = found
        outputs.append(build.reshape(shown, (1, *shown.shape)))
    if not outputs:
        raise Malformed("a recurrent layer needs a sequence of one place or more")
    return joined(build, outputs[::-1] if backwards else outputs, 0), state


def _lengths(node: Node, length: int) -> Value | None:
    """How many places of each row count, [B, 1]; None if all do."""
    given = node.optional(4)
    if given is None or (given.array is not None and np.all(given.array == length)):
        return None
    return node.build.reshape(node.build.cast(given, DType.I32), (given.type.elements, 1))
