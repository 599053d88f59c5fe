"""`aivm push`: a package's blocks to storage, its model id to the registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import click

from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.errors import NotFound


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option(
    "--royalty-bps",
    type=click.IntRange(0, 3000),
    default=0,
    show_default=True,
    help="The publisher's share of each payment; 100 are 1 %.",
)
@network_options
@output_options
def push(output: Output, package: Path, royalty_bps: int, settings: Config) -> None:
    """Publish the package in folder PACKAGE under the name in its manifest."""
    from aivm.market.network import connect_chain, open_account
    from aivm.market.publish import Published, publish
    from aivm.packages import open_package

    opened = open_package(package)
    account = open_account(settings, ask_password)
    if settings.storage_token_file is None or not settings.storage_token_file.is_file():
        raise NotFound("no upload token for the storage", hint="Set AIVM_STORAGE_TOKEN_FILE.")
    token = settings.storage_token_file.read_text().strip()

    async def work() -> Published:
        async with connect_chain(settings) as chain, aiohttp.ClientSession() as session:
            with output.transfer("uploading") as progress:
                return await publish(
                    chain,
                    session,
                    account,
                    settings.storage_url,
                    opened,
                    token=token,
                    royalty_bps=royalty_bps,
                    progress=progress,
                )

    published = asyncio.run(work())
    manifest = opened.manifest
    document = {
        "ok": True,
        "model": published.model.hex(),
        "name": manifest.name,
        "version": manifest.version,
        "uri": f"ipfs://{published.root}",
        "transaction": published.transaction,
    }
    output.data(
        f"published {manifest.name}:{manifest.version}\nmodel {published.model.hex()}\n"
        f"ipfs://{published.root}",
        document,
        brief=published.model.hex(),
    )
    output.hint(f"aivm show {manifest.name}")
