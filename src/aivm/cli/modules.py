"""The options of `aivm pack` that say which modules a package carries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aivm.errors import BadInput, NotFound

if TYPE_CHECKING:
    from aivm.packages import ExtraFile, ModuleSource

Function = TypeVar("Function", bound=Callable[..., Any])
_FIELDS = {"name", "role", "file", "entry", "data", "inputs", "outputs", "fuel", "memory_bytes"}
_NEEDED = {"name", "role", "file"}


def module_options(function: Function) -> Function:
    """`--wordpiece`, `--module` and `--app`."""
    for option in (
        click.option(
            "--app", "apps", multiple=True, help="FILE.wasm: a WASI program to ship; repeatable."
        ),
        click.option(
            "--module",
            "modules",
            multiple=True,
            help="FILE.json: a module to ship (docs/guides/modules.md); repeatable.",
        ),
        click.option("--wordpiece", help="vocab.txt: tokenise texts as BERT's uncased models do."),
    ):
        function = option(function)
    return function


def modules_of(options: dict[str, Any]) -> tuple[list[ModuleSource], list[ExtraFile]]:
    """The modules that the options name, and the files that these read."""
    from aivm.packages import ExtraFile, Role, wordpiece_module

    modules: list[ModuleSource] = []
    data: dict[str, ExtraFile] = {}
    if options["wordpiece"] is not None:
        path = _existing(Path(options["wordpiece"]))
        modules.append(wordpiece_module(path.name))
        data[path.name] = ExtraFile(path.name, Role.TOKENIZER, path)
    for name in options["modules"]:
        module, files = _described(Path(name))
        modules.append(module)
        data |= {path.name: ExtraFile(path.name, Role.OTHER, path) for path in files}
    modules += [_app(Path(name)) for name in options["apps"]]
    return modules, list(data.values())


def _described(path: Path) -> tuple[ModuleSource, list[Path]]:
    """A module described by a JSON file; the paths in it are relative to that file."""
    from aivm.commitments import canonical_json
    from aivm.modules import DEFAULT_LIMITS, Limits
    from aivm.packages import ModuleSource
    from aivm.receipts import StageRole

    fields = canonical_json.parse(_existing(path).read_bytes(), BadInput)
    if not isinstance(fields, dict) or not _NEEDED <= fields.keys() <= _FIELDS:
        raise BadInput(
            f"{path} does not describe a module",
            hint=f"Needed: {', '.join(sorted(_NEEDED))}; known: {', '.join(sorted(_FIELDS))}.",
        )
    try:
        role = StageRole(fields["role"])
    except ValueError:
        raise BadInput(
            f"{path}: {fields['role']!a} is no role", hint=f"Roles: {', '.join(StageRole)}"
        ) from None
    files = [_existing(path.parent / name) for name in _strings(path, fields, "data")]
    source = ModuleSource(
        name=str(fields["name"]),
        role=role,
        wasm=_existing(path.parent / str(fields["file"])).read_bytes(),
        entry=str(fields.get("entry", "run")),
        limits=Limits(
            _count(path, fields, "fuel", DEFAULT_LIMITS.fuel),
            _count(path, fields, "memory_bytes", DEFAULT_LIMITS.memory_bytes),
        ),
        data=tuple(file.name for file in files),
        inputs=_strings(path, fields, "inputs"),
        outputs=_strings(path, fields, "outputs"),
    )
    return source, files


def _app(path: Path) -> ModuleSource:
    from aivm.packages import ModuleSource
    from aivm.receipts import StageRole

    wasm = _existing(path).read_bytes()
    return ModuleSource(name=path.stem.lower(), role=StageRole.APP, wasm=wasm, entry="_start")


def _strings(path: Path, fields: dict[str, Any], key: str) -> tuple[str, ...]:
    value = fields.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{path}: {key} is not a list of strings")
    return tuple(value)


def _count(path: Path, fields: dict[str, Any], key: str, default: int) -> int:
    value = fields.get(key, default)
    if type(value) is not int:
        raise BadInput(f"{path}: {key} is not a number")
    return value


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise NotFound(f"no file {path}")
    return path
