"""A store with a directory of files in it, and gateways that serve it (or lie)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aivm.storage import BlockStore, create_app

MIB = 1 << 20
TREE = {
    "manifest.json": b'{"name":"demo/tree"}',
    "weights.bin": random.Random(1).randbytes(5 * MIB + 3),
    "programs/main.aivm": random.Random(2).randbytes(2 * MIB),
    "programs/empty": b"",
}

Serve = Callable[[web.Application], Awaitable[str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, content in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    with BlockStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts an application on a free port of the loopback and gives its URL."""
    async with AsyncExitStack() as stack:

        async def start(app: web.Application) -> str:
            server = await stack.enter_async_context(TestServer(app))
            return str(server.make_url("/")).rstrip("/")

        yield start


@pytest.fixture
async def gateway(store: BlockStore, serve: Serve) -> str:
    return await serve(create_app(store))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened
