"""`aivm devnet`: the same network as the demo's, kept up for playing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import click
from rich.table import Table

from aivm import config as settings
from aivm.cli.options import output_options
from aivm.cli.output import Output
from aivm.cli.provider import on_stop
from aivm.config import Config
from aivm.devnet.network import Options, run_devnet
from aivm.devnet.profile import claim_folder, write_profile


@click.command()
@click.option("--providers", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--cheats", type=click.IntRange(0, 4), default=1, show_default=True)
@output_options
def devnet(output: Output, providers: int, cheats: int) -> None:
    """Keep a network up on this machine; other terminals use it until it is interrupted.

    While it runs, its endpoints and a funded client account are the defaults of every command.
    """
    options = Options(honest=providers, cheats=cheats)
    try:
        asyncio.run(_keep_up(output, settings.load(), options))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _keep_up(output: Output, config: Config, options: Options) -> None:
    with claim_folder(config.state_dir / "devnet") as folder:
        await _run(output, config, options, folder)


async def _run(output: Output, config: Config, options: Options, folder: Path) -> None:
    starting = asyncio.current_task()
    assert starting is not None
    on_stop(starting.cancel)  # whoever interrupts the start does not want to wait for its end
    shutil.rmtree(folder / "network", ignore_errors=True)

    def report(text: str) -> None:
        output.note(f"[dim]·[/dim] {text}")

    async with run_devnet(folder / "network", config.cache_dir, options, report) as network:
        stop = asyncio.Event()
        on_stop(stop.set)
        endpoints = network.endpoints()
        with write_profile(folder, network.config):
            table = Table(box=None, pad_edge=False, show_header=False)
            table.add_column()
            table.add_column(overflow="fold")
            for name, value in endpoints.items():
                text = "\n".join(value) if isinstance(value, list) else str(value)
                table.add_row(name, text)
            output.data(table, endpoints)
            output.hint('aivm run demo/minilm --text "a sentence" --audit   (another terminal)')
            await stop.wait()
        output.note("stopping: providers finish and redeem")
