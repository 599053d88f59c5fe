"""The order of a graph's nodes: runtimes accept any that can be sorted, the ONNX rules one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush

from onnx import GraphProto, NodeProto

from aivm.compiler.functions import subgraphs


def names_used(node: NodeProto) -> Iterator[str]:
    """Names that a node reads, in its subgraphs too (where some are the subgraph's own)."""
    yield from node.input
    for graph in subgraphs(node):
        yield from (output.name for output in graph.output)
        for inner in graph.node:
            yield from names_used(inner)


def sort_nodes(graph: GraphProto) -> bool:
    """Puts definitions before uses, and keeps the given order where it is free to.

    True if anything was moved. A graph with a cycle stays as it is, for the checker to refuse.
    """
    order = _sorted(graph.node)
    if order == sorted(order):
        return False
    nodes = [NodeProto() for _ in order]
    for copy, place in zip(nodes, order, strict=True):
        copy.CopyFrom(graph.node[place])
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _sorted(nodes: Sequence[NodeProto]) -> list[int]:
    """The places of the nodes in an order that can be run; [] if there is none."""
    maker = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    waiting: list[int] = []
    users: list[list[int]] = [[] for _ in nodes]
    for place, node in enumerate(nodes):
        needed = {maker[name] for name in names_used(node) if name in maker} - {place}
        waiting.append(len(needed))
        for other in needed:
            users[other].append(place)
    ready = [place for place, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        place = heappop(ready)
        order.append(place)
        for user in users[place]:
            waiting[user] -= 1
            if not waiting[user]:
                heappush(ready, user)
    return order if len(order) == len(nodes) else []
