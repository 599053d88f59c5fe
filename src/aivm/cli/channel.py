"""`aivm channel`: the payment channels of this account, and getting their rest back."""

from __future__ import annotations

import asyncio
from typing import Any

import click
from rich.table import Table

from aivm.chain.escrow import ChannelStatus
from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.market.buyer import Buyer
from aivm.market.network import open_account


@click.group()
def channel() -> None:
    """See and close the channels that pay providers."""


@channel.command("ls")
@network_options
@output_options
def list_channels(output: Output, settings: Config) -> None:
    """List this account's channels that are not closed."""
    rows = asyncio.run(_states(settings))
    table = Table(box=None, pad_edge=False)
    for heading in ("channel", "provider", "status", "deposit", "promised", "redeemed"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            row["channel"][:16],
            row["provider"],
            row["status"],
            row["deposit"],
            row["promised"],
            row["redeemed"],
        )
    output.data(
        table, {"ok": True, "channels": rows}, brief="\n".join(row["channel"] for row in rows)
    )


@channel.command()
@network_options
@output_options
def close(output: Output, settings: Config) -> None:
    """Ask to close every channel; the rest can be refunded after the challenge period."""

    async def work() -> list[str]:
        account = open_account(settings, ask_password)
        async with Buyer.connect(settings, account) as buyer:
            return [found.channel.hex() for found in await buyer.request_close()]

    closing = asyncio.run(work())
    output.data(
        f"{len(closing)} channels are closing", {"ok": True, "closing": closing},
        brief="\n".join(closing),
    )  # fmt: skip
    output.hint("aivm channel refund   (after the challenge period)")


@channel.command()
@network_options
@output_options
def refund(output: Output, settings: Config) -> None:
    """Take back what is left in channels whose challenge period is over."""

    async def work() -> dict[str, str]:
        account = open_account(settings, ask_password)
        async with Buyer.connect(settings, account) as buyer:
            refunds = {}
            now = (await buyer.chain.block()).time
            for found, state in await buyer.channels():
                if state.status is ChannelStatus.CLOSING and now >= state.refundable_at:
                    refunds[found.channel.hex()] = str(await buyer.finalize(found.channel))
            return refunds

    refunds = asyncio.run(work())
    total = sum(map(int, refunds.values()))
    output.data(
        f"{len(refunds)} channels refunded, {total} base units",
        {"ok": True, "refunds": refunds, "total": str(total)},
        brief=str(total),
    )


async def _states(settings: Config) -> list[dict[str, Any]]:
    account = open_account(settings, ask_password)
    async with Buyer.connect(settings, account) as buyer:
        return [
            {
                "channel": found.channel.hex(),
                "provider": found.provider,
                "model": found.model.hex(),
                "status": state.status.name.lower(),
                "deposit": str(state.deposit),
                "promised": str(found.owed),
                "redeemed": str(state.redeemed),
                "refundable_at": state.refundable_at,
            }
            for found, state in await buyer.channels()
        ]
