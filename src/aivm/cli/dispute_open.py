"""`aivm dispute open`: doubt a receipt, and play until it is decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aivm.cli.options import (
    ask_password,
    engine_option,
    network_options,
    output_options,
    threads_option,
)
from aivm.cli.output import Output
from aivm.cli.provider import on_stop
from aivm.cli.tensors import Array, is_here, read_inputs
from aivm.config import Config
from aivm.errors import AivmError, BadInput, NotFound, VerificationError

if TYPE_CHECKING:
    from aivm.chain.account import Account
    from aivm.chain.cases import Case
    from aivm.chain.client import Chain
    from aivm.litigation.conductor import Conductor
    from aivm.litigation.seats import Brief
    from aivm.packages import Package
    from aivm.receipts import SignedReceipt

TRACE_DEADLINE_SECONDS = 600.0
_INTERRUPTED = 130
_TOKEN = 10**18


@click.command("open")
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--input", "sources", multiple=True, help="FILE.npz, or NAME=FILE.npy; repeatable.")
@click.option("--model", help="The package's folder or owner/name; by default the receipt's model.")
@click.option(
    "--max-gas-price",
    type=click.FloatRange(0, min_open=True),
    default=1000.0,
    show_default=True,
    help="The most that is offered for a unit of gas, in gwei.",
)
@engine_option
@threads_option
@network_options
@output_options
def open_dispute(output: Output, receipt: Path, sources: tuple[str, ...], **options: Any) -> int:
    """Doubt RECEIPT, a provider's claim about the inputs, and play until it is decided.

    The job is run again first: a receipt that is right is not disputed. The configured account puts
    up the bond and pays the gas; nothing else should send from it meanwhile. Interrupted or killed,
    the same command goes on with the game, until the time of this side is over.

    Exit status 0: the receipt is convicted (also where another's game did it: then the bond comes
    home). 3: it was not, and the bond is lost; with an error in place of a dispute, signature or
    package are not genuine, and no money moved. 2, 4, 5: refused before any money moved. 130:
    interrupted, the game is open.
    """
    from aivm.receipts import parse_receipt

    if not receipt.is_file():
        raise NotFound(f"no file {receipt}")
    if not sources:
        raise BadInput("a dispute needs the job's inputs", hint="Give them with --input FILE.npz")
    signed, inputs = parse_receipt(receipt.read_bytes()), read_inputs(sources)
    case = asyncio.run(_played(output, signed, inputs, options))
    if case is None:
        return _INTERRUPTED
    _show(output, case)
    return 0 if _is_won(case) else VerificationError.exit_status


async def _played(
    output: Output, signed: SignedReceipt, inputs: dict[str, Array], options: dict[str, Any]
) -> Case | None:
    """The game as it ended; None if somebody has stopped the command before that."""
    from aivm.chain.fees import GWEI
    from aivm.litigation.conductor import litigation_policy, playing
    from aivm.litigation.execution import demand_disputable
    from aivm.litigation.opening import demand_claim_here
    from aivm.litigation.seats import Brief
    from aivm.market.network import connect_chain, open_account

    settings: Config = options["settings"]
    account = open_account(settings, ask_password)
    policy = litigation_policy(int(options["max_gas_price"] * GWEI))
    async with connect_chain(settings, policy) as chain:
        demand_claim_here(chain, signed)
        demand_disputable(signed)  # before a package is fetched in vain
        package = await _package(chain, settings, signed, options["model"], output)
        brief = Brief(package, inputs)
        async with _conductor(chain, account, signed, brief, options, output) as conductor:
            stop = asyncio.Event()
            on_stop(stop.set)
            async with playing(conductor):
                ending = asyncio.create_task(_to_the_end(conductor, signed, brief))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if ending.done():
                    case = await ending
                    await _collect(chain, account, case, output)
                    return case
                ending.cancel()
            _say_what_is_left(output, conductor)
    return None


async def _collect(chain: Chain, account: Account, case: Case, output: Output) -> None:
    """What the game has brought is fetched at once; it can be fetched later too."""
    from aivm.litigation.collecting import compensate_client, withdraw_credit

    try:
        share = await compensate_client(chain, account, case.receipt)
        credit = await withdraw_credit(chain, account)
    except AivmError as error:
        output.note(f"what the dispute brought is still in the contract: {error.message}")
        output.hint("aivm dispute collect")
        return
    if share:
        output.note(f"the client {case.receipt.client} is paid {share / _TOKEN:g} AIVM")
    if credit:
        output.note(f"{credit / _TOKEN:g} AIVM are paid to {account.address}")


async def _to_the_end(conductor: Conductor, signed: SignedReceipt, brief: Brief) -> Case:
    while True:
        game = await conductor.open(signed, brief.package, brief.inputs)
        try:
            return await conductor.ended(game)
        except NotFound:  # a reorganisation has taken back the opening
            continue


@asynccontextmanager
async def _conductor(
    chain: Chain,
    account: Account,
    signed: SignedReceipt,
    brief: Brief,
    options: dict[str, Any],
    output: Output,
) -> AsyncIterator[Conductor]:
    """A conductor that knows one receipt, and its worker."""
    from aivm.chain.cases import Side
    from aivm.chain.docket import Docket, first_block_since
    from aivm.litigation.conductor import LOOK_BACK_SECONDS, Conductor
    from aivm.receipts import Receipt
    from aivm.workers.pool import WorkerPool

    async def find(receipt: Receipt) -> Brief:
        if receipt != signed.receipt:
            raise NotFound(f"this command knows nothing of job {receipt.job.hex()[:16]}")
        return brief

    workers = WorkerPool(
        engine=options["engine"],
        threads=options["threads"],
        deadline_seconds=TRACE_DEADLINE_SECONDS,
    )
    first = await first_block_since(chain, (await chain.block()).time - LOOK_BACK_SECONDS)
    docket = Docket(chain, first_block=first)
    try:
        yield Conductor(chain, account, Side.CHALLENGER, find, workers, docket, report=output.note)
    finally:
        await workers.stop()


async def _package(
    chain: Chain, settings: Config, signed: SignedReceipt, model: str | None, output: Output
) -> Package:
    import aiohttp

    from aivm.market.models import Models
    from aivm.packages import open_package

    if model is not None and is_here(model):
        return await asyncio.to_thread(open_package, Path(model))
    async with aiohttp.ClientSession() as session:
        models = Models(chain, session, [settings.storage_url], settings.cache_dir / "models")
        with output.transfer("model") as progress:
            return await models.package(model or signed.receipt.model.hex(), progress)


def _say_what_is_left(output: Output, conductor: Conductor) -> None:
    for case in conductor.open_cases:
        output.note(
            f"dispute {case.game.hex()[:8]} is open, and the chain waits for nobody:"
            " give the same command again, or the bond is lost"
        )


def _is_won(case: Case) -> bool:
    from aivm.chain.cases import Status

    return case.status in (Status.CONVICTED, Status.VOIDED)


def _show(output: Output, case: Case) -> None:
    from aivm.chain.case_document import case_document
    from aivm.cli.dispute_picture import Picture

    last = case.entries[-1].sent
    assert last is not None, "an ended game is shown once all of it is known"
    document = {"ok": _is_won(case), "dispute": case_document(case, last.time)}
    output.data(Picture(case, last.time), document, brief=case.status)


@click.command()
@click.argument("receipt", required=False, type=click.Path(path_type=Path))
@network_options
@output_options
def collect(output: Output, receipt: Path | None, settings: Config) -> None:
    """Fetch what disputes have brought to the configured account.

    That is a challenger's bonds that came home, and awards. With RECEIPT, which must be convicted,
    its client is paid too, whoever runs the command.
    """
    from aivm.litigation.collecting import compensate_client, demand_convicted, withdraw_credit
    from aivm.litigation.opening import demand_claim_here
    from aivm.market.network import connect_chain, open_account
    from aivm.receipts import parse_receipt

    if receipt is not None and not receipt.is_file():
        raise NotFound(f"no file {receipt}")
    signed = None if receipt is None else parse_receipt(receipt.read_bytes())

    async def work() -> tuple[int, int]:
        account = open_account(settings, ask_password)
        async with connect_chain(settings) as chain:
            share = 0
            if signed is not None:
                demand_claim_here(chain, signed)
                await demand_convicted(chain, signed.receipt)
                share = await compensate_client(chain, account, signed.receipt)
            return await withdraw_credit(chain, account), share

    credit, share = asyncio.run(work())
    output.data(
        f"{credit / _TOKEN:g} AIVM are paid to you, {share / _TOKEN:g} to the receipt's client",
        {"ok": True, "collected": str(credit), "client": str(share)},
        brief=str(credit),
    )
