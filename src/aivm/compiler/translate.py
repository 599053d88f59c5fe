"""Walks an ONNX graph and lowers its nodes one after the other.

Names live in scopes, as ONNX says: a subgraph sees the names around it, a function body only its
own. Operators without a rule are expanded by their ONNX function body.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import onnx
from onnx import FunctionProto, GraphProto, NodeProto

from aivm.compiler import doubles
from aivm.compiler.builder import Builder
from aivm.compiler.functions import (
    FunctionKey,
    domain_of,
    standard_body,
    with_attributes,
    without_inputs,
)
from aivm.compiler.node import Node
from aivm.compiler.order import names_used
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import CONTRIBUTED, Rule, find_rule
from aivm.compiler.tensors import NO_FILES, Files
from aivm.compiler.values import DoubleTensor, Entity, described
from aivm.errors import MalformedModel, UnsupportedModel

Scope = ChainMap[str, Entity]

# Subgraphs and function bodies nest no deeper than this; a function that calls itself would.
_MAX_DEPTH = 24


@dataclass(frozen=True, slots=True)
class Translator:
    """What stays the same within one graph or function body: the builder, versions, functions.

    `files` opens the files in which tensors may keep their elements.
    """

    build: Builder
    opsets: Mapping[str, int]
    functions: Mapping[FunctionKey, FunctionProto]
    files: Files = NO_FILES
    depth: int = 0

    def graph(self, graph: GraphProto, scope: Scope) -> list[Entity]:
        """Lowers a graph whose inputs are already in `scope`; returns the values of its outputs."""
        for initializer in graph.initializer:
            if initializer.name not in scope.maps[0]:
                with _located(f"initializer {initializer.name!r}"):
                    scope[initializer.name] = doubles.constant_of(
                        self.build, initializer, self.files
                    )
        outputs = [output.name for output in graph.output]
        self._nodes(graph.node, outputs, scope)
        return [_look_up(scope, name, "the graph's outputs") for name in outputs]

    def _nodes(self, nodes: Sequence[NodeProto], outputs: Sequence[str], scope: Scope) -> None:
        used = set(outputs)
        for node in nodes:
            used.update(names_used(node))
        for node in nodes:
            if any(name in used for name in node.output):
                self._node(node, used, scope)

    def _node(self, proto: NodeProto, used: set[str], scope: Scope) -> None:
        title = _title(proto)
        inputs = [_look_up(scope, name, title) if name else None for name in proto.input]
        wanted = [bool(name) and name in used for name in proto.output]
        with _located(title, inputs):
            results = self._lowered(proto, inputs, wanted, scope)
        for name, result in zip(proto.output, results, strict=False):
            if name and result is not None:
                scope[name] = result
        missing = [n for n, w in zip(proto.output, wanted, strict=True) if w and n not in scope]
        if missing:
            raise UnsupportedModel(
                f"{title}: its output {missing[0]!r} cannot be computed",
                hint="Remove what uses this output.",
            )

    def _lowered(
        self,
        proto: NodeProto,
        inputs: Sequence[Entity | None],
        wanted: Sequence[bool],
        scope: Scope,
    ) -> Sequence[Entity | None]:
        self.build.count_node()
        domain = domain_of(proto.domain)
        local = self.functions.get((domain, proto.op_type, proto.overload))
        if local is not None:
            return self._expanded(local, proto, inputs)
        contributed = find_rule(domain, proto.op_type, 1) if domain == CONTRIBUTED else None
        if contributed is not None:
            return _as_results(contributed, self._seen_by_rule(proto, 1, inputs, wanted, scope))
        schema = self._schema(domain, proto.op_type)
        rule = find_rule(domain, proto.op_type, schema.since_version)
        if rule is not None:
            node = self._seen_by_rule(proto, schema.since_version, inputs, wanted, scope)
            if any(isinstance(entity, DoubleTensor) for entity in inputs):
                return doubles.lower(node, rule)
            return _as_results(rule, node)
        body = standard_body(schema, self.opsets[domain], proto, inputs)
        if body is None:
            raise Unsupported(
                f"operator {proto.op_type}-{schema.since_version} has no lowering rule",
                change="Export the model without it; `aivm.compiler.supported_operators()` "
                "lists what can be compiled.",
            )
        return self._expanded(body, proto, inputs)

    def _schema(self, domain: str, op: str) -> onnx.defs.OpSchema:
        if domain not in self.opsets:
            raise Malformed(f"its domain {domain or 'ai.onnx'!r} is not imported by the model")
        try:
            schema = onnx.defs.get_schema(op, self.opsets[domain], domain)
        except onnx.defs.SchemaError:
            raise Unsupported(
                f"there is no operator {op!r} in opset {self.opsets[domain]} of domain "
                f"{domain or 'ai.onnx'!r}",
                change="Check the exporter's opset, or replace the custom operator.",
            ) from None
        if schema.deprecated:
            raise Unsupported(f"operator {op} is no longer part of opset {self.opsets[domain]}")
        return schema

    def _seen_by_rule(
        self,
        proto: NodeProto,
        version: int,
        inputs: Sequence[Entity | None],
        wanted: Sequence[bool],
        scope: Scope,
    ) -> Node:
        def lower_graph(graph: GraphProto, values: Sequence[Entity]) -> list[Entity]:
            if len(graph.input) != len(values):
                raise Malformed(
                    f"its graph {graph.name!r} takes {len(graph.input)} values, not {len(values)}"
                )
            inner = scope.new_child()
            for declared, value in zip(graph.input, values, strict=True):
                inner[declared.name] = value
            return self._deeper().graph(graph, inner)

        attributes = {attribute.name: attribute for attribute in proto.attribute}
        return Node(
            proto.op_type, version, self.build, inputs, wanted, attributes, lower_graph, self.files
        )

    def _expanded(
        self, function: FunctionProto, caller: NodeProto, inputs: Sequence[Entity | None]
    ) -> list[Entity | None]:
        """The results of a function body in place of the node that calls it."""
        # Some bodies leave out domains that they use: those are in force where they are called.
        own = {domain_of(entry.domain): entry.version for entry in function.opset_import}
        opsets = {**self.opsets, **own}
        inner = replace(self._deeper(), opsets=opsets)
        scope: Scope = ChainMap()
        for name, value in zip(function.input, inputs, strict=False):
            if value is not None:
                scope[name] = value
        given = {attribute.name: attribute for attribute in function.attribute_proto}
        given |= {attribute.name: attribute for attribute in caller.attribute}
        body = [with_attributes(node, given) for node in function.node]
        absent = set(function.input) - set(scope)
        body = [without_inputs(node, absent) for node in body]
        inner._nodes(body, list(function.output), scope)
        return [scope.get(name) for name in function.output]

    def _deeper(self) -> Translator:
        if self.depth >= _MAX_DEPTH:
            raise Unsupported(f"subgraphs and functions nest deeper than {_MAX_DEPTH}")
        return replace(self, depth=self.depth + 1)


def _as_results(rule: Rule, node: Node) -> Sequence[Entity | None]:
    results = rule(node)
    return results if isinstance(results, Sequence) else [results]


def _look_up(scope: Scope, name: str, reader: str) -> Entity:
    value = scope.get(name)
    if value is None:
        raise MalformedModel(
            f"{reader} uses the name {name!r}, which nothing defines",
            hint="Is an output misspelt, or do the nodes form a cycle?",
        )
    return value


def _title(proto: NodeProto) -> str:
    label = proto.name or next((name for name in proto.output if name), "")
    return f"node {label!r} ({proto.op_type})"


@contextmanager
def _located(title: str, inputs: Sequence[Entity | None] = ()) -> Iterator[None]:
    """Adds where it happened to what the rules and the builder raise."""
    try:
        yield
    except Malformed as error:
        raise MalformedModel(f"{title}: {error.reason}") from error
    except Unsupported as error:
        types = ", ".join(described(entity) for entity in inputs)
        operands = f" [operands: {types}]" if types else ""
        raise UnsupportedModel(
            f"{title}: {error.reason}{operands}", hint=error.change or None
        ) from error
