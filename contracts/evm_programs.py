"""From a function's straight line of base operations to a program that is cheap on the EVM.

What may change is which operations are done, never a result:

* fma after fma with one factor and constant terms become one *polynomial* (Horner's rule),
* a sum and the operations that find what its rounding lost become one *two-sum* (Dekker's with
  three operations, Knuth's with six), with two results,
* an operation whose result only one side of a selection wants is *skipped* on the other side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from aivm.numerics.machine import ScalarMachine
from aivm.numerics.trace import FunctionProgram

# Coefficients of a polynomial: a tiny operand then changes no sum (NormalFloat32.polynomial).
_SMALLEST_FIELD, _LARGEST_FIELD = 127 - 40, 127 + 39

# What a step takes, very roughly; a skip must save more than it costs itself.
_CHEAP, _DEAR, _COEFFICIENT, _SKIP = 250, 800, 300, 400
_DEAR_OPERATIONS = frozenset({"fma", "add", "sub", "mul", "div", "sqrt"})

Literal = tuple[int, bool]  # a truth (its value), and which it must be


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: the value it gives, and from what.

    A constant operand is the complement of its pattern, which is negative. `lost` is the second
    value of a two-sum.
    """

    value: int
    operation: str
    operands: tuple[int, ...]
    coefficients: tuple[int, ...] = ()
    lost: int | None = None

    @property
    def values(self) -> tuple[int, ...]:
        return (self.value,) if self.lost is None else (self.value, self.lost)

    @property
    def cost(self) -> int:
        if self.coefficients:
            return _COEFFICIENT * len(self.coefficients)
        return _DEAR if self.operation in _DEAR_OPERATIONS or self.lost else _CHEAP


@dataclass(frozen=True, slots=True)
class Skip:
    """What stands in `block` is wanted only where the truth `condition` is `wanted`."""

    condition: int
    wanted: bool
    block: tuple[Node | Skip, ...]


def lower(program: FunctionProgram) -> tuple[Node | Skip, ...]:
    """The steps of a program on the EVM; the last one gives the result."""
    nodes = _fuse_two_sums(_fuse_polynomials(_nodes(program)))
    guards = _without_cheap_guards(nodes, _guards(nodes, program.result))
    return _blocks(_schedule(nodes, guards), guards)


def _nodes(program: FunctionProgram) -> list[Node]:
    """The operations, with constants (and counts of shifts) as operands."""
    constants: dict[int, int] = {}
    nodes = []
    for value, step in enumerate(program.steps, program.arity):
        fixed = tuple(~int(immediate) for immediate in step.immediates)
        operands = tuple(constants.get(operand, operand) for operand in step.operands) + fixed
        if step.operation == "bits":
            constants[value] = fixed[0]
        elif all(operand < 0 for operand in operands):
            method = getattr(ScalarMachine(), step.operation)
            constants[value] = ~int(method(*(~operand for operand in operands)))
        else:
            nodes.append(Node(value, step.operation, operands))
    return nodes


def _fuse_polynomials(nodes: Sequence[Node]) -> list[Node]:
    uses = Counter(operand for node in nodes for operand in node.operands)
    fused: dict[int, Node] = {}
    for node in nodes:
        fused[node.value] = node
        if node.operation != "fma" or not _is_coefficient(node.operands[2]):
            continue
        start, factor, term = node.operands
        coefficients: tuple[int, ...] = (~term,)
        before = fused.get(start)
        if before is not None and uses[start] == 1 and before.coefficients:
            if before.operands[1] == factor:
                start = before.operands[0]
                coefficients = (*before.coefficients, ~term)
                del fused[before.value]
        fused[node.value] = Node(node.value, "POLYNOMIAL", (start, factor), coefficients)
    return [_unless_short(node) for node in fused.values()]


def _unless_short(node: Node) -> Node:
    """A polynomial of one coefficient is better the fma that it was."""
    if len(node.coefficients) != 1:
        return node
    return Node(node.value, "fma", (*node.operands, ~node.coefficients[0]))


def _is_coefficient(operand: int) -> bool:
    return operand < 0 and _SMALLEST_FIELD <= ~operand >> 23 & 0xFF <= _LARGEST_FIELD


def _fuse_two_sums(nodes: Sequence[Node]) -> list[Node]:
    uses = Counter(operand for node in nodes for operand in node.operands)
    by_value = {node.value: node for node in nodes}
    fused = dict(by_value)
    for node in nodes:
        if node.operation != "add":
            continue
        found = _dekker(node, by_value, uses) or _knuth(node, by_value, uses)
        if found is not None:
            sum_, inner = found
            fused[sum_.value] = replace(sum_, lost=node.value)
            for value in (*inner, node.value):
                del fused[value]
    return list(fused.values())


def _dekker(
    node: Node, nodes: dict[int, Node], uses: Counter[int]
) -> tuple[Node, tuple[int, ...]] | None:
    """(the sum, values within) where `node` is (a - (a + b)) + b."""
    part, b = node.operands
    match nodes.get(part):
        case Node(operation="sub", operands=(a, total)) if uses[part] == 1:
            if _is_sum(nodes.get(total), a, b):
                return replace(nodes[total], operation="FAST_TWO_SUM"), (part,)
    return None


def _knuth(
    node: Node, nodes: dict[int, Node], uses: Counter[int]
) -> tuple[Node, tuple[int, ...]] | None:
    """(the sum, values within) where `node` is (a - (s - (s - a))) + (b - (s - a)), s = a + b."""
    lost_a, lost_b = (nodes.get(operand) for operand in node.operands)
    match lost_a, lost_b:
        case (
            Node(operation="sub", operands=(a, part_a)),
            Node(operation="sub", operands=(b, part_b)),
        ):
            inner = (*node.operands, part_a, part_b)
            total = next(iter(nodes[part_b].operands), -1) if part_b in nodes else -1
            if (
                _is_sum(nodes.get(total), a, b)
                and nodes[part_b] == Node(part_b, "sub", (total, a))
                and nodes.get(part_a) == Node(part_a, "sub", (total, part_b))
                and [uses[value] for value in inner] == [1, 1, 1, 2]
            ):
                return replace(nodes[total], operation="TWO_SUM"), inner
    return None


def _is_sum(node: Node | None, a: int, b: int) -> bool:
    return node is not None and node.operation == "add" and node.operands == (a, b)


def _guards(nodes: Sequence[Node], result: int) -> dict[int, frozenset[Literal]]:
    """For each node (by its first value) the truths that must hold for anybody to want it."""
    wanted: dict[int, frozenset[Literal]] = {result: frozenset()}
    for node in reversed(nodes):
        everywhere = [wanted[value] for value in node.values if value in wanted]
        own = frozenset.intersection(*everywhere)
        wanted[node.value] = own
        for place, operand in enumerate(node.operands):
            here = own
            if node.operation == "select" and place > 0:
                here = own | {(node.operands[0], place == 1)}
            wanted[operand] = wanted.get(operand, here) & here
    return {node.value: wanted[node.value] for node in nodes}


def _without_cheap_guards(
    nodes: Sequence[Node], guards: dict[int, frozenset[Literal]]
) -> dict[int, frozenset[Literal]]:
    """Without those under which so little stands that skipping it costs more."""
    saved: Counter[Literal] = Counter()
    for node in nodes:
        saved.update(dict.fromkeys(guards[node.value], node.cost))
    return {
        value: frozenset(literal for literal in guard if saved[literal] > _SKIP)
        for value, guard in guards.items()
    }


def _schedule(nodes: Sequence[Node], guards: dict[int, frozenset[Literal]]) -> list[Node]:
    """In an order in which nodes with one guard stand together, and others go first."""
    waiting = {node.value: node for node in nodes}
    unknown = {value for node in nodes for value in node.values}
    order: list[Node] = []
    path: frozenset[Literal] = frozenset()
    while waiting:
        ready = [
            node
            for node in waiting.values()
            if unknown.isdisjoint(node.operands)
            and unknown.isdisjoint(truth for truth, _ in guards[node.value])
        ]
        # stay in a block as long as there is something in it, then leave as few as may be
        chosen = min(ready, key=lambda node: _distance(path, guards[node.value], node.value))
        path = guards[chosen.value]
        order.append(chosen)
        unknown.difference_update(chosen.values)
        del waiting[chosen.value]
    return order


def _distance(
    path: frozenset[Literal], guard: frozenset[Literal], value: int
) -> tuple[int, int, int]:
    return len(path - guard), len(guard), value


def _blocks(
    order: Sequence[Node], guards: dict[int, frozenset[Literal]], path: tuple[Literal, ...] = ()
) -> tuple[Node | Skip, ...]:
    """The nodes in order, those with a guard in blocks."""
    found: list[Node | Skip] = []
    place = 0
    while place < len(order):
        guard = sorted(guards[order[place].value].difference(path))
        if not guard:
            found.append(order[place])
            place += 1
            continue
        end = place
        while end < len(order) and guard[0] in guards[order[end].value]:
            end += 1
        block = _blocks(order[place:end], guards, (*path, guard[0]))
        if sum(node.cost for node in order[place:end]) > _SKIP:
            found.append(Skip(*guard[0], block))
        else:
            found.extend(block)
        place = end
    return tuple(found)


def walk(steps: Iterable[Node | Skip]) -> Iterator[Node]:
    """All operations, in order."""
    for step in steps:
        if isinstance(step, Skip):
            yield from walk(step.block)
        else:
            yield step
