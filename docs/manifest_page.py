"""The page of the manifest: every field of the published schema, with its rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

_HEAD = """# The manifest, version 1

`manifest.json` is RFC 8785 canonical JSON of at most 256 KiB; its SHA-256 is the model id. The
published schema is [manifest.v1.json](../../src/aivm/packages/schema/manifest.v1.json) (JSON Schema
2020-12); this page is made from it. Beyond the schema a reader checks that JSON is strict (no key
twice, no floats, integers below 2^53, strings in normal form C), that paths are safe, sorted and
unique without regard to case, that every reference inside the document resolves, and that inputs
and outputs are those of the programs. Unknown fields are refused. What stands under `claims`, and
description, task, licence, creation time and meanings, is the publisher's word; all else is
checked against the bytes.

| field | needed | form | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    path = files("aivm.packages").joinpath("schema/manifest.v1.json")
    schema = json.loads(path.read_bytes())
    return _HEAD + "".join(_rows(schema, schema, ""))


def _rows(schema: Any, node: Any, place: str) -> Iterator[str]:
    for name, field in node.get("properties", {}).items():
        target = _resolved(schema, field)
        inner = _resolved(schema, target.get("items", {}))
        full = f"{place}{name}" + ("[]" if target.get("type") == "array" else "")
        needed = "yes" if name in node.get("required", []) else ""
        meaning = field.get("description") or target.get("description") or ""
        yield f"| `{full}` | {needed} | {_form(schema, target)} | {meaning} |\n"
        for child in (target, inner):
            if child.get("properties"):
                yield from _rows(schema, child, f"{full}.")


def _resolved(schema: Any, node: Any) -> Any:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node


def _form(schema: Any, node: Any) -> str:
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "anyOf" in node and "type" not in node:
        return " or ".join(_form(schema, _resolved(schema, each)) for each in node["anyOf"])
    if node.get("type") == "array":
        items = _form(schema, _resolved(schema, node["items"]))
        return f"at most {node['maxItems']} of: {items}"
    if node.get("type") == "string" and "maxLength" in node:
        return f"string, at most {node['maxLength']}"
    return str(node.get("type", ""))
