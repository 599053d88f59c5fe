"""First pass: the program as nodes that compute, with every free rearrangement folded into views.

Moves that strides can express, and Fills, become views of what is stored. What an instruction
cannot read as a view is made dense by a Copy node. With `fold=False` (for traces) every instruction
stays a node of its own with dense operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aivm.engines.plan.channels import ChannelsLast, Work
from aivm.engines.plan.views import (
    View,
    broadcast,
    dense_view,
    moved,
    pads,
    reshaped,
    split_of,
    without_ones,
)
from aivm.isa.instructions import (
    Concat,
    Fill,
    Gather,
    Instruction,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.program import Program


@dataclass(frozen=True, slots=True)
class Copy:
    """A plan's own instruction: the operand's elements, laid out densely."""


@dataclass(frozen=True, slots=True)
class Node:
    """Computes `value`. `position` is the program's instruction it serves (for fault reports)."""

    value: int
    type: TensorType
    work: Work | Copy
    operands: tuple[View, ...]
    position: int


@dataclass(slots=True)
class Graph:
    """`types` holds the program's values first, then those the plan adds (copies, literals)."""

    program: Program
    types: list[TensorType]
    nodes: list[Node] = field(default_factory=list)
    literals: dict[int, bytes] = field(default_factory=dict)
    outputs: list[View] = field(default_factory=list)

    def add_value(self, type_: TensorType) -> int:
        self.types.append(type_)
        return len(self.types) - 1

    def literal(self, type_: TensorType, bits: int) -> View:
        """A view that repeats one element, stored once."""
        value = self.add_value(TensorType(type_.dtype, ()))
        self.literals[value] = bits.to_bytes(type_.dtype.size_bytes, "little")
        return broadcast(dense_view(value, ()), type_.shape)


def build_graph(program: Program, *, fold: bool, channels_last: bool | None = None) -> Graph:
    """The nodes in program order; those whose results nobody needs are left out, unless tracing.

    `channels_last` (as `fold` where not said) is for engines that have the plan's own instructions
    for windows; without it a convolution is the Move and the product that the program says.
    """
    graph = Graph(program, list(program.value_types))
    builder = _Builder(graph, fold, fold if channels_last is None else channels_last)
    for position in range(len(program.instructions)):
        builder.add(position)
    graph.outputs = [builder.dense_output(value) for value in program.outputs]
    if fold:
        graph.nodes = _needed(graph)
    return graph


def _needed(graph: Graph) -> list[Node]:
    """The nodes on which an output depends, and those that may be a fault: a run with one gives
    nothing, whether or not anybody needs the result."""
    wanted = {view.value for view in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.value in wanted or isinstance(node.work, Gather | Scatter):
            kept.append(node)
            wanted.update(view.value for view in node.operands)
    return kept[::-1]


class _Builder:
    def __init__(self, graph: Graph, fold: bool, channels_last: bool) -> None:
        self.graph = graph
        self.fold = fold
        self.channels_last = channels_last
        self.position = 0
        self.views = {
            value: dense_view(value, type_.shape) for value, type_ in enumerate(graph.types)
        }
        self.copies: dict[View, View] = {}
        self.channels = ChannelsLast(
            graph.program, self.views, self.emit, lambda view: self.dense(view, self.position)
        )

    def emit(
        self, value: int | None, type_: TensorType, work: Work, operands: Sequence[View]
    ) -> View:
        """Appends the node of `value`, or of a new one, dense."""
        if value is None:
            value = self.graph.add_value(type_)
        self.graph.nodes.append(Node(value, type_, work, tuple(operands), self.position))
        return dense_view(value, type_.shape)

    def add(self, position: int) -> None:
        """Makes a node, or a view, of instruction `position`."""
        program = self.graph.program
        instruction = program.instructions[position]
        value = program.first_instruction + position
        self.position = position
        turned = self.channels.lowered(value, instruction) if self.channels_last else None
        if turned is not None:
            self.views[value] = turned
            return
        operands = [self.views[operand] for operand in instruction.operands]
        match instruction:
            case Fill():
                literal = self.graph.literal(instruction.type, instruction.bits)
                self.view_or_copy(value, literal, position)
            case Move() if not pads(instruction):
                view = moved(operands[0], instruction)
                if view is None:
                    view = moved(self.dense(operands[0], position), instruction)
                assert view is not None, "a dense operand can always be moved"
                self.view_or_copy(value, view, position)
            case _:
                readable = self.readable(instruction, operands, position)
                node = Node(value, instruction.type, instruction, tuple(readable), position)
                self.graph.nodes.append(node)

    def view_or_copy(self, value: int, view: View, position: int) -> None:
        if self.fold:
            self.views[value] = view
            return
        type_ = self.graph.types[value]
        self.graph.nodes.append(Node(value, type_, Copy(), (view,), position))

    def readable(
        self, instruction: Instruction, operands: Sequence[View], position: int
    ) -> list[View]:
        """The operands in the shape that the instruction wants to see, dense where it has to be."""
        match instruction:
            case Gather() | Scatter() | Rank() | Random():
                return [self.dense(operand, position) for operand in operands]
            case Move():
                return [self.shaped(operands[0], instruction.source, position)]
            case Reduce(outer=outer, length=length, inner=inner):
                is_rows = inner == 1 and length > 0
                if is_rows and split_of(without_ones(operands[0].shape), outer, length) is not None:
                    return list(operands)
                operand = self.shaped(operands[0], (outer, length, inner), position)
                inner_is_dense = inner == 1 or operand.strides[2] == 1
                return [operand if inner_is_dense else self.dense(operand, position)]
            case Concat():
                lengths = zip(operands, instruction.lengths, strict=True)
                shapes = [(o, (instruction.outer, n, instruction.inner)) for o, n in lengths]
                return [self.shaped(operand, shape, position) for operand, shape in shapes]
            case _:
                return list(operands)

    def shaped(self, view: View, shape: tuple[int, ...], position: int) -> View:
        """The view under another shape, through a copy where strides cannot say it."""
        same = reshaped(view, shape) or reshaped(self.dense(view, position), shape)
        assert same is not None, "a dense view takes any shape"
        return same

    def dense(self, view: View, position: int) -> View:
        """The view itself where it is dense, else one copy of it, shared by all who ask."""
        if view.is_dense or view.elements == 0:
            return view
        if view not in self.copies:
            type_ = TensorType(self.graph.types[view.value].dtype, view.shape)
            value = self.graph.add_value(type_)
            self.graph.nodes.append(Node(value, type_, Copy(), (view,), position))
            self.copies[view] = dense_view(value, view.shape)
        return self.copies[view]

    def dense_output(self, value: int) -> View:
        """Outputs are read by the host, as dense tensors."""
        return self.dense(self.views[value], len(self.graph.program.instructions) - 1)
