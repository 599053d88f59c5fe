"""The programs of a package on the terminal: those that it lists, and one derived for any shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from aivm.cli.output import Output, printable
from aivm.cli.pack import parse_shapes
from aivm.packages import Package, PackageProgram, Programs

DERIVES = "Other shapes run too: their programs are derived from the model in the package."
LISTED_ONLY = "No other shape runs: the package does not carry the model itself."


def show_programs(output: Output, package: Package, shapes: Iterable[str]) -> None:
    """What can be run for how much gas; `shapes` (`ids=1x16`) are looked up or derived besides."""
    programs = Programs(package)
    found = [
        (entry.name, listed)
        for entry, listed in zip(package.manifest.entries, programs.listed(), strict=True)
    ]
    for text in shapes:
        with output.working(f"deriving the program for {text}"):
            found.append((text, programs.find(parse_shapes(text))))
    table = Table(box=None, pad_edge=False)
    for heading in ("program", "inputs", "gas units", "", "root"):
        table.add_column(heading, overflow="fold")
    for name, program in found:
        ports = ", ".join(f"{port} {shape}" for port, shape in _inputs(program).items())
        mark = "derived" if program.derived else "listed"
        row = (printable(name), printable(ports), f"{program.gas:,}", mark, program.root.hex()[:16])
        table.add_row(*row)
    document = {
        "ok": True,
        "model": package.model_id.hex(),
        "derives": programs.derives,
        "programs": [_document(name, program) for name, program in found],
    }
    output.data(table, document, brief="\n".join(program.root.hex() for _, program in found))
    output.note(f"[dim]{DERIVES if programs.derives else LISTED_ONLY}[/dim]")


def _inputs(program: PackageProgram) -> Mapping[str, list[int]]:
    pairs = zip(program.input_names, program.program.inputs, strict=True)
    return {name: list(kind.shape) for name, kind in pairs}


def _document(name: str, program: PackageProgram) -> dict[str, Any]:
    return {
        "name": name,
        "program": program.root.hex(),
        "gas": program.gas,
        "derived": program.derived,
        "inputs": _inputs(program),
    }
