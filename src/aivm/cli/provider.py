"""`aivm provider`: register on chain with a stake, and serve."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

import click

from aivm.cli import provider_status
from aivm.cli.options import ask_password, engine_option, network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config

UNIT = 10**18


@click.group()
def provider() -> None:
    """Serve models and be paid for it."""


provider.add_command(provider_status.status)


@provider.command()
@click.option("--hot-key", required=True, help="Address of the key that will sign receipts.")
@click.option("--endpoint", required=True, help="Public base URL of the provider's API.")
@click.option("--stake", type=int, required=True, help="Whole tokens to stake.")
@network_options
@output_options
def register(output: Output, hot_key: str, endpoint: str, stake: int, settings: Config) -> None:
    """Register this account as a provider and stake tokens behind its receipts."""
    from aivm.market.network import connect_chain, open_account

    async def work() -> dict[str, Any]:
        owner = open_account(settings, ask_password)
        async with connect_chain(settings) as chain:
            await chain.staking.register_provider(owner, hot_key=hot_key, endpoint=endpoint)
            await chain.token.ensure_allowance(owner, chain.staking.address, stake * UNIT)
            await chain.staking.stake(owner, stake * UNIT)
        return {"ok": True, "provider": owner.address, "staked": str(stake * UNIT)}

    with output.working("registering on chain"):
        document = asyncio.run(work())
    output.data(
        f"registered {document['provider']} with a stake of {stake} AIVM",
        document,
        brief=document["provider"],
    )
    output.hint(f"aivm provider serve --owner {document['provider']} --model owner/name")


@provider.command()
@click.option("--owner", required=True, help="The provider's registered owner address.")
@click.option("--model", "models", multiple=True, required=True, help="owner/name; repeatable.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8710, show_default=True, help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--price-per-gas", type=int, help="Token base units per gas unit.")
@click.option("--settle-seconds", type=float, help="How often channels are looked at.")
@click.option(
    "--max-gas-price",
    type=click.FloatRange(0, min_open=True),
    default=1000.0,
    show_default=True,
    help="The most that is offered for a unit of gas, in gwei.",
)
@click.option(
    "--former-key",
    "former_keys",
    multiple=True,
    help="Name of a key that was the hot key before: its receipts are defended too; repeatable.",
)
@click.option("--worker-module", default="aivm.workers.worker", hidden=True)
@engine_option
@network_options
@output_options
def serve(output: Output, settings: Config, **options: Any) -> None:
    """Serve models until interrupted; the configured account is the hot key."""
    from aivm import log
    from aivm.market.network import open_account

    log.configure(settings.log_level, style=settings.log_style)
    hot_key = open_account(settings, ask_password)
    former = [open_account(settings, ask_password, name=name) for name in options["former_keys"]]
    asyncio.run(_serve(output, settings, hot_key, {**options, "former_keys": tuple(former)}))


async def _serve(output: Output, settings: Config, hot_key: Any, options: dict[str, Any]) -> None:
    from aivm.chain.fees import GWEI
    from aivm.provider.admission import Terms
    from aivm.provider.defence import DefencePolicy
    from aivm.provider.node import NodeOptions, run_node
    from aivm.provider.settlement import SettlementPolicy

    terms, policy = Terms(), SettlementPolicy()
    if options["price_per_gas"] is not None:
        terms = Terms(price_per_gas=options["price_per_gas"])
    if options["settle_seconds"] is not None:
        policy = SettlementPolicy(poll_seconds=options["settle_seconds"])
    node_options = NodeOptions(
        owner=options["owner"],
        models=options["models"],
        host=options["host"],
        port=options["port"],
        engine=options["engine"],
        workers=options["workers"],
        threads=options["threads"],
        terms=terms,
        settlement=policy,
        defence=DefencePolicy(
            max_gas_price=int(options["max_gas_price"] * GWEI),
            former_keys=options["former_keys"],
        ),
        worker_module=options["worker_module"],
    )
    stop = asyncio.Event()
    on_stop(stop.set)  # drain instead of dying
    async with run_node(settings, hot_key, node_options) as node:
        output.data(f"serving at {node.url}", {"ok": True, "url": node.url}, brief=node.url)
        await stop.wait()


def on_stop(act: Callable[[], object]) -> None:
    """What SIGINT and SIGTERM do from now on, in place of ending the process at once."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, act)
