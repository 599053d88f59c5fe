"""`aivm run`: a model on this machine, or (by name) on a provider that is paid for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from aivm.cli.options import (
    ask_password,
    engine_option,
    network_options,
    output_options,
    threads_option,
)
from aivm.cli.output import Output
from aivm.cli.tensors import as_document, as_table, read_inputs, write_outputs
from aivm.errors import BadInput


@click.command()
@click.argument("model")
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--text", help="A sentence, for a model that carries a tokenizer.")
@click.option("--output", type=click.Path(path_type=Path), help="Write all outputs to this .npz.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write the receipt to this file.")
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
    **options: Any,
) -> None:
    """Run MODEL: an .onnx file or a package folder here, or owner/name on the network.

    \b
    aivm run model.onnx --input x.npz
    aivm run demo/minilm --text "a sentence" --audit
    """
    inputs = read_inputs(sources)
    if bool(inputs) == (text is not None):
        raise BadInput("give the inputs either as --input or as --text")
    if Path(model).exists():
        result = _run_here(model, inputs, text, options)
    else:
        result = _run_there(output_to, model, inputs, text, options)
    outputs, receipt_json, document = result
    if output is not None:
        write_outputs(output, outputs)
    if receipt is not None:
        receipt.write_bytes(receipt_json)
    document = {"ok": True, "outputs": as_document(outputs), **document}
    output_to.data(as_table(outputs), document, brief=document["job"])
    if receipt is not None:
        output_to.hint(f"aivm verify {receipt} --model {model}")


def _run_here(
    model: str, inputs: dict[str, np.ndarray[Any, Any]], text: str | None, options: Any
) -> Any:
    from aivm.client.local import load
    from aivm.market.text import encode_text
    from aivm.packages import open_package
    from aivm.receipts import Domain, SignedReceipt
    from aivm.receipts.addresses import ZERO_ADDRESS

    loaded = load(model, engine=options["engine"], threads=options["threads"])
    if text is not None:
        inputs = encode_text(open_package(Path(model)), text)
    outputs, receipt = loaded.run_with_receipt(inputs)
    signed = SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None)
    document = {"engine": options["engine"], "job": receipt.job.hex(), "provider": None}
    return outputs, signed.to_json(), document


def _run_there(
    output_to: Output,
    model: str,
    inputs: dict[str, np.ndarray[Any, Any]],
    text: str | None,
    options: Any,
) -> Any:
    from aivm.client import Client
    from aivm.market.network import open_account

    settings = options["settings"]
    account = open_account(settings, ask_password)
    with Client(settings, account=account, engine=options["engine"]) as client:
        with output_to.working(f"asking a provider of {model}"):
            if text is not None:
                inputs = client.encode(model, text)
            found = client.infer(model, inputs, max_price=options["max_price"])
        document = {
            "job": found.receipt.receipt.job.hex(),
            "provider": found.receipt.receipt.provider,
            "price": str(found.price),
        }
        if options["audit"]:
            with output_to.working("running it again here"):
                client.audit(found)
            document["audited"] = options["engine"]
        return found.outputs, found.receipt.to_json(), document
