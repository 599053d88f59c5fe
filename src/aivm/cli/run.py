"""`aivm run`: a model on this machine, or (by name) on a provider that is paid for it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from aivm.cli.files import write_file
from aivm.cli.options import (
    ask_password,
    engine_option,
    network_options,
    output_options,
    threads_option,
)
from aivm.cli.output import Output
from aivm.cli.tensors import Array, as_document, as_table, is_here, read_inputs, write_arrays
from aivm.errors import BadInput, NotFound


@click.command()
@click.argument("model")
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--text", help="A sentence, for a model that carries a tokeniser.")
@click.option("--max-tokens", type=int, help="Cut the text to so many tokens.")
@click.option("--modules", is_flag=True, help="Give --input to the package's modules.")
@click.option("--output", type=click.Path(path_type=Path), help="Write all outputs to this .npz.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write the receipt to this file.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Write the job's inputs (.npz).")
@click.option("--provider", help="Address of the provider to use, instead of the cheapest.")
@click.option("--max-price", type=int, help="Highest price of one run, in token base units.")
@click.option("--audit", is_flag=True, help="Re-execute here what a provider has answered.")
@engine_option
@threads_option
@network_options
@output_options
def run(
    output_to: Output,
    model: str,
    sources: tuple[str, ...],
    text: str | None,
    output: Path | None,
    receipt: Path | None,
    inputs: Path | None,
    **options: Any,
) -> None:
    """Run MODEL: an .onnx file or a package folder here, or owner/name on the network.

    \b
    aivm run model.onnx --input x.npz
    aivm run demo/minilm --text "a sentence" --audit
    """
    given = read_inputs(sources)
    if bool(sources) == (text is not None):
        raise BadInput("give the inputs either as --input or as --text")
    if options["modules"] and not is_here(model):
        raise BadInput("--modules is for packages on this machine", hint="Fetch it: aivm pull.")
    if inputs is not None and is_here(model) and (text is not None or options["modules"]):
        raise BadInput("a run through modules has no other inputs than those that you gave")
    for path in (output, receipt, inputs):  # before anything is paid for
        if path is not None and not path.absolute().parent.is_dir():
            raise NotFound(f"no folder {path.parent} to write {path.name} to")
    ran = (
        _run_here(output_to, model, given, text, receipt, options)
        if is_here(model)
        else _run_there(output_to, model, given, text, receipt, options)
    )
    if output is not None:
        write_arrays(output, ran.outputs)
    if inputs is not None:
        write_arrays(inputs, ran.inputs)
    document = {"ok": True, "outputs": as_document(ran.outputs), **ran.document}
    output_to.data(as_table(ran.outputs), document, brief=ran.document["job"])
    if receipt is not None:
        paths = shlex.join([str(receipt), "--model", model])
        how = "--input ..." if text is None else "--text ..."
        if inputs is not None:
            how = shlex.join(["--input", str(inputs)])
        output_to.hint(f"aivm verify {paths} {how}")


@dataclass(frozen=True)
class Ran:
    """Outputs and inputs by name, and what `--json` says about the run."""

    outputs: dict[str, Array]
    inputs: Mapping[str, Array]
    document: dict[str, Any]


def _run_here(
    output_to: Output,
    model: str,
    inputs: dict[str, Array],
    text: str | None,
    receipt_to: Path | None,
    options: Any,
) -> Ran:
    from aivm.client.local import load
    from aivm.commitments import shown

    if text is not None or options["modules"]:
        return _run_job(output_to, model, inputs, text, receipt_to, options)
    with load(model, engine=options["engine"], threads=options["threads"]) as loaded:
        with output_to.working(f"running {model}"):
            done = loaded.execute(inputs)
        signed = loaded.receipt_of(done)
    if receipt_to is not None:
        write_file(receipt_to, signed.to_json())
    document = {
        "engine": options["engine"],
        "job": signed.receipt.job.hex(),
        "provider": None,
        "derived": bool(done.prepared.derived),
    }
    kinds = done.prepared.program.inputs
    named = zip(done.prepared.input_names, done.inputs, kinds, strict=True)
    taken = {name: shown(array, kind.dtype) for name, array, kind in named}
    return Ran(done.named_outputs, taken, document)


def _run_job(
    output_to: Output,
    model: str,
    inputs: dict[str, Array],
    text: str | None,
    receipt_to: Path | None,
    options: Any,
) -> Ran:
    """A run through the package's modules."""
    from aivm.client.jobs import job_inputs, run_job
    from aivm.client.local import load
    from aivm.market.text import text_tensors
    from aivm.packages import open_package
    from aivm.receipts import ARBITRATED

    package = open_package(Path(model))
    given = (
        job_inputs(package, inputs) if text is None else text_tensors(text, options["max_tokens"])
    )
    with load(package, engine=options["engine"], threads=options["threads"]) as loaded:
        job = run_job(loaded, package, given)
    signed = job.receipt()
    if receipt_to is not None:
        write_file(receipt_to, signed.to_json())
    output_to.note(f"[dim]Modules: {job.pipeline}; {ARBITRATED}.[/dim]")
    document = {
        "engine": options["engine"],
        "job": signed.receipt.job.hex(),
        "provider": None,
        "pipeline": job.pipeline.to_document(),
    }
    return Ran(job.named_outputs, {}, document)


def _run_there(
    output_to: Output,
    model: str,
    inputs: dict[str, Array],
    text: str | None,
    receipt_to: Path | None,
    options: Any,
) -> Ran:
    from aivm.client import Client
    from aivm.market.network import open_account

    settings = options["settings"]
    account = open_account(settings, ask_password)
    with Client(settings, account=account, engine=options["engine"]) as client:
        with output_to.working(f"asking a provider of {model}"):
            if text is not None:
                inputs = client.encode(model, text, options["max_tokens"])
            found = client.infer(
                model, inputs, provider=options["provider"], max_price=options["max_price"]
            )
        # Before the audit: if that fails, the receipt is the evidence.
        if receipt_to is not None:
            write_file(receipt_to, found.receipt.to_json())
        document = {
            "job": found.receipt.receipt.job.hex(),
            "provider": found.receipt.receipt.provider,
            "price": str(found.price),
        }
        if options["audit"]:
            with output_to.working("running it again here"):
                client.audit(found)
            document["audited"] = options["engine"]
        return Ran(found.outputs, found.inputs, document)
