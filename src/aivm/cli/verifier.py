"""`aivm verifier`: watch receipts and dispute false ones; submit a receipt to such a verifier."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import click
from rich.table import Table

from aivm import config
from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.cli.provider import on_stop
from aivm.cli.tensors import read_inputs
from aivm.config import Config
from aivm.errors import BadInput, NotAllowed, NotFound

UNIT = 10**18
_ENGINES = click.Choice(["native", "wasm", "cuda", "reference"])
_PORTS = click.IntRange(0, 65535)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def verifier() -> None:
    """Re-execute receipts of others, and be paid for convicting false ones."""


@verifier.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORTS, default=8720, show_default=True, help="Port for everybody.")
@click.option("--operator-port", type=_PORTS, default=8721, show_default=True, help="On loopback.")
@click.option("--behind-proxy", is_flag=True, help="Senders are in X-Forwarded-For.")
@click.option("--inbox", type=_FOLDER, help="Folder to watch for receipts and their inputs.")
@click.option("--engine", type=_ENGINES, default="native", show_default=True)
@click.option("--second-engine", type=_ENGINES, default="wasm", show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option(
    "--gas-per-hour",
    type=click.IntRange(1, 10**18),
    default=10**13,
    show_default=True,
    help="Gas units of re-execution an hour.",
)
@click.option(
    "--floor",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="The least share of receipts that is re-executed.",
)
@click.option(
    "--least-award",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Tokens that a conviction must bring to be worth a dispute.",
)
@click.option("--canary-account", "canaries", multiple=True, help="Key that buys; repeatable.")
@click.option("--canaries-per-day", type=click.FloatRange(min=0.01), default=24.0)
@click.option("--canary-budget", type=click.FloatRange(min=0), default=1.0, help="Tokens a day.")
@click.option("--samples", type=_FOLDER, help="Inputs for canaries: FOLDER/owner/name/*.npz, *.txt")
@network_options
@output_options
def run(output: Output, settings: Config, **options: Any) -> None:
    """Watch receipts until interrupted; the configured account pays bonds and is paid awards."""
    from aivm import log
    from aivm.market.network import open_account

    log.configure(settings.log_level, style=settings.log_style)
    if options["engine"] == options["second_engine"]:
        raise BadInput("the second engine is there to differ from the first")
    for name in ("floor", "least_award", "canaries_per_day", "canary_budget"):
        if not math.isfinite(options[name]):
            raise BadInput(f"--{name.replace('_', '-')} must be a number")
    account = open_account(settings, ask_password)
    buyers = [open_account(replace(settings, account=name)) for name in options["canaries"]]
    if account.address in {buyer.address for buyer in buyers}:
        raise NotAllowed(
            "the verifier's own account cannot buy canaries: everybody knows it from its disputes"
        )
    asyncio.run(_run(output, settings, account, buyers, options))


async def _run(
    output: Output, settings: Config, account: Any, buyers: list[Any], options: dict[str, Any]
) -> None:
    from aivm.verifier.canaries import CanaryPlan
    from aivm.verifier.intake import Budget
    from aivm.verifier.node import NodeOptions, run_verifier
    from aivm.verifier.policy import Policy

    node_options = NodeOptions(
        host=options["host"],
        port=options["port"],
        operator_port=options["operator_port"],
        behind_proxy=options["behind_proxy"],
        inbox=options["inbox"],
        engines=(options["engine"], options["second_engine"]),
        threads=options["threads"],
        least_award=_base_units(options["least_award"]),
        policy=Policy(floor=options["floor"]),
        budget=Budget(options["gas_per_hour"]),
        canary_accounts=tuple(buyers),
        canaries=CanaryPlan(
            per_day=options["canaries_per_day"],
            price_per_day=_base_units(options["canary_budget"]),
            samples=options["samples"],
        ),
    )
    stop = asyncio.Event()
    on_stop(stop.set)  # what is begun stands in the book; a move that is being sent is waited for
    async with run_verifier(settings, account, node_options) as node:
        document = {"ok": True, "url": node.url, "operator_url": node.operator_url}
        text = f"watching with {account.address} at {node.url}, for you at {node.operator_url}"
        output.data(text, document, brief=node.url)
        await stop.wait()


@verifier.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--published", help="CID of a safetensors file with the inputs, in their place.")
@click.option("--complain", is_flag=True, help="Sign as the job's client that you doubt it.")
@click.option("--verifier", "url", help="URL of the verifier, in place of the configured one.")
@network_options
@output_options
def submit(
    output: Output,
    receipt: Path,
    sources: tuple[str, ...],
    published: str | None,
    complain: bool,
    url: str | None,
    settings: Config,
) -> None:
    """Send RECEIPT with its inputs to a verifier, which may re-execute and dispute it."""
    from aivm.market.network import open_account
    from aivm.receipts import parse_receipt
    from aivm.verifier import complaint as complaints
    from aivm.verifier.remote import RemoteVerifier
    from aivm.verifier.submission import encode_submission

    if not receipt.is_file():
        raise NotFound(f"no file {receipt}")
    signed = parse_receipt(receipt.read_bytes())
    if signed.signature is None:
        raise BadInput("a local receipt is nobody's claim: there is nothing to dispute")
    if bool(sources) == (published is not None):
        raise BadInput("give the inputs either as --input or as --published")
    complaint = None
    if complain:
        complaint = complaints.complain(signed, open_account(settings, ask_password))
    body, headers = encode_submission(
        signed, read_inputs(sources), complaint=complaint, published=published
    )

    async def work() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            remote = RemoteVerifier(session, url or settings.verifier_url)
            return await remote.submit(body, headers)

    with output.working("submitting"):
        document = asyncio.run(work())
    job = document["job"]
    output.data(f"job {job}: {document['state']}", {"ok": True, **document}, brief=job)


@verifier.command()
@click.option("--verifier", "url", help="The operator's URL, in place of the configured one.")
@output_options
def status(output: Output, url: str | None) -> None:
    """What your verifier has seen, checked, disputed and won; its budget and its money."""
    from aivm.verifier.remote import RemoteVerifier

    settings = config.load()

    async def work() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            return await RemoteVerifier(session, url or settings.verifier_operator_url).status()

    document = asyncio.run(work())
    output.data(_status_table(document), document, brief=str(document["won"]))


def _status_table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {name: str(found[name]) for name in ("seen", "checked", "disputed", "won", "reported")}
    waiting = sum(found["receipts"][state] for state in ("due", "suspect"))
    rows |= {"waiting": str(waiting), "unchecked": str(found["receipts"]["unchecked"])}
    rows["gas of the hour"] = f"{found['gas_spent']:,} of {found['gas_budget']:,}"
    rows["awards"] = _tokens(found["awarded"])
    rows["canaries today"] = _tokens(found["canaries_today"])
    rows["balance"] = _tokens(found["balance"])
    rows["credit of disputes"] = _tokens(found["credit"])
    rows["a bond"] = _tokens(found["bond"])
    rows["account"] = found["account"]
    if found["chain"] != "ok":
        rows["chain"] = found["chain"]
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _tokens(amount: str | None) -> str:
    return "unknown" if amount is None else f"{int(amount) / UNIT:,.6f} AIVM"


def _base_units(tokens: float) -> int:
    return round(tokens * UNIT)
