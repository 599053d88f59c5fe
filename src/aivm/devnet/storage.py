"""The development network's storage node: a block store behind a trustless gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from aivm import host
from aivm.storage.blocks import BlockStore
from aivm.storage.gateway import create_app


@asynccontextmanager
async def run_storage(folder: Path, token_file: Path, port: int = 0) -> AsyncIterator[str]:
    """Serve `folder` on loopback; the token for uploads is written to `token_file`."""
    token = host.random_bytes(16).hex()
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    with BlockStore(folder) as store:
        runner = web.AppRunner(create_app(store, publish_token=token), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
