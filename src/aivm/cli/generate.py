"""`aivm generate`: text from a package with a session, as it comes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aivm.cli.files import write_file
from aivm.cli.options import engine_option, output_options, threads_option
from aivm.cli.output import Output
from aivm.cli.tensors import is_here, write_arrays
from aivm.errors import BadInput, NotFound

if TYPE_CHECKING:
    from aivm.client.session import Generation


@click.command()
@click.argument("package")
@click.option("--prompt", help="The text to go on from.")
@click.option("--tokens", help="The token ids to go on from, for example 17,4,99.")
@click.option(
    "--max-tokens", type=int, help="The most tokens to make.  [default: 128, or the room]"
)
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0: the likeliest.")
@click.option("--top-k", type=int, default=0, show_default=True, help="Among the k likeliest only.")
@click.option("--top-p", type=float, default=1.0, show_default=True, help="Among the likeliest p.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another text.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write the receipt to this file.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Write the job's inputs (.npz).")
@engine_option
@threads_option
@output_options
def generate(
    output: Output,
    package: str,
    prompt: str | None,
    tokens: str | None,
    receipt: Path | None,
    inputs: Path | None,
    engine: str,
    threads: int,
    **parameters: Any,
) -> None:
    """Go on from a prompt with PACKAGE, a package folder here.

    \b
    aivm generate llama --prompt "The licence" --max-tokens 40
    aivm generate llama --prompt "The licence" --temperature 0.8 --top-p 0.95 --seed 7

    The same prompt, parameters and seed give the same text on every machine and engine.
    """
    from aivm.client.session import open_session

    start = prompt if tokens is None else _tokens(tokens)
    if start is None or (prompt is not None and tokens is not None):
        raise BadInput("give the prompt either as --prompt or as --tokens")
    for path in (receipt, inputs):  # before anything is computed
        if path is not None and not path.absolute().parent.is_dir():
            raise NotFound(f"no folder {path.parent} to write {path.name} to")
    if not is_here(package):
        raise NotFound(f"no package at {package}", hint=shlex.join(["aivm", "pull", package]))
    with open_session(package, engine=engine, threads=threads) as session:
        generation = session.generate(start, **parameters)
        text = "".join(_streamed(output, generation, as_text=tokens is None))
        document = _document(generation, engine, text if tokens is None else None)
        if receipt is not None:
            _write_receipt(receipt, generation)
        if inputs is not None:
            _write_inputs(inputs, generation)
    output.ended(document, brief=document["job"])
    if receipt is not None and inputs is not None:
        paths = [str(receipt), "--model", package, "--input", str(inputs)]
        output.hint(shlex.join(["aivm", "verify", *paths]))


def _streamed(output: Output, generation: Generation, *, as_text: bool) -> Iterator[str]:
    """The pieces, each shown when it comes."""
    pieces = generation.text() if as_text else (f"{token} " for token in generation)
    try:
        for piece in pieces:
            output.piece(piece)
            yield piece
    except KeyboardInterrupt:
        made = len(generation.tokens)
        output.note(f"\ninterrupted after {made} tokens; a part of a generation has no receipt")
        raise


def _tokens(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"{text!r} are not token ids", hint="Example: --tokens 17,4,99") from None


def _document(generation: Generation, engine: str, text: str | None) -> dict[str, Any]:
    receipt = generation.receipt()
    document = {
        "ok": True,
        "engine": engine,
        "tokens": generation.tokens,
        "prompt_tokens": len(generation.request.prompt),
        "finish_reason": generation.finish_reason,
        "job": receipt.job.hex(),
        "program": receipt.program.hex(),
        "inputs": receipt.inputs.hex(),
        "outputs": receipt.outputs.hex(),
    }
    return document if text is None else {**document, "text": text}


def _write_receipt(path: Path, generation: Generation) -> None:
    from aivm.receipts import ZERO_ADDRESS, Domain, SignedReceipt

    receipt = SignedReceipt(Domain(0, ZERO_ADDRESS), generation.receipt(), None)
    write_file(path, receipt.to_json())


def _write_inputs(path: Path, generation: Generation) -> None:
    write_arrays(path, generation.request.tensors())
