"""`aivm validate`: everything about a package that can be checked without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from aivm.cli.files import write_file
from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output, printable
from aivm.config import Config
from aivm.errors import BadInput, NotFound

if TYPE_CHECKING:
    from aivm.packages.validate import Report

_MARKS = {
    "holds": "[green]holds[/green]",
    "fails": "[bold red]FAILS[/bold red]",
    "skipped": "[yellow]not checked[/yellow]",
    "absent": "[dim]not there[/dim]",
}


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--model", help="The model id that it must have, 64 hexadecimal digits.")
@click.option("--engine", "engines", multiple=True, help="Run examples on this one; repeatable.")
@click.option(
    "--model-key",
    type=click.Path(path_type=Path),
    help="Public key (PEM) that must have made the OpenSSF signature model.sig.",
)
@click.option("--sign", is_flag=True, help="Where all holds, add your account's signature.")
@network_options
@output_options
def validate(
    output: Output,
    package: Path,
    model: str | None,
    engines: tuple[str, ...],
    model_key: Path | None,
    sign: bool,
    settings: Config,
) -> int:
    """Check PACKAGE (a folder): form, signatures, digests, programs, and by doing it all again.

    Programs are compiled again from the package's model and compared byte for byte; the publisher's
    examples run on every engine that works here. Exit status 0: all that could be checked holds; 3:
    bytes, programs or results are not what was promised; 2: the package breaks its format.
    """
    from aivm.packages.validate import validate as check

    if not package.is_dir():
        raise NotFound(f"no folder {package}")
    with output.steps(f"validating {package.name}") as entering:
        report = check(
            package,
            None if model is None else _model_id(model),
            engines=engines,
            model_key=None if model_key is None else _read(model_key),
            entering=entering,
        )
    document = report.to_document()
    if report.ok and sign:
        document["signed_by"] = _sign(package, settings)
        output.note(f"signed by {document['signed_by']}")
    output.data(_table(report), document, brief="ok" if report.ok else "failed")
    if report.error is None:
        return 0
    if report.error.hint:
        output.note(printable(f"hint: {report.error.hint}"))
    return report.error.exit_status


def _sign(package: Path, settings: Config) -> str:
    """Adds a signature; the model id stays, the CID of the folder does not."""
    from aivm.market.network import open_account
    from aivm.packages.envelope import add_signature
    from aivm.packages.paths import MANIFEST, SIGNATURE

    account = open_account(settings, ask_password)
    path = package / SIGNATURE
    signed = add_signature(path.read_bytes(), (package / MANIFEST).read_bytes(), account)
    write_file(path, signed)
    return account.address


def _model_id(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise BadInput(f"{text[:80]!a} is not a model id of 64 hexadecimal digits")
    return digest


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotFound(f"no file {path}")
    return path.read_bytes()


def _table(report: Report) -> Table:
    title = "this is no package that can be used"
    if report.package is not None:
        manifest = report.package.manifest
        title = f"{manifest.name} {manifest.version}"
    table = Table(box=None, pad_edge=False, title=printable(title))
    for heading in ("check", "", "detail"):
        table.add_column(heading, overflow="fold")
    for found in report.findings:
        rows: Any = (found.name, _MARKS[found.status], printable(found.detail))
        table.add_row(*rows)
    return table
