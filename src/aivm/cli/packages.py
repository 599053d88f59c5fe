"""`aivm diff` and `aivm card`: packages compared, and shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group, RenderableType
from rich.table import Table

from aivm.cli.files import write_file
from aivm.cli.options import output_options
from aivm.cli.output import Output, printable

if TYPE_CHECKING:
    from aivm.packages import Package
    from aivm.packages.difference import Change, Difference


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@output_options
def diff(output: Output, before: Path, after: Path) -> None:
    """Compare the packages BEFORE and AFTER (folders), which may be two versions of one model.

    Both are verified first. Shown are fields, inputs and outputs, programs, files, and how many of
    the bytes of AFTER somebody has who has BEFORE.
    """
    from aivm.packages import open_package
    from aivm.packages.difference import compare

    with output.working("verifying and comparing both packages"):
        old, new = open_package(before), open_package(after)
        found = compare(old, new)
    document = {
        "ok": True,
        "before": _named(old),
        "after": _named(new),
        "equal": found.is_empty,
        **found.to_document(),
    }
    output.data(_picture(old, new, found), document, brief="equal" if found.is_empty else "differ")


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--html", "as_html", is_flag=True, help="One self-contained page, not Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file.")
@output_options
def card(output: Output, package: Path, as_html: bool, out: Path | None) -> None:
    """Make the model card of PACKAGE (a folder) from its manifest, as Markdown or HTML.

    The package is verified first, and what is verified stands apart from the publisher's word.
    """
    from aivm.packages import open_package
    from aivm.packages.card import html_card, markdown_card
    from aivm.packages.envelope import verify_envelope
    from aivm.packages.paths import MANIFEST, SIGNATURE

    opened = open_package(package)
    signers = verify_envelope((package / SIGNATURE).read_bytes(), (package / MANIFEST).read_bytes())
    text = markdown_card(opened, signers)
    if as_html:
        text = html_card(f"{opened.manifest.name} {opened.manifest.version}", text)
    if out is not None:
        write_file(out, text.encode())
    document: dict[str, Any] = {"ok": True, **_named(opened), "format": "html" if as_html else "md"}
    document |= {"out": str(out)} if out is not None else {"card": text}
    output.data(str(out) if out is not None else text, document)


def _named(package: Package) -> dict[str, Any]:
    manifest = package.manifest
    named = {"name": manifest.name, "version": manifest.version}
    return named | {"model": package.model_id.hex()}


def _picture(old: Package, new: Package, found: Difference) -> RenderableType:
    names = [f"{each.manifest.name} {each.manifest.version}" for each in (old, new)]
    if found.is_empty:
        return f"{names[0]} and {names[1]} are equal"
    parts: list[RenderableType] = [printable(f"{names[0]} -> {names[1]}")]
    for title, changes in (
        ("interface", found.interface),
        ("programs", found.programs),
        ("files", found.files),
        ("fields", found.fields),
    ):
        if changes:
            parts.append(_table(title, changes))
    if found.breaks_callers:
        parts.append("[bold]What callers send or receive changes.[/bold]")
    for what, reuse in (("constants", found.constants), ("chunks", found.chunks)):
        parts.append(f"{what}: {reuse.percent:.1f} % of {reuse.total:,} bytes are reused")
    return Group(*parts)


def _table(title: str, changes: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for heading in ("", "before", "after"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        table.add_row(printable(change.place), _value(change.before), _value(change.after))
    return table


def _value(value: Any) -> RenderableType:
    """One thing on one line; digests are cut to what tells them apart."""
    if value is None:
        return "[dim]-[/dim]"
    if isinstance(value, dict):
        value = ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    return printable(_short(value))


def _short(value: Any) -> str:
    text = str(value)
    return text[:16] if len(text) == 64 and text.isalnum() else text
