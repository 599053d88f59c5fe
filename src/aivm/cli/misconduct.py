"""`aivm dispute report` and `summon`: what receipts alone convict, and what providers must show."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.errors import NotFound

if TYPE_CHECKING:
    from aivm.chain.misconduct import Summons
    from aivm.receipts import SignedReceipt

_TOKEN = 10**18


@click.command()
@click.argument("receipts", nargs=-1, required=True, type=click.Path(path_type=Path))
@network_options
@output_options
def report(output: Output, receipts: tuple[Path, ...], settings: Config) -> None:
    """Convict a provider by one or two signed RECEIPTS, without a game.

    Two answers to one job do, and a receipt whose job id is not the hash of its parts. The report
    is announced first and made minutes later, so that nobody can copy it and take the award. If
    that is interrupted, give the same command again.
    """
    from aivm.dispute.misconduct import find_offence
    from aivm.litigation.reporting import make_report
    from aivm.market.network import connect_chain, open_account

    found = find_offence([_read(path) for path in receipts])

    async def work() -> tuple[int, int]:
        account = open_account(settings, ask_password)
        async with connect_chain(settings) as chain:
            before = await chain.token.balance_of(account.address)
            taken = await make_report(chain, account, found, output.note)
            return taken, await chain.token.balance_of(account.address) - before

    with output.working(f"reporting {found.offence}"):
        taken, award = asyncio.run(work())
    claimed = found.evidence[0].receipt
    output.data(
        f"{found.offence}: {claimed.provider} loses {taken / _TOKEN:g} AIVM,"
        f" {award / _TOKEN:g} of them are yours",
        {
            "ok": True,
            "offence": found.offence.value,
            "provider": claimed.provider,
            "job": "0x" + claimed.job.hex(),
            "taken": str(taken),
            "award": str(award),
        },
        brief=str(taken),
    )


@click.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@network_options
@output_options
def summon(output: Output, receipt: Path, settings: Config) -> None:
    """Ask the provider of RECEIPT to show that its client has agreed to the job.

    Where no channel paid for it, to show that the model lists its program. You put up a bond, which
    is lost if the provider shows it in time. Give the same command again to see how it stands, and
    after the deadline to end it.
    """
    from aivm.litigation.reporting import pursue_summons
    from aivm.market.network import connect_chain, open_account

    signed = _read(receipt)

    async def work() -> Summons:
        account = open_account(settings, ask_password)
        async with connect_chain(settings) as chain:
            return await pursue_summons(chain, account, signed)

    with output.working("asking the chain"):
        summons = asyncio.run(work())
    standing = summons.standing.name.lower()
    output.data(_sentence(signed, summons), _document(signed, summons), brief=standing)
    if standing == "summoned":
        output.hint(f"aivm dispute summon {receipt}   (after that time)")


def _read(path: Path) -> SignedReceipt:
    from aivm.receipts import parse_receipt

    if not path.is_file():
        raise NotFound(f"no file {path}")
    return parse_receipt(path.read_bytes())


def _sentence(signed: SignedReceipt, summons: Summons) -> str:
    from aivm.chain.misconduct import Standing
    from aivm.receipts import NO_CHANNEL

    listing = signed.receipt.channel == NO_CHANNEL
    matter = "the model lists the program" if listing else "the client agreed to the job"
    match summons.standing:
        case Standing.SUMMONED:
            until = f"{datetime.fromtimestamp(summons.deadline, UTC):%Y-%m-%d %H:%M:%S} UTC"
            return f"summoned: the provider has until {until} to show that {matter}"
        case Standing.SHOWN:
            return f"shown: {matter}"
        case Standing.CONVICTED:
            return f"convicted: the provider has not shown in time that {matter}"
        case _:
            return "void: the contract may not slash, and the bond went home"


def _document(signed: SignedReceipt, summons: Summons) -> dict[str, Any]:
    from aivm.dispute.misconduct import order_id

    return {
        "ok": True,
        "order": "0x" + order_id(signed.receipt).hex(),
        "provider": signed.receipt.provider,
        "standing": summons.standing.name.lower(),
        "summoner": summons.summoner,
        "deadline": summons.deadline,
    }
