"""`aivm verify`: what a receipt claims, checked as far as what is given allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from aivm.cli.options import engine_option, output_options, threads_option
from aivm.cli.output import Output
from aivm.cli.tensors import read_inputs
from aivm.errors import BadInput, NotFound, VerificationError
from aivm.receipts import Expectation, SignedReceipt, Verdict, parse_receipt, verify_receipt


@click.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--model", help="The .onnx file or package folder that the receipt is about.")
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--hot-key", help="The provider's registered key, to check the signature against.")
@engine_option
@threads_option
@output_options
def verify(
    output: Output,
    receipt: Path,
    model: str | None,
    sources: tuple[str, ...],
    hot_key: str | None,
    engine: str,
    threads: int,
) -> int:
    """Check RECEIPT: form, signature and job id; with --model and --input, re-execute it.

    Exit status 0: every check held; 3: a check failed.
    """
    if not receipt.is_file():
        raise NotFound(f"no file {receipt}")
    signed = parse_receipt(receipt.read_bytes())
    if bool(model) != bool(sources):
        raise BadInput("re-execution needs both --model and --input")
    if model:
        inputs = read_inputs(sources)
        with output.working(f"re-executing on {engine}"):
            verdict = _re_execute(signed, model, inputs, hot_key, engine, threads)
    else:
        verdict = verify_receipt(signed, Expectation(hot_key=hot_key))
    output.data(
        _table(signed, verdict), _document(signed, verdict), brief="ok" if verdict.ok else ""
    )
    if not model:
        output.note("[dim]Not re-executed: give --model and --input for that.[/dim]")
    return 0 if verdict.ok else VerificationError.exit_status


def _re_execute(
    signed: SignedReceipt,
    model: str,
    inputs: dict[str, np.ndarray[Any, Any]],
    hot_key: str | None,
    engine: str,
    threads: int,
) -> Verdict:
    from aivm.client.audit import audit
    from aivm.client.local import load

    loaded = load(model, engine=engine, threads=threads)
    return audit(signed, loaded, inputs, hot_key=hot_key)


def _document(signed: SignedReceipt, verdict: Verdict) -> dict[str, Any]:
    checks = [
        {"name": check.name, "ok": check.ok, "detail": check.detail} for check in verdict.checks
    ]
    return {"ok": verdict.ok, "job": signed.receipt.job.hex(), "checks": checks}


def _table(signed: SignedReceipt, verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, title=f"receipt {signed.receipt.job.hex()[:16]}")
    for heading in ("check", "", "detail"):
        table.add_column(heading, overflow="fold")
    for check in verdict.checks:
        mark = "[green]holds[/green]" if check.ok else "[bold red]FAILS[/bold red]"
        table.add_row(check.name, mark, check.detail)
    return table
