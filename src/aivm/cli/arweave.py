"""`aivm arweave`: a package's manifest and signature where they stay for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aivm import config
from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.errors import BadInput

if TYPE_CHECKING:
    from aivm.chain.account import Account
    from aivm.market.permanent import Preserved, Recovered
    from aivm.packages import Package
    from aivm.storage.arweave.wallet import Wallet

_url_option = click.option(
    "--arweave-url",
    "url",
    default=None,
    help="The Arweave node or gateway; default: the setting arweave_url.",
)


@click.group()
def arweave() -> None:
    """Keep manifests and signatures on Arweave, and get them back.

    \b
    aivm arweave wallet wallet.json
    aivm arweave store ./my-package --wallet wallet.json
    aivm arweave fetch TRANSACTION --out ./recovered
    """


@arweave.command()
@click.argument("path", type=click.Path(path_type=Path))
@output_options
def wallet(output: Output, path: Path) -> None:
    """Create a wallet file at PATH, which pays for storage; prints its address."""
    from aivm.storage.arweave.wallet import Wallet

    made = Wallet.create()
    made.write(path)
    output.data(
        f"{path}: {made.address}", {"ok": True, "address": made.address}, brief=made.address
    )
    output.hint(f"Send AR to {made.address}, then: aivm arweave store PACKAGE --wallet {path}")


@arweave.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--wallet", "path", type=click.Path(path_type=Path), required=True, help="JWK file.")
@_url_option
@network_options
@output_options
def store(output: Output, package: Path, path: Path, url: str | None, settings: Config) -> None:
    """Store manifest and signature of the package in folder PACKAGE, for ever and in public.

    Repeating it after an interruption goes on with the same transaction.
    """
    from aivm.market.network import open_account
    from aivm.packages import open_package
    from aivm.storage.arweave import base64url
    from aivm.storage.arweave.wallet import Wallet

    opened = open_package(package)
    payer = Wallet.read(path)
    account = open_account(settings, ask_password)
    with output.transfer("storing") as progress:
        kept = asyncio.run(_store(settings, url, opened, account, payer, progress))
    names = {
        "transaction": base64url.encode(kept.transaction),
        "manifest": base64url.encode(kept.manifest),
        "signature": base64url.encode(kept.signature),
    }
    document = {"ok": True, "model": opened.model_id.hex(), "uri": f"ar://{names['transaction']}"}
    output.data(
        "\n".join(f"{what:12} {name}" for what, name in names.items()),
        document | names,
        brief=names["transaction"],
    )
    output.hint(f"aivm arweave fetch {names['transaction']} --out recovered")


@arweave.command()
@click.argument("transaction")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@_url_option
@output_options
def fetch(output: Output, transaction: str, out: Path, url: str | None) -> None:
    """Fetch, verify and write the manifest and signature of a TRANSACTION (or ar:// URI)."""
    from aivm.packages.paths import MANIFEST, SIGNATURE
    from aivm.storage.arweave import base64url

    name = base64url.decode_id(transaction.removeprefix("ar://"), "the transaction")
    found = asyncio.run(_fetch(url, name))
    out.mkdir(parents=True, exist_ok=True)
    for file, data in ((MANIFEST, found.manifest), (SIGNATURE, found.envelope)):
        path = out / file
        if path.exists() and path.read_bytes() != data:
            raise BadInput(f"{path} exists and is another one", hint="Choose another folder.")
        path.write_bytes(data)
    manifest = found.parsed
    document = {
        "ok": True,
        "model": found.model.hex(),
        "name": manifest.name,
        "version": manifest.version,
        "publisher": manifest.publisher,
    }
    text = f"{manifest.name}:{manifest.version} by {manifest.publisher}\nmodel {found.model.hex()}"
    output.data(text, document, brief=found.model.hex())
    output.hint(f"aivm pull {found.model.hex()}")


async def _store(
    settings: Config,
    url: str | None,
    package: Package,
    account: Account,
    payer: Wallet,
    progress: Callable[[int, int], object],
) -> Preserved:
    import aiohttp

    from aivm.market.permanent import preserve
    from aivm.storage.arweave.node import ArweaveNode
    from aivm.storage.arweave.upload import Uploads

    uploads = Uploads(settings.state_dir / "arweave.db")
    try:
        async with aiohttp.ClientSession() as session:
            node = ArweaveNode(session, url or settings.arweave_url)
            return await preserve(package, account, node, payer, uploads, progress=progress)
    finally:
        uploads.close()


async def _fetch(url: str | None, name: bytes) -> Recovered:
    import aiohttp

    from aivm.market.permanent import recover
    from aivm.storage.arweave.node import ArweaveNode

    async with aiohttp.ClientSession() as session:
        return await recover(ArweaveNode(session, url or config.load().arweave_url), name)
