"""Second pass: which nodes become one step.

Elementwise functions and row reductions over one *space* (a shape without its axes of size 1) join
the group that computes one of their operands, so that softmax, layer norm or bias + GELU is one
walk over memory. A group has a *split*: axes before it count rows, axes behind it are reduced; a
member is FULL (an element for every point of the space) or SCALAR (one for every row).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from math import prod

from aivm.engines.plan.graph import Graph, Node
from aivm.engines.plan.views import (
    Shape,
    View,
    broadcast,
    dense_strides,
    reshaped,
    split_of,
    strides_over,
    without_ones,
)
from aivm.isa.instructions import Cast, Map, Reduce, TensorType

MEMBERS_MAX = 24
ROW_ELEMENTS_MAX = 16384  # a longer row does not stay in cache from one function to the next


class Extent(Enum):
    """How many elements a member of a group has."""

    FULL = "one for every point of the space"
    SCALAR = "one for every row"


@dataclass(slots=True, eq=False)
class Group:
    """Nodes that run as one step. `space` is None for whatever is not made of rows."""

    number: int
    members: list[int]  # indices of nodes, ascending
    static: bool  # depends on constants only
    space: Shape | None = None
    split: int | None = None
    extents: dict[int, Extent] = field(default_factory=dict)  # by value


def is_row_work(node: Node) -> bool:
    """Whether the node can be part of a rows step."""
    if node.type.elements == 0:
        return False
    match node.work:
        case Map() | Cast():
            return True
        case Reduce(inner=1, length=length):
            return length > 0
        case _:
            return False


def group_nodes(graph: Graph, *, fuse: bool) -> list[Group]:
    """All nodes in groups, in an order in which every group finds its operands ready."""
    grouping = _Grouping(graph)
    for index, node in enumerate(graph.nodes):
        grouping.place(index, node, fuse)
    return grouping.in_order()


class _Grouping:
    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.groups: list[Group] = []
        self.ancestors: list[int] = []  # by group number: a bit for every group it waits for
        self.group_of: dict[int, Group] = {}  # by value
        first_constant = graph.program.first_constant
        first_instruction = graph.program.first_instruction
        self.static = set(range(first_constant, first_instruction)) | set(graph.literals)

    def place(self, index: int, node: Node, fuse: bool) -> None:
        """Puts a node into the group of an operand where that is possible, else into its own."""
        static = all(view.value in self.static for view in node.operands)
        if static:
            self.static.add(node.value)
        if fuse and is_row_work(node):
            for group in self.operand_groups(node):
                if group.static == static and self.join(group, index, node):
                    return
        group = Group(len(self.groups), [index], static)
        if is_row_work(node):
            start_rows(group, node)
        needed = self.operand_groups(node)
        self.groups.append(group)
        self.ancestors.append(0)
        for other in needed:  # nothing can wait for a new group yet
            self.ancestors[-1] |= 1 << other.number | self.ancestors[other.number]
        self.group_of[node.value] = group

    def operand_groups(self, node: Node) -> list[Group]:
        """The groups that compute operands, the latest first."""
        found = {self.group_of[v.value] for v in node.operands if v.value in self.group_of}
        return sorted(found, key=lambda group: -group.members[-1])

    def join(self, group: Group, index: int, node: Node) -> bool:
        needed = [other for other in self.operand_groups(node) if other is not group]
        placed = placement(group, node)
        if placed is None and (refitted := refit(group, node)) is not None:
            node, placed = refitted, placement(group, refitted)
        if placed is None or self.would_wait_for_itself(group, needed):
            return False
        self.nodes[index] = node
        extent, group.split = placed
        group.members.append(index)
        group.extents[node.value] = extent
        self.group_of[node.value] = group
        self.depend(group, needed)
        return True

    def would_wait_for_itself(self, group: Group, needed: Iterable[Group]) -> bool:
        """Whether an operand from elsewhere depends on the group."""
        return any(self.ancestors[other.number] >> group.number & 1 for other in needed)

    def depend(self, group: Group, needed: Iterable[Group]) -> None:
        """Records what the group needs, for itself and for everything that needs the group."""
        gained = 0
        for other in needed:
            gained |= 1 << other.number | self.ancestors[other.number]
        if gained & ~self.ancestors[group.number] == 0:
            return
        self.ancestors[group.number] |= gained
        # Groups that came later may wait for this one; an earlier one may too, by what joined it.
        for number, ancestors in enumerate(self.ancestors):
            if ancestors >> group.number & 1:
                self.ancestors[number] |= gained

    def in_order(self) -> list[Group]:
        """Topological order; among those that are ready, the one that began first."""
        done = 0
        ordered: list[Group] = []
        waiting = list(self.groups)
        while waiting:
            ready = next(g for g in waiting if self.ancestors[g.number] & ~done == 0)
            waiting.remove(ready)
            ordered.append(ready)
            done |= 1 << ready.number
        return ordered


def start_rows(group: Group, node: Node) -> None:
    """Makes `node` the first member of a rows group."""
    if not isinstance(node.work, Reduce):
        group.space = without_ones(node.type.shape)
        group.extents[node.value] = Extent.FULL
        return
    shape = without_ones(node.operands[0].shape)
    group.space = shape
    group.split = split_of(shape, node.work.outer, node.work.length)
    group.extents[node.value] = Extent.SCALAR


def placement(group: Group, node: Node) -> tuple[Extent, int | None] | None:
    """Extent and split under which the node can be a member of the group; None: it cannot."""
    if group.space is None or len(group.members) >= MEMBERS_MAX:
        return None
    if isinstance(node.work, Reduce):
        return _placed_reduction(group, node, node.work)
    shape = without_ones(node.type.shape)
    if shape == group.space:
        extent = Extent.FULL
    elif group.split is not None and shape == group.space[: group.split]:
        extent = Extent.SCALAR
    else:
        return None
    if group.split is not None and prod(group.space[group.split :]) > ROW_ELEMENTS_MAX:
        return None
    fits = all(_is_aligned(group, view, node.type.shape, extent) for view in node.operands)
    return (extent, group.split) if fits else None


def refit(group: Group, node: Node) -> Node | None:
    """The node with its elements in the shape of the group's space; None where strides forbid."""
    shape = node.type.shape
    if group.space is None or isinstance(node.work, Reduce) or prod(shape) != prod(group.space):
        return None
    operands = [reshaped(broadcast(view, shape), group.space) for view in node.operands]
    known = tuple(view for view in operands if view is not None)
    if len(known) < len(operands):
        return None
    return replace(node, type=TensorType(node.type.dtype, group.space), operands=known)


def _placed_reduction(group: Group, node: Node, work: Reduce) -> tuple[Extent, int] | None:
    assert group.space is not None
    (operand,) = node.operands
    split = split_of(group.space, work.outer, work.length)
    if split is None or group.split not in (None, split) or work.length > ROW_ELEMENTS_MAX:
        return None
    if operand.value in group.extents:
        whole = group.extents[operand.value] is Extent.FULL
        if not (whole and operand.is_dense and operand.offset == 0):
            return None
    return Extent.SCALAR, split


def _is_aligned(group: Group, view: View, shape: Shape, extent: Extent) -> bool:
    """Whether an operand from the group itself is read at the point where it was computed."""
    if view.value not in group.extents:
        return True
    assert group.space is not None
    strides = strides_over(view, shape)
    if group.extents[view.value] is Extent.FULL:
        wanted = dense_strides(group.space)
        return extent is Extent.FULL and view.offset == 0 and strides == wanted
    rows = dense_strides(group.space[: group.split])
    inner = () if extent is Extent.SCALAR else (0,) * (len(group.space) - len(rows))
    return view.offset == 0 and strides == rows + inner
