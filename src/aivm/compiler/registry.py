"""The table of lowering rules: which function lowers which versions of which ONNX operator.

To add an operator, add one function to a module of `lowering/`:

    @operator("Softplus", since=1)
    def softplus(node: Node) -> Value:
        return node.build.map(Function.SOFTPLUS, node.input(0))

`since` and `until` are versions of the operator's domain: the rule holds for the versions of the
operator that were introduced in since <= version < until. An operator without a rule is expanded by
the function body that ONNX itself defines for it, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx.defs

from aivm.compiler.values import Entity

if TYPE_CHECKING:
    from aivm.compiler.node import Node

Rule = Callable[["Node"], Entity | Sequence[Entity | None]]

# The range of versions of the default domain that the rules were written for. Rules for versions of
# operators older than 7 are there where the operator has not changed since. A newer ONNX package
# may know more versions; they are refused until somebody has read what changed in them.
OLDEST_OPSET = 1
NEWEST_OPSET = 28
# Every domain that has rules, with the range of its versions.
DOMAINS = {
    "": (OLDEST_OPSET, NEWEST_OPSET),
    "ai.onnx.ml": (1, 5),
    "ai.onnx.preview": (1, 1),
    "ai.onnx.preview.training": (1, 1),
    "com.microsoft": (1, 1),
}
# Its operators are not part of ONNX, so there are no schemas and no versions of them.
CONTRIBUTED = "com.microsoft"


@dataclass(frozen=True, slots=True)
class SupportedOperator:
    """An operator and the versions of it that can be compiled; `expanded`: by its function body."""

    domain: str
    name: str
    versions: tuple[int, ...]
    expanded: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    since: int
    until: int
    rule: Rule


_RANDOM = frozenset({"Bernoulli"})
_RULES: dict[tuple[str, str], list[_Entry]] = {}


def operator(
    name: str, *, since: int, until: int = NEWEST_OPSET + 1, domain: str = ""
) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the rule for an operator's versions."""

    def register(rule: Rule) -> Rule:
        entries = _RULES.setdefault((domain, name), [])
        assert all(until <= entry.since or entry.until <= since for entry in entries), name
        entries.append(_Entry(since, until, rule))
        return rule

    return register


def find_rule(domain: str, name: str, version: int) -> Rule | None:
    """The rule for the operator version that was introduced in `version`."""
    for entry in _RULES.get((domain, name), ()):
        if entry.since <= version < entry.until:
            return entry.rule
    return None


def supported_operators() -> tuple[SupportedOperator, ...]:
    """Every operator that has a rule, or whose ONNX function body uses only such operators."""
    versions: dict[tuple[str, str], set[int]] = {
        (domain, name): {1} for domain, name in _RULES if domain == CONTRIBUTED
    }
    for schema in onnx.defs.get_all_schemas_with_history():
        newest = DOMAINS.get(schema.domain, (0, 0))[1]
        if schema.since_version <= newest and not schema.deprecated:
            key = (schema.domain, schema.name)
            versions.setdefault(key, set()).add(schema.since_version)
    found = []
    for domain, name in sorted(versions):
        current = sorted(versions[domain, name])
        ruled = tuple(version for version in current if find_rule(domain, name, version))
        expanded = tuple(
            version
            for version in current
            if version not in ruled and _expands(domain, name, version)
        )
        if ruled:
            found.append(SupportedOperator(domain, name, ruled, expanded=False))
        elif expanded:
            found.append(SupportedOperator(domain, name, expanded, expanded=True))
    return tuple(found)


def _expands(domain: str, name: str, version: int) -> bool:
    schema = onnx.defs.get_schema(name, max_inclusive_version=version, domain=domain)
    body = schema.function_body
    if not body.node:
        # A body that depends on the operands' types is made when they are known. Those that ONNX
        # has use operators with rules; only the one of Bernoulli asks for random numbers.
        facts: Any = schema
        return bool(facts.has_context_dependent_function) and name not in _RANDOM
    default = version if domain == "" else NEWEST_OPSET
    opset = next((entry.version for entry in body.opset_import if entry.domain == ""), default)
    for node in body.node:
        inner = onnx.defs.get_schema(node.op_type, max_inclusive_version=opset, domain="")
        if not find_rule("", node.op_type, inner.since_version):
            return False
    return True
