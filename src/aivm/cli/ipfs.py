"""`aivm ipfs`: packages on IPFS nodes of your own, and at pinning services."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aivm.cli.options import output_options
from aivm.cli.output import Output
from aivm.errors import BadInput

if TYPE_CHECKING:
    import aiohttp

    from aivm.commitments.cid import Cid
    from aivm.storage.blocks import BlockStore
    from aivm.storage.pinning import Pin

Result = TypeVar("Result")

_KUBO = "http://127.0.0.1:5001"
_token_option = click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    default=None,
    help="File with the access token.",
)
_service_option = click.option("--service", required=True, help="The service's API address.")


@click.group()
def ipfs() -> None:
    """Put packages on IPFS nodes and pinning services; CIDs are the same everywhere.

    \b
    aivm ipfs import ./my-package --kubo http://127.0.0.1:5001
    aivm ipfs pin ./my-package --service https://api.example/psa --token-file token
    """


@ipfs.command("import")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--kubo", default=_KUBO, show_default=True, help="The node's RPC address.")
@_token_option
@output_options
def import_(output: Output, package: Path, kubo: str, token_file: Path | None) -> None:
    """Import the package in folder PACKAGE into a Kubo node, and pin it there."""
    from aivm.storage.kubo import KuboNode

    token = None if token_file is None else _token(token_file)

    async def send(session: aiohttp.ClientSession, store: BlockStore, root: Cid) -> bool:
        node = KuboNode(session, kubo, token)
        with output.transfer("importing") as progress:
            await node.import_tree(store, root, progress)
        return await node.is_pinned(root)

    model, root, pinned = _with_blocks(package, send)
    document = {"ok": pinned, "model": model, "uri": f"ipfs://{root}", "pinned": pinned}
    output.data(f"ipfs://{root}", document, brief=str(root))
    output.hint(f"ipfs ls {root}")


@ipfs.command()
@click.argument("package", type=click.Path(path_type=Path))
@_service_option
@_token_option
@click.option("--origin", "origins", multiple=True, help="Multiaddress of a node that has it.")
@click.option("--wait", type=float, default=0.0, help="Seconds to wait until it is kept.")
@output_options
def pin(
    output: Output,
    package: Path,
    service: str,
    token_file: Path | None,
    origins: tuple[str, ...],
    wait: float,
) -> None:
    """Ask a pinning service to keep the package in folder PACKAGE.

    The service fetches it itself: a node that has it must be online (`aivm ipfs import`).
    """
    from aivm.packages import open_package
    from aivm.storage.pinning import PinningService

    manifest = open_package(package).manifest
    token = _token(token_file)

    async def ask(session: aiohttp.ClientSession, _: BlockStore, root: Cid) -> Pin:
        there = PinningService(session, service, token)
        name = f"{manifest.name}:{manifest.version}"
        found = await there.add(root, name, origins=origins)
        return await there.wait(found, wait) if wait else found

    model, root, found = _with_blocks(package, ask)
    document = {
        "ok": True,
        "model": model,
        "uri": f"ipfs://{root}",
        "request": found.request,
        "state": found.state,
        "delegates": list(found.delegates),
    }
    output.data(
        f"{found.state}: ipfs://{root} (request {found.request})", document, brief=found.request
    )


def _with_blocks(
    package: Path,
    work: Callable[[aiohttp.ClientSession, BlockStore, Cid], Awaitable[Result]],
) -> tuple[str, Cid, Result]:
    """Open and verify a package, build its blocks, and do `work` with them."""
    import aiohttp

    from aivm.packages import open_package
    from aivm.storage.blocks import BlockStore

    opened = open_package(package)

    async def run(store: BlockStore, root: Cid) -> Result:
        async with aiohttp.ClientSession() as session:
            return await work(session, store, root)

    with (
        tempfile.TemporaryDirectory(prefix="aivm-ipfs-") as scratch,
        BlockStore(Path(scratch)) as store,
    ):
        root = store.add_directory(package, copy=False, chunkings=opened.manifest.chunkings).cid
        result: Any = asyncio.run(run(store, root))
    return opened.model_id.hex(), root, result


def _token(path: Path | None) -> str:
    if path is None:
        raise BadInput("a pinning service wants a token", hint="Give --token-file.")
    return path.read_text().strip()
