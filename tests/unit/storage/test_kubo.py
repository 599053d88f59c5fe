"""A Kubo node's RPC as its clients know it, and the ways in which it says no."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedBlock, NotAllowed, NotFound, StorageUnreachable, TamperedContent
from aivm.storage import BlockStore
from aivm.storage.car import read_car
from aivm.storage.kubo import KuboNode


class FakeKubo:
    """Answers in the shapes of Kubo 0.43; `said` replaces the answer to an import."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}
        self.pins: set[str] = set()
        self.said: Any = None
        self.token: str | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 28, middlewares=[self._authorised])
        for name in ("version", "dag/import", "block/get", "pin/ls", "pin/rm"):
            app.router.add_post(f"/api/v0/{name}", getattr(self, "_" + name.replace("/", "_")))
        return app

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=403, text="403 - Forbidden")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"Version": "0.43.1", "Commit": "", "Repo": "16"})

    async def _dag_import(self, request: web.Request) -> web.Response:
        assert request.query["pin-roots"] == "true"
        part: Any = await (await request.multipart()).next()
        assert part.name == "file"
        data = bytes(await part.read())
        if self.said is not None:
            return web.Response(text=self.said)
        length = data[0]
        root = Cid.decode(data[1:][length - 9 - 36 : length - 9])
        for cid, block in read_car(io.BytesIO(data), root):
            self.blocks[str(cid)] = block
        self.pins.add(str(root))
        line = {"Root": {"Cid": {"/": str(root)}, "PinErrorMsg": ""}}
        return web.Response(text=json.dumps(line) + "\n")

    async def _block_get(self, request: web.Request) -> web.Response:
        block = self.blocks.get(request.query["arg"])
        return web.Response(body=block) if block is not None else _refusal("block was not found")

    async def _pin_ls(self, request: web.Request) -> web.Response:
        root = request.query["arg"]
        if root not in self.pins:
            return _refusal(f"path '{root}' is not pinned")
        return web.json_response({"Keys": {root: {"Type": "recursive"}}})

    async def _pin_rm(self, request: web.Request) -> web.Response:
        root = request.query["arg"]
        if root not in self.pins:
            return _refusal("not pinned or pinned indirectly")
        self.pins.remove(root)
        return web.json_response({"Pins": [root]})


def _refusal(message: str) -> web.Response:
    return web.json_response({"Message": message, "Code": 0, "Type": "error"}, status=500)


@pytest.fixture
def root(store: BlockStore, tree: Path) -> Cid:
    return store.add_directory(tree, copy=True).cid


async def test_a_tree_is_imported_pinned_read_and_forgotten(
    serve: Any, store: BlockStore, root: Cid
) -> None:
    fake, seen = FakeKubo(), []
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        node = KuboNode(session, url)
        assert await node.version() == "0.43.1"
        assert not await node.is_pinned(root)
        await node.import_tree(store, root, lambda done, total: seen.append((done, total)))
        assert await node.is_pinned(root)
        assert seen[-1][0] == seen[-1][1] > 7 << 20
        assert await node.block(root) == store.get(root)
        with pytest.raises(NotFound):
            await node.block(Cid(Codec.RAW, bytes(32)))
        fake.blocks[str(root)] += b"x"
        with pytest.raises(TamperedContent):
            await node.block(root)
        await node.unpin(root)
        with pytest.raises(NotFound):
            await node.unpin(root)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ('{"Root": {"Cid": {"/": "%s"}, "PinErrorMsg": "no space"}}\n', MalformedBlock, "no space"),
        ('{"Root": {"Cid": {"/": "bafkqaaa"}, "PinErrorMsg": ""}}\n', MalformedBlock, "bafkqaaa"),
        ('{"Stats": {"BlockCount": 3}}\n', MalformedBlock, "acknowledges"),
        ('{"Message": "gone", "Code": 0, "Type": "error"}\n', MalformedBlock, "gone"),
        ("<html>", StorageUnreachable, "JSON"),
        ("[" * 100_000, StorageUnreachable, "JSON"),
    ],
)
async def test_an_import_that_was_not_pinned_is_no_success(
    serve: Any, store: BlockStore, root: Cid, said: str, kind: type[Exception], words: str
) -> None:
    fake = FakeKubo()
    fake.said = said.replace("%s", str(root))
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(kind, match=words):
            await KuboNode(session, url).import_tree(store, root)


async def test_a_token_and_a_node_that_is_not_there(
    serve: Any, store: BlockStore, root: Cid
) -> None:
    fake = FakeKubo()
    fake.token = "secret"
    url = await serve(fake.app())
    async with aiohttp.ClientSession() as session:
        assert await KuboNode(session, url, "secret").version() == "0.43.1"
        with pytest.raises(NotAllowed):
            await KuboNode(session, url).version()
        with pytest.raises(StorageUnreachable, match="does not answer"):
            await KuboNode(session, "http://127.0.0.1:1").import_tree(store, root)
