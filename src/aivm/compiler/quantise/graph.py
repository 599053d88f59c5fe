"""A graph under change: constants by name, new nodes and initializers, names that are free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from aivm.compiler.functions import subgraphs

Array = npt.NDArray[Any]


class GraphRewriter:
    """Builds the new node list of one graph; `finish` puts it in place of the old one."""

    def __init__(self, graph: GraphProto, opset: int) -> None:
        self.opset = opset
        self._graph = graph
        inputs = {info.name for info in graph.input}
        self._tensors = {t.name: t for t in graph.initializer if t.name not in inputs}
        self._tensors |= dict(_constants(graph.node))
        self._taken = set(_names(graph))
        self._made: dict[str, str] = {}
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []

    def floats(self, name: str) -> npt.NDArray[np.float32] | None:
        """The constant of that name if it is F32 and finite, else None."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_type != TensorProto.FLOAT:
            return None
        array: npt.NDArray[np.float32] = numpy_helper.to_array(tensor)
        return array if np.isfinite(array).all() else None

    def constant(self, stem: str, array: Array) -> str:
        """A new initializer; its name."""
        name = self._fresh(stem)
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, value: float) -> str:
        """A F32 constant of rank 0, shared by all who ask."""
        key = f"scalar {value!r}"
        if key not in self._made:
            self._made[key] = self.constant(f"scalar.{value:g}", np.array(value, np.float32))
        return self._made[key]

    def integers(self, values: Sequence[int]) -> str:
        """An I64 constant of rank 1, shared by all who ask."""
        key = f"integers {values}"
        if key not in self._made:
            name = "x".join(map(str, values))
            self._made[key] = self.constant(f"integers.{name}", np.array(values, np.int64))
        return self._made[key]

    def keep(self, node: NodeProto) -> None:
        """Takes a node over as it is."""
        self._nodes.append(node)

    def node(
        self, operator: str, inputs: Iterable[str], output: str = "", **attributes: Any
    ) -> str:
        """A node with that one output, or else with a name of its own; then equal nodes are one."""
        given = list(inputs)
        made = helper.make_node(operator, given, [""], **attributes)
        key = made.SerializeToString(deterministic=True).hex()
        if not output and key in self._made:
            return self._made[key]
        made.output[0] = output or self._fresh(f"{given[0]}.{operator}")
        made.name = self._fresh(f"{made.output[0]}.node")
        self._nodes.append(made)
        if not output:
            self._made[key] = made.output[0]
        return str(made.output[0])

    def finish(self) -> None:
        """Replaces the graph's nodes, adds the initializers, drops the constants nobody reads."""
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(self._initializers)
        read = set(_read(self._graph))
        nodes = [
            node
            for node in self._graph.node
            if node.op_type != "Constant" or node.output[0] in read
        ]
        initializers = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(nodes)
        self._graph.initializer.extend(initializers)

    def _fresh(self, stem: str) -> str:
        name, number = stem, 0
        while name in self._taken:
            number += 1
            name = f"{stem}.{number}"
        self._taken.add(name)
        return name


def _constants(nodes: Iterable[NodeProto]) -> Iterator[tuple[str, TensorProto]]:
    for node in nodes:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                yield node.output[0], attribute.t


def _names(graph: GraphProto) -> Iterator[str]:
    """Every name in the graph and in the graphs inside it."""
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield info.name
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in subgraphs(node):
            yield from _names(inner)


def _read(graph: GraphProto) -> Iterator[str]:
    """Every value that somebody reads, inner graphs included."""
    yield from (info.name for info in graph.output)
    for node in graph.node:
        yield from node.input
        for inner in subgraphs(node):
            yield from _read(inner)
