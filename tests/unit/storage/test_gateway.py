"""The gateway: cases of the IPFS trustless gateway specification, and its refusals."""

from __future__ import annotations

import io
from pathlib import Path

import aiohttp
import pytest

from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import MAX_BLOCK_BYTES, Entry
from aivm.storage import BlockStore, create_app
from aivm.storage.car import read_car

HELLO = Cid.of(Codec.RAW, b"hello")


@pytest.fixture
def root(store: BlockStore, tree: Path) -> Entry:
    store.put(HELLO, b"hello")
    return store.add_directory(tree)


@pytest.mark.usefixtures("root")
async def test_a_raw_block(gateway: str, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{gateway}/ipfs/{HELLO}?format=raw") as response:
        assert response.status == 200 and await response.read() == b"hello"
        headers = response.headers
    assert headers["Content-Type"] == "application/vnd.ipld.raw"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == f'attachment; filename="{HELLO}.bin"'
    assert "immutable" in headers["Cache-Control"]
    assert headers["X-Ipfs-Path"] == f"/ipfs/{HELLO}"
    async with session.get(
        f"{gateway}/ipfs/{HELLO}?format=raw", headers={"If-None-Match": headers["Etag"]}
    ) as response:
        assert response.status == 304


async def test_head_has_the_size_and_no_body(gateway, session, root) -> None:
    async with session.head(f"{gateway}/ipfs/{HELLO}?format=raw") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "5"
        assert await response.read() == b""
    async with session.head(f"{gateway}/ipfs/{root.cid}?format=car") as response:
        assert response.status == 200 and await response.read() == b""


@pytest.mark.usefixtures("root")
async def test_accept_may_name_the_format_and_the_query_wins(gateway, session) -> None:
    url = f"{gateway}/ipfs/{HELLO}"
    accept = {"Accept": "text/html, application/vnd.ipld.raw;q=0.9"}
    async with session.get(url, headers=accept) as response:
        assert response.content_type == "application/vnd.ipld.raw"
    async with session.get(f"{url}?format=car", headers=accept) as response:
        assert response.content_type == "application/vnd.ipld.car"


async def test_the_probe_path(gateway, session) -> None:
    async with session.get(f"{gateway}/ipfs/bafkqaaa?format=raw") as response:
        assert response.status == 200 and await response.read() == b""


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{HELLO}", 400, "AIVM-E0100"),
        (f"{HELLO}?format=tar", 400, "AIVM-E0100"),
        (f"{HELLO}?format=car&dag-scope=some", 400, "AIVM-E0100"),
        (f"{HELLO}?format=car&entity-bytes=0:1", 400, "AIVM-E0100"),
        ("junk?format=raw", 400, "AIVM-E0108"),
        (f"{str(HELLO).upper()}?format=raw", 400, "AIVM-E0108"),
        (f"{Cid.of(Codec.RAW, b'other')}?format=raw", 404, "AIVM-E0301"),
        (f"{Cid.of(Codec.RAW, b'other')}?format=car", 404, "AIVM-E0301"),
    ],
)
@pytest.mark.usefixtures("root")
async def test_refusals(gateway, session, path: str, status: int, code: str) -> None:
    async with session.get(f"{gateway}/ipfs/{path}") as response:
        assert response.status == status
        assert (await response.json())["code"] == code


@pytest.mark.usefixtures("root")
async def test_only_if_cached(gateway, session) -> None:
    headers = {"Cache-Control": "only-if-cached"}
    missing = Cid.of(Codec.RAW, b"other")
    async with session.get(f"{gateway}/ipfs/{missing}?format=raw", headers=headers) as response:
        assert response.status == 412
    async with session.get(f"{gateway}/ipfs/{HELLO}?format=raw", headers=headers) as response:
        assert response.status == 200


async def test_a_car_has_all_blocks_under_the_root(gateway, session, root, store) -> None:
    async with session.get(f"{gateway}/ipfs/{root.cid}?format=car") as response:
        assert "order=dfs" in response.headers["Content-Type"]
        stream = io.BytesIO(await response.read())
    blocks = dict(read_car(stream, root.cid))
    assert len(blocks) == 14  # 2 directories, 2 file nodes, 6 + 2 + 1 + 1 chunks
    assert all(store.get(cid) == block for cid, block in blocks.items())


async def test_scopes_of_a_car(gateway, session, root) -> None:
    async def size(cid: Cid, scope: str) -> int:
        url = f"{gateway}/ipfs/{cid}?format=car&dag-scope={scope}"
        async with session.get(url) as response:
            return len(await response.read())

    assert await size(root.cid, "block") == await size(root.cid, "entity")
    assert await size(root.cid, "entity") < 1000 < await size(root.cid, "all")


async def test_a_car_with_a_missing_block_breaks_off(gateway, session, root, tmp_path) -> None:
    content = (tmp_path / "tree" / "weights.bin").read_bytes()
    chunk = Cid.of(Codec.RAW, content[3 << 20 : 4 << 20])
    next((tmp_path / "store" / "blocks").rglob(str(chunk))).unlink()
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        async with session.get(f"{gateway}/ipfs/{root.cid}?format=car") as response:
            await response.read()


@pytest.mark.usefixtures("root")
async def test_a_block_that_rots_is_not_served(gateway, session, tmp_path) -> None:
    next((tmp_path / "store" / "blocks").rglob(str(HELLO))).write_bytes(b"hellO")
    async with session.get(f"{gateway}/ipfs/{HELLO}?format=raw") as response:
        assert response.status == 404


async def test_nobody_puts_without_a_token(gateway, session) -> None:
    headers = {"Authorization": "Bearer "}
    for given in ({}, headers):
        async with session.put(f"{gateway}/ipfs/{HELLO}", data=b"hello", headers=given) as answer:
            assert answer.status == 403


async def test_put_with_a_token(store: BlockStore, serve, session) -> None:
    url = await serve(create_app(store, publish_token="let me in"))
    right, wrong = {"Authorization": "Bearer let me in"}, {"Authorization": "Bearer let me iN"}

    async def put(cid: Cid, block: bytes, headers: dict[str, str]) -> int:
        body = io.BytesIO(block)
        async with session.put(f"{url}/ipfs/{cid}", data=body, headers=headers) as answer:
            return answer.status

    assert await put(HELLO, b"hello", wrong) == 403
    assert await put(HELLO, b"hello", {}) == 403
    assert not store.has(HELLO)
    assert await put(HELLO, b"hellO", right) == 409
    assert await put(HELLO, bytes(MAX_BLOCK_BYTES + 2), right) == 413
    assert not store.has(HELLO)
    assert await put(HELLO, b"hello", right) == 201
    assert store.get(HELLO) == b"hello"
    node = Cid.of(Codec.DAG_PB, b"junk")
    assert await put(node, b"junk", right) == 400
