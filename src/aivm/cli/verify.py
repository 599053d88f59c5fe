"""`aivm verify`: what a receipt claims, checked as far as what is given allows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import click
from rich.table import Table

from aivm.cli.options import engine_option, network_options, output_options, threads_option
from aivm.cli.output import Output
from aivm.cli.tensors import Array, is_here, read_inputs
from aivm.config import Config
from aivm.errors import BadInput, NotFound, VerificationError
from aivm.packages import Package
from aivm.receipts import (
    Domain,
    Expectation,
    SignedReceipt,
    StageRole,
    Verdict,
    parse_receipt,
    verify_receipt,
)


@click.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--model", help="The .onnx file, package folder or owner/name it is about.")
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--text", help="The sentence, for a model that carries a tokeniser.")
@click.option("--max-tokens", type=int, help="What the text was cut to.")
@click.option("--hot-key", help="The provider's registered key, to check the signature against.")
@engine_option
@threads_option
@network_options
@output_options
def verify(
    output: Output,
    receipt: Path,
    model: str | None,
    sources: tuple[str, ...],
    text: str | None,
    hot_key: str | None,
    **options: Any,
) -> int:
    """Check RECEIPT: form, signature and job id; with --model and --input, re-execute it.

    The inputs of a generation are what `aivm generate --inputs` wrote. A model given as owner/name
    is fetched from the network, which then also says whether the signing key was the provider's.
    Exit status 0: every check held; 3: a check failed.
    """
    if not receipt.is_file():
        raise NotFound(f"no file {receipt}")
    signed = parse_receipt(receipt.read_bytes())
    if (model is not None) != (bool(sources) != (text is not None)):
        raise BadInput("re-execution needs --model, and the inputs as --input or as --text")
    if model is not None:
        with output.working(f"re-executing on {options['engine']}"):
            verdict = _re_execute(signed, model, read_inputs(sources), text, hot_key, options)
    else:
        verdict = verify_receipt(signed, Expectation(hot_key=hot_key))
        output.note("[dim]Not re-executed: give --model and --input for that.[/dim]")
    output.data(
        verdict_table(signed, verdict),
        verdict_document(signed, verdict),
        brief="ok" if verdict.ok else "failed",
    )
    return 0 if verdict.ok else VerificationError.exit_status


def _re_execute(
    signed: SignedReceipt,
    model: str,
    inputs: dict[str, Array],
    text: str | None,
    hot_key: str | None,
    options: dict[str, Any],
) -> Verdict:
    from aivm.client.audit import audit, audit_generation
    from aivm.client.jobs import audit_job, job_inputs
    from aivm.client.local import load
    from aivm.client.session import open_session
    from aivm.market.text import encode_text, text_tensors
    from aivm.packages import open_package
    from aivm.sessions.request import TENSOR_NAMES

    source: Any = model
    domain = None
    if not is_here(model):
        source, registered, domain = asyncio.run(_from_network(signed, model, options["settings"]))
        hot_key = hot_key or registered
    if set(inputs) == set(TENSOR_NAMES):
        with open_session(source, engine=options["engine"], threads=options["threads"]) as session:
            return audit_generation(signed, session, inputs, hot_key=hot_key, domain=domain)
    if source is model and (text is not None or signed.pipeline is not None):
        source = open_package(Path(model))
    with load(source, engine=options["engine"], threads=options["threads"]) as loaded:
        if signed.pipeline is not None:
            if signed.pipeline.stages[0].role is StageRole.APP:
                raise BadInput(
                    "this receipt is about an app",
                    hint="Check it with: aivm app PACKAGE --check RECEIPT ARGUMENTS...",
                )
            given = (
                job_inputs(source, inputs)
                if text is None
                else text_tensors(text, options["max_tokens"])
            )
            return audit_job(signed, loaded, source, given, hot_key=hot_key, domain=domain)
        if text is not None:
            inputs = encode_text(source, text, options["max_tokens"])
        return audit(signed, loaded, inputs, hot_key=hot_key, domain=domain)


async def _from_network(
    signed: SignedReceipt, model: str, settings: Config
) -> tuple[Package, str, Domain]:
    """The package, the key that the provider had registered at the receipt's time, and the domain
    in which receipts count on this network."""
    from aivm.market.models import Models
    from aivm.market.network import connect_chain

    async with connect_chain(settings) as chain, aiohttp.ClientSession() as session:
        models = Models(chain, session, [settings.storage_url], settings.cache_dir / "models")
        package = await models.package(model)
        receipt = signed.receipt
        registered = await chain.staking.hot_key_at(receipt.provider, receipt.time)
        return package, registered, Domain(chain.chain_id, chain.staking.address)


def verdict_document(signed: SignedReceipt, verdict: Verdict) -> dict[str, Any]:
    checks = [
        {"name": check.name, "ok": check.ok, "detail": check.detail} for check in verdict.checks
    ]
    return {"ok": verdict.ok, "job": signed.receipt.job.hex(), "checks": checks}


def verdict_table(signed: SignedReceipt, verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, title=f"receipt {signed.receipt.job.hex()[:16]}")
    for heading in ("check", "", "detail"):
        table.add_column(heading, overflow="fold")
    for check in verdict.checks:
        mark = "[green]holds[/green]" if check.ok else "[bold red]FAILS[/bold red]"
        table.add_row(check.name, mark, check.detail)
    return table
