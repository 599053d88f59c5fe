"""`aivm storage`: this machine's block store: what it keeps, and serving it to others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.table import Table

from aivm import config
from aivm.cli.options import output_options
from aivm.cli.output import Output
from aivm.cli.provider import on_stop
from aivm.commitments.cid import Cid
from aivm.errors import NotFound
from aivm.packages.package import chunkings_of
from aivm.storage.blocks import BlockStore
from aivm.storage.pins import GRACE_SECONDS, Pins

_store_option = click.option(
    "--store",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the store; default: blocks in the data folder.",
)


@click.group()
def storage() -> None:
    """Keep packages in a block store, and serve them by CID.

    \b
    aivm storage add ./my-package
    aivm storage serve --port 8701
    aivm storage gc
    """


@storage.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--name", default="", help="What the pin is called; default: the path's name.")
@click.option("--copy/--no-copy", default=True, help="Or only refer to the file where it lies.")
@_store_option
@output_options
def add(output: Output, path: Path, name: str, copy: bool, folder: Path | None) -> None:
    """Store and pin the file or folder PATH; prints its CID.

    Without a copy the files must keep place and content, or their blocks are gone.
    """
    with _opened(folder) as (store, pins), output.working("storing"):
        if path.is_dir():
            entry = store.add_directory(path, copy=copy, chunkings=chunkings_of(path))
        else:
            entry = store.add_file(path, copy=copy)
        pins.add(entry.cid, name or path.resolve().name)
    output.data(f"ipfs://{entry.cid}", {"ok": True, "root": str(entry.cid)}, brief=str(entry.cid))


@storage.command()
@_store_option
@output_options
def ls(output: Output, folder: Path | None) -> None:
    """List what is pinned."""
    with _opened(folder) as (_, pins):
        found = pins.all()
    table = Table(box=None, pad_edge=False)
    for heading in ("root", "name"):
        table.add_column(heading, overflow="fold")
    for pin in found:
        table.add_row(str(pin.root), pin.name)
    listed = [{"root": str(p.root), "name": p.name, "created": p.created} for p in found]
    output.data(table, {"ok": True, "pins": listed}, brief="\n".join(str(p.root) for p in found))


@storage.command()
@click.argument("root")
@_store_option
@output_options
def unpin(output: Output, root: str, folder: Path | None) -> None:
    """Let the next `aivm storage gc` drop what only the pin ROOT keeps."""
    with _opened(folder) as (_, pins):
        pins.remove(Cid.parse(root))
    output.data(f"{root} is not kept any more", {"ok": True, "root": root}, brief=root)
    output.hint("aivm storage gc")


@storage.command()
@click.option(
    "--grace",
    type=click.IntRange(0),
    default=GRACE_SECONDS,
    show_default=True,
    help="Seconds within which nothing is dropped: for imports that go on.",
)
@_store_option
@output_options
def gc(output: Output, grace: int, folder: Path | None) -> None:
    """Drop every block that no pin keeps."""
    with _opened(folder) as (_, pins), output.working("collecting"):
        found = pins.collect(grace)
    output.data(
        f"{found.dropped:,} blocks dropped, {found.freed:,} bytes freed, {found.kept:,} kept",
        {"ok": True, "kept": found.kept, "dropped": found.dropped, "freed": found.freed},
        brief=str(found.dropped),
    )


@storage.command()
@click.option("--host", "address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8701, show_default=True)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    default=None,
    help="Take blocks from whoever sends the token in this file; without one from nobody.",
)
@_store_option
@output_options
def serve(
    output: Output, address: str, port: int, token_file: Path | None, folder: Path | None
) -> None:
    """Serve the store as a trustless gateway until interrupted."""
    if token_file is not None and not token_file.is_file():
        raise NotFound(f"no file {token_file}")
    token = None if token_file is None else token_file.read_text().strip()
    with _opened(folder) as (store, _):
        asyncio.run(_serve(output, store, address, port, token))


async def _serve(
    output: Output, store: BlockStore, address: str, port: int, token: str | None
) -> None:
    from aiohttp import web

    from aivm.storage.gateway import create_app

    runner = web.AppRunner(create_app(store, publish_token=token), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        url = "http://{}:{}".format(*runner.addresses[0][:2])
        output.data(f"serving at {url}", {"ok": True, "url": url}, brief=url)
        stop = asyncio.Event()
        on_stop(stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


@contextmanager
def _opened(folder: Path | None) -> Iterator[tuple[BlockStore, Pins]]:
    place = folder or config.load().data_dir / "blocks"
    with BlockStore(place) as store:
        pins = Pins(place, store)
        try:
            yield store, pins
        finally:
            pins.close()
