"""Storing and reading through a node: one that keeps the protocol, and ones that lie or die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from hashlib import shake_256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from aivm.chain.account import Account
from aivm.errors import (
    AivmError,
    BadInput,
    BadSignature,
    InsufficientFunds,
    MalformedBlock,
    NotFound,
    StorageUnreachable,
    TamperedContent,
    TooLarge,
)
from aivm.storage.arweave import base64url
from aivm.storage.arweave.chunks import verify_chunk
from aivm.storage.arweave.items import parse_item, sign_item
from aivm.storage.arweave.node import ArweaveNode
from aivm.storage.arweave.upload import Uploads
from aivm.storage.arweave.wallet import Wallet

DATA = shake_256(b"data").digest(600 * 1024)


class FakeNode:
    """A node that checks what it is sent, as the network's nodes do (and arlocal does not)."""

    def __init__(self) -> None:
        self.transactions: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytearray] = {}
        self.items: list[bytes] = []
        self.balance = 10**12
        self.fail: Callable[[web.Request], web.Response | None] = lambda _request: None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 24)
        app.add_routes(
            [
                web.get("/tx_anchor", self._text(base64url.encode(b"a" * 48))),
                web.get("/price/{size}", self._text("1000")),
                web.get("/wallet/{address}/balance", self._balance),
                web.post("/tx", self._submit),
                web.post("/chunk", self._chunk),
                web.post("/v1/tx", self._item),
                web.get("/tx/{id}/status", self._status),
                web.get("/tx/{id}", self._transaction),
                web.get("/raw/{id}", self._raw),
            ]
        )
        return app

    def _text(self, text: str) -> Callable[[web.Request], Any]:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=text)

        return answer

    async def _balance(self, _: web.Request) -> web.Response:
        return web.Response(text=str(self.balance))

    async def _submit(self, request: web.Request) -> web.Response:
        if failed := self.fail(request):
            return failed
        document = await request.json()
        if document["id"] in self.transactions:
            return web.Response(status=208)
        self.transactions[document["id"]] = document
        self.data[document["id"]] = bytearray()
        return web.Response(text="OK")

    async def _chunk(self, request: web.Request) -> web.Response:
        if failed := self.fail(request):
            return failed
        fields = await request.json()
        piece = base64url.decode(fields["chunk"], "chunk")
        root = base64url.decode_id(fields["data_root"], "root")
        proof = base64url.decode(fields["data_path"], "proof")
        place = verify_chunk(root, int(fields["data_size"]), proof, piece)
        assert place is not None and int(fields["offset"]) == place[1] - 1
        (name,) = (
            i for i, tx in self.transactions.items() if tx["data_root"] == fields["data_root"]
        )
        self.data[name][place[0] : place[1]] = piece
        return web.Response(text="OK")

    async def _item(self, request: web.Request) -> web.Response:
        if failed := self.fail(request):
            return failed
        self.items.append(await request.read())
        return web.json_response({"id": base64url.encode(parse_item(self.items[-1]).id)})

    async def _status(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self.transactions:
            return web.Response(status=404, text="Not Found.")
        return web.json_response({"block_height": 7, "number_of_confirmations": 2})

    async def _transaction(self, request: web.Request) -> web.Response:
        found = self.transactions.get(request.match_info["id"])
        return web.json_response(found) if found else web.Response(status=404)

    async def _raw(self, request: web.Request) -> web.Response:
        return web.Response(body=bytes(self.data[request.match_info["id"]]))


@pytest.fixture(scope="module")
def wallet(tmp_path_factory: pytest.TempPathFactory) -> Wallet:
    path = tmp_path_factory.mktemp("wallet") / "wallet.json"
    Wallet.create().write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    return Wallet.read(path)


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[tuple[FakeNode, ArweaveNode]]:
    fake = FakeNode()
    runner = web.AppRunner(fake.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield fake, ArweaveNode(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep

    async def brief(_: float) -> None:
        await sleep(0)

    monkeypatch.setattr("aivm.storage.arweave.node.asyncio.sleep", brief)


async def test_what_is_stored_is_read_back_verified(
    fake: Any, wallet: Wallet, tmp_path: Path
) -> None:
    node = fake[1]
    uploads = Uploads(tmp_path / "uploads.db")
    seen: list[int] = []
    stored = await uploads.store(
        node, wallet, DATA, [(b"App-Name", b"AIVM")], lambda done, _: seen.append(done)
    )
    assert seen[-1] == len(DATA) and seen == sorted(seen)
    assert await node.read(stored.id) == (stored, DATA)
    assert (await node.status(stored.id)).confirmations == 2
    assert await uploads.store(node, wallet, DATA, []) == stored
    assert len(fake[0].transactions) == 1
    uploads.close()


async def test_an_upload_goes_on_after_a_death_with_the_same_transaction(
    fake: Any, wallet: Wallet, tmp_path: Path
) -> None:
    network, node = fake
    sent = 0

    def second_chunk(request: web.Request) -> web.Response | None:
        nonlocal sent
        sent += request.path == "/chunk"
        return web.Response(status=400, text="killed") if sent == 2 else None

    network.fail = second_chunk
    first = Uploads(tmp_path / "uploads.db")
    with pytest.raises(MalformedBlock, match="killed"):
        await first.store(node, wallet, DATA, [])
    first.close()
    again = Uploads(tmp_path / "uploads.db")
    stored = await again.store(node, wallet, DATA, [])
    assert [*network.transactions] == [base64url.encode(stored.id)]
    assert (await node.read(stored.id))[1] == DATA
    assert sent == 4  # three chunks, one of them twice
    again.close()


async def test_without_money_nothing_is_sent(fake: Any, wallet: Wallet, tmp_path: Path) -> None:
    fake[0].balance = 999
    uploads = Uploads(tmp_path / "uploads.db")
    with pytest.raises(InsufficientFunds, match="999"):
        await uploads.store(fake[1], wallet, DATA, [])
    with pytest.raises(TooLarge):
        await uploads.store(fake[1], wallet, b"", [])
    assert not fake[0].transactions
    uploads.close()


async def test_other_data_than_the_transactions_is_caught(
    fake: Any, wallet: Wallet, tmp_path: Path
) -> None:
    network, node = fake
    uploads = Uploads(tmp_path / "uploads.db")
    stored = await uploads.store(node, wallet, DATA, [])
    uploads.close()
    name = base64url.encode(stored.id)
    network.data[name][5] ^= 1
    with pytest.raises(TamperedContent):
        await node.read(stored.id)
    network.data[name] += b"x"
    with pytest.raises(TooLarge):
        await node.read(stored.id)
    with pytest.raises(NotFound):
        await node.read(bytes(32))


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("reward", "1001", BadSignature),
        ("data_size", "614401", BadSignature),
        ("data_root", base64url.encode(bytes(32)), BadSignature),
        ("last_tx", "", BadSignature),
        ("tags", [], BadSignature),
        ("owner", base64url.encode(bytes(512)), BadSignature),
        ("signature", base64url.encode(bytes(512)), TamperedContent),
        ("format", 1, MalformedBlock),
        ("quantity", "5", MalformedBlock),
        ("reward", "-1", MalformedBlock),
        ("data_root", 7, MalformedBlock),
    ],
)
async def test_a_transaction_that_was_touched_is_refused(
    fake: Any, wallet: Wallet, tmp_path: Path, field: str, value: object, kind: type[AivmError]
) -> None:
    network, node = fake
    uploads = Uploads(tmp_path / "uploads.db")
    stored = await uploads.store(node, wallet, DATA, [(b"a", b"b")])
    uploads.close()
    network.transactions[base64url.encode(stored.id)][field] = value
    with pytest.raises(kind):
        await node.read(stored.id)


async def test_a_bundler_that_acknowledges_another_item_is_caught(fake: Any) -> None:
    network, node = fake
    signer = Account(b"\x05" * 32)
    item = sign_item(b"manifest", [(b"Content-Type", b"application/json")], signer)
    await node.send_item(item)
    assert parse_item(network.items[0]) == item
    network.fail = lambda _request: web.json_response({"id": base64url.encode(bytes(32))})
    with pytest.raises(MalformedBlock):
        await node.send_item(item)
    network.fail = lambda _request: web.Response(status=402)
    with pytest.raises(InsufficientFunds):
        await node.send_item(item)


async def test_a_node_that_stays_away_is_named(fake: Any, wallet: Wallet, tmp_path: Path) -> None:
    network, node = fake
    network.fail = lambda _request: web.Response(status=503)
    uploads = Uploads(tmp_path / "uploads.db")
    with pytest.raises(StorageUnreachable, match="503"):
        await uploads.store(node, wallet, DATA, [])
    uploads.close()


def test_a_file_that_is_no_wallet_is_refused_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    with pytest.raises(NotFound):
        Wallet.read(path)
    for text in ("{", "[]", json.dumps({"n": "c2VjcmV0"}), "[" * 100_000):
        path.write_text(text)
        with pytest.raises(BadInput) as refused:
            Wallet.read(path)
        assert "c2VjcmV0" not in str(refused.value)
