"""What `aivm pack` knows of a package before it compiles: a TOML file, options, and questions.

    name = "owner/name"            shapes = ["ids=1x16,mask=1x16"]      examples = ["sample.npz"]
    version = "1.0.0"              files = { LICENSE = "license", "README.md" = "card" }
    license = "Apache-2.0"         meanings = { ids = "tokens of the vocabulary" }

and, by the names that the manifest has for them, everything that the publisher claims: authors,
tags, base_models, dependencies, training, metrics, gpu, card and so on. Options go before the file;
paths in it are relative to it.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from aivm.cli.output import Output, printable
from aivm.errors import BadInput, NotFound

if TYPE_CHECKING:
    from aivm.compiler import Model
    from aivm.packages import Claims

_TEXTS = ("name", "version", "license", "description", "task", "supersedes")
_QUESTIONS = {
    "name": "owner/name under which it is published",
    "version": "semantic version",
    "license": "SPDX identifier of the licence",
}
_DEFAULTS = {"version": "1.0.0", "license": "Apache-2.0"}


@dataclass
class PackageDescription:
    """The file's fields; `files` are pairs of role and path, `claims` the manifest's document."""

    texts: dict[str, str] = field(default_factory=dict)
    shapes: list[str] = field(default_factory=list)
    examples: list[Path] = field(default_factory=list)
    files: list[tuple[str, Path]] = field(default_factory=list)
    meanings: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)

    def claimed(self) -> Claims:
        """The publisher's claims. Raises MalformedPackage with the place of what is out of form."""
        from aivm.packages import Claims
        from aivm.packages.claims import claims_from_document
        from aivm.packages.manifest import check_claims

        if not self.claims:
            return Claims()
        check_claims(self.claims)
        return claims_from_document(Claims, self.claims)


def read_description(path: Path) -> PackageDescription:
    """Reads the file. Raises NotFound, BadInput for what does not belong in it."""
    if not path.is_file():
        raise NotFound(f"no file {path}")
    try:
        # Decimals stay as they are written: there are no floats in a manifest.
        table = tomllib.loads(path.read_text(), parse_float=str)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path} is not TOML: {problem}") from None
    folder = path.parent
    texts = {key: _text(path, key, table.pop(key)) for key in _TEXTS if key in table}
    described = PackageDescription(
        texts=texts,
        shapes=_list(path, "shapes", table.pop("shapes", [])),
        examples=[folder / name for name in _list(path, "examples", table.pop("examples", []))],
        meanings=_texts(path, "meanings", table.pop("meanings", {})),
        files=[
            (role, folder / name)
            for name, role in _texts(path, "files", table.pop("files", {})).items()
        ],
        claims=table,
    )
    _check_names(path, table)
    for metric in table.get("metrics", []) if isinstance(table.get("metrics"), list) else []:
        if isinstance(metric, dict) and type(metric.get("value")) is int:
            metric["value"] = str(metric["value"])
    return described


def ask_for_missing(texts: dict[str, str]) -> None:
    """Asks for what every package needs, where somebody is there to answer. Raises BadInput."""
    missing = [name for name in _QUESTIONS if not texts.get(name)]
    if missing and not sys.stdin.isatty():
        options = ", ".join(f"--{name}" for name in missing)
        raise BadInput(f"a package needs {options}", hint="Or write them into a file: --describe.")
    for name in missing:
        texts[name] = click.prompt(_QUESTIONS[name], default=_DEFAULTS.get(name), err=True)


def show_found(output: Output, model: Model, said: PackageDescription, roles: set[str]) -> None:
    """What is in the model, and what a reader of the package will look for in vain."""
    from aivm.compiler import inspect_model

    found = inspect_model(model)
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, tensors in (("input", found.inputs), ("output", found.outputs)):
        for tensor in tensors:
            shape = "any shape" if tensor.shape is None else str(list(tensor.shape))
            meaning = said.meanings.get(tensor.name, "")
            dtype = "" if tensor.dtype is None else tensor.dtype.name.lower()
            described = f"{tensor.name} {dtype} {shape} {meaning}"
            table.add_row(kind, printable(described.rstrip()))
    table.add_row("opset", str(found.opset))
    table.add_row("operators", printable(", ".join(sorted(found.operators))))
    missing = [
        what
        for what, there in (
            ("the licence's text (--file license=...)", "license" in roles),
            ("a model card (--file card=...)", "card" in roles or "card" in said.claims),
            ("an example (--example)", bool(said.examples)),
            ("training data", "training" in said.claims),
            ("metrics", "metrics" in said.claims),
        )
        if not there
    ]
    if missing:
        table.add_row("not said", ", ".join(missing))
    output.note(table)


def _check_names(path: Path, table: Mapping[str, Any]) -> None:
    from aivm.packages import Claims

    claims = [each.name for each in fields(Claims)]
    if unknown := sorted(table.keys() - set(claims)):
        known = ", ".join([*_TEXTS, "shapes", "examples", "files", "meanings", *claims])
        raise BadInput(f"{path}: {unknown[0]!a} is no field of it", hint=f"Known: {known}.")


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{path}: {key} is not a text")
    return value


def _list(path: Path, key: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise BadInput(f"{path}: {key} is not a list of texts")
    return [_text(path, key, item) for item in value]


def _texts(path: Path, key: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadInput(f"{path}: {key} is not a table of texts")
    return {name: _text(path, f"{key}.{name}", text) for name, text in value.items()}
