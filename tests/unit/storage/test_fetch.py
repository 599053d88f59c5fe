"""Verified download: honest, lying, dead and partial peers; resume; hostile roots."""

from __future__ import annotations

import asyncio
import errno
import os

import numpy as np
import pytest
from aiohttp import web

from aivm.commitments import dag_pb, unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.errors import (
    BadInput,
    MalformedBlock,
    StorageUnreachable,
    TamperedContent,
    TooLarge,
)
from aivm.numerics.dtypes import DType
from aivm.packages.files import Chunking, cid_of_directory, cid_of_file
from aivm.packages.safetensors import write_safetensors
from aivm.storage import BlockStore, create_app, fetch, fetch_block
from aivm.storage.peers import PeerPool

LIMIT = 100 << 20


def liar(store: BlockStore, flip: bool = True) -> web.Application:
    """Serves every block with one bit changed, or far too long."""

    async def lie(request: web.Request) -> web.Response:
        block = bytearray(store.get(Cid.parse(request.match_info["cid"])))
        if flip and block:
            block[len(block) // 2] ^= 1
            return web.Response(body=bytes(block))
        return web.Response(body=bytes(block) + bytes(3 << 20))

    app = web.Application()
    app.router.add_get("/ipfs/{cid}", lie)
    return app


def counting(store: BlockStore, asked: list[str]) -> web.Application:
    """An honest gateway that notes what it is asked."""
    inner = create_app(store)

    @web.middleware
    async def note(request: web.Request, handler) -> web.StreamResponse:
        asked.append(request.path.rsplit("/", 1)[-1])
        return await handler(request)

    inner.middlewares.insert(0, note)
    return inner


async def test_a_directory_arrives_whole(gateway, session, store, tree, tmp_path) -> None:
    root = store.add_directory(tree).cid
    seen: list[tuple[int, int]] = []
    await fetch(
        session, [gateway], root, tmp_path / "out", max_bytes=LIMIT,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert cid_of_directory(tmp_path / "out") == root
    total = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("name", ["weights.bin", "manifest.json", "programs/empty"])
async def test_a_single_file_arrives_whole(gateway, session, store, tree, tmp_path, name) -> None:
    cid = store.add_file(tree / name).cid
    await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    assert (tmp_path / "out").read_bytes() == (tree / name).read_bytes()


@pytest.mark.parametrize("flip", [True, False])
async def test_a_liar_is_found_out_and_banned(
    gateway, serve, session, store, tree, tmp_path, flip
) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    evil = await serve(liar(store, flip))
    await fetch(session, [evil, gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid


async def test_a_banned_peer_is_not_asked_again(serve, session, store) -> None:
    hello = store.add_bytes(b"hello")
    pool = PeerPool(session, [await serve(liar(store))])
    for _ in range(2):
        with pytest.raises(StorageUnreachable, match="banned"):
            await pool.block(hello)
    assert pool.peers[0].lied == str(hello)


async def test_dead_and_empty_peers_are_passed_over(
    gateway, serve, session, store, tree, tmp_path
) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    with BlockStore(tmp_path / "empty") as empty:
        peers = ["http://127.0.0.1:9", await serve(create_app(empty)), gateway]
        await fetch(session, peers, cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid


async def test_two_peers_with_half_each_are_enough(serve, session, store, tree, tmp_path) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    blocks = sorted(path for path in (tmp_path / "store" / "blocks").rglob("baf*"))
    with BlockStore(tmp_path / "a") as a, BlockStore(tmp_path / "b") as b:
        for number, path in enumerate(blocks):
            (a, b)[number % 2].put(Cid.parse(path.name), path.read_bytes())
        peers = [await serve(create_app(a)), await serve(create_app(b))]
        await fetch(session, peers, cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid


async def test_no_peer_names_every_reason(serve, session, store) -> None:
    missing = Cid.of(Codec.RAW, b"missing")
    peers = ["http://127.0.0.1:9", await serve(create_app(store))]
    with pytest.raises(StorageUnreachable, match=r"127\.0\.0\.1:9.*HTTP 404"):
        await fetch_block(session, peers, missing)
    with pytest.raises(StorageUnreachable, match="no peers are known"):
        await fetch_block(session, [], missing)
    with pytest.raises(BadInput):
        await fetch_block(session, ["file:///etc"], missing)


async def test_a_broken_off_fetch_goes_on_where_it_stopped(
    serve, session, store, tree, tmp_path
) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    last = Cid.of(Codec.RAW, (tree / "weights.bin").read_bytes()[5 << 20 :])
    others_are_there = asyncio.Event()

    async def all_but_the_last(request: web.Request) -> web.StreamResponse:
        wanted = Cid.parse(request.match_info["cid"])
        if wanted == last:
            await others_are_there.wait()
            return web.Response(status=500)
        return web.Response(body=store.get(wanted))

    def progress(done: int, total: int) -> None:
        if done == total - 3:
            others_are_there.set()

    app = web.Application()
    app.router.add_get("/ipfs/{cid}", all_but_the_last)
    peers = [await serve(app)]
    with pytest.raises(StorageUnreachable, match="HTTP 500"):
        await fetch(session, peers, cid, tmp_path / "out", max_bytes=LIMIT, progress=progress)
    assert not (tmp_path / "out").exists() and (tmp_path / "out.part").exists()
    asked: list[str] = []
    peers = [await serve(counting(store, asked))]
    await fetch(session, peers, cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid
    assert not (tmp_path / "out.part").exists()
    assert asked == [str(cid), str(last)]


async def test_a_damaged_part_file_is_repaired(gateway, session, store, tree, tmp_path) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    content = bytearray((tree / "weights.bin").read_bytes())
    content[100] ^= 1
    (tmp_path / "out.part").write_bytes(content + b"behind the end")
    await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid


async def test_what_is_there_is_not_fetched_again(serve, session, store, tree, tmp_path) -> None:
    root = store.add_directory(tree).cid
    asked: list[str] = []
    url = await serve(counting(store, asked))
    await fetch(session, [url], root, tmp_path / "out", max_bytes=LIMIT)
    asked.clear()
    (tmp_path / "out" / "manifest.json").write_bytes(b"changed here")
    await fetch(session, [url], root, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_directory(tmp_path / "out") == root
    assert len(asked) == 5  # two directories, two file nodes, the one file that differed


async def test_a_destination_that_cannot_be_written_is_refused(
    gateway, session, store, tree, tmp_path
) -> None:
    root = store.add_directory(tree).cid
    (tmp_path / "out").write_bytes(b"a file in the folder's place")
    with pytest.raises(BadInput, match="cannot write"):
        await fetch(session, [gateway], root, tmp_path / "out", max_bytes=LIMIT)


async def test_a_full_disk_is_reported_and_what_came_is_kept(
    gateway, session, store, tree, tmp_path, monkeypatch
) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    write, room = os.pwrite, [3 << 20]

    def pwrite(descriptor: int, data: memoryview, position: int) -> int:
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data, position)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(BadInput, match="No space left"):
            await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    assert not (tmp_path / "out").exists()
    await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    assert cid_of_file(tmp_path / "out") == cid


async def test_the_size_limit_holds_before_anything_is_written(
    gateway, session, store, tree, tmp_path
) -> None:
    root = store.add_directory(tree).cid
    with pytest.raises(TooLarge):
        await fetch(session, [gateway], root, tmp_path / "out", max_bytes=7 << 20)
    assert not (tmp_path / "out").exists()


async def test_cancelling_leaves_no_finished_file(serve, session, store, tree, tmp_path) -> None:
    cid = store.add_file(tree / "weights.bin").cid
    reached = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        wanted = Cid.parse(request.match_info["cid"])
        if wanted.codec is Codec.RAW:
            reached.set()
            await asyncio.Event().wait()
        return web.Response(body=store.get(wanted))

    app = web.Application()
    app.router.add_get("/ipfs/{cid}", stall)
    peers = [await serve(app)]
    task = asyncio.ensure_future(fetch(session, peers, cid, tmp_path / "out", max_bytes=LIMIT))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (tmp_path / "out").exists()


def file_node(sizes: list[int], links: list[dag_pb.Link]) -> bytes:
    data = b"\x08\x02" + dag_pb.varint_field(3, sum(sizes))
    data += b"".join(dag_pb.varint_field(4, size) for size in sizes)
    return dag_pb.encode(dag_pb.Node(tuple(links), data))


async def test_roots_that_lie_about_sizes_are_refused(gateway, session, store, tmp_path) -> None:
    chunk = store.add_bytes(b"x" * 1000)

    async def refused(sizes: list[int], child: Cid, error: type[Exception]) -> None:
        block = file_node(sizes, [dag_pb.Link(child, "", 1)] * len(sizes))
        cid = Cid.of(Codec.DAG_PB, block)
        store.put(cid, block)
        with pytest.raises(error):
            await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=1 << 40)
        assert not (tmp_path / "out").exists()

    await refused([999], chunk, TamperedContent)
    await refused([1001], chunk, TamperedContent)
    await refused([3 << 20], chunk, MalformedBlock)
    inner = file_node([1000], [dag_pb.Link(chunk, "", 1000)])
    inner_cid = Cid.of(Codec.DAG_PB, inner)
    store.put(inner_cid, inner)
    await refused([1001], inner_cid, MalformedBlock)
    directory = unixfs.build_directory({})
    store.put(directory[0].cid, directory[1])
    await refused([1], directory[0].cid, MalformedBlock)


async def test_a_directory_that_lies_about_a_file_is_refused(
    gateway, session, store, tmp_path
) -> None:
    chunk = store.add_bytes(b"x" * 1000)
    entry, block = unixfs.build_directory({"a": unixfs.leaf(chunk, 10)})
    store.put(entry.cid, block)
    with pytest.raises(TamperedContent):
        await fetch(session, [gateway], entry.cid, tmp_path / "out", max_bytes=LIMIT)


async def test_bombs_are_refused(gateway, session, store, tmp_path) -> None:
    tiny = store.add_bytes(b"x")
    cid, size = tiny, 1
    for _ in range(2):  # a million chunks of one byte
        block = file_node([size] * 1024, [dag_pb.Link(cid, "", 1)] * 1024)
        cid, size = Cid.of(Codec.DAG_PB, block), size * 1024
        store.put(cid, block)
    with pytest.raises(MalformedBlock, match="small chunks"):
        await fetch(session, [gateway], cid, tmp_path / "out", max_bytes=LIMIT)
    entry, block = unixfs.build_directory({})
    for _ in range(20):
        store.put(entry.cid, block)
        entry, block = unixfs.build_directory({"d": entry})
    store.put(entry.cid, block)
    with pytest.raises(MalformedBlock, match="nested"):
        await fetch(session, [gateway], entry.cid, tmp_path / "out", max_bytes=LIMIT)


async def test_weights_that_are_cut_at_tensors_arrive_whole(
    gateway, session, store, tmp_path
) -> None:
    """Any peer's chunks are taken; the folder's CID says where the file was cut."""
    folder = tmp_path / "cut"
    folder.mkdir()
    tensor = np.arange(3_000_000, dtype=np.uint32).view(np.uint8)[:5_000_000]
    write_safetensors(folder / "w", {"a": (DType.U8, tensor), "b": (DType.U8, tensor[:70_000])})
    cut = {"w": Chunking.TENSORS}
    root = store.add_directory(folder, copy=False, chunkings=cut).cid
    assert root == cid_of_directory(folder, cut) != cid_of_directory(folder)
    await fetch(session, [gateway], root, tmp_path / "out", max_bytes=LIMIT)
    assert (tmp_path / "out" / "w").read_bytes() == (folder / "w").read_bytes()
    assert store.add_directory(tmp_path / "out", chunkings=cut).cid == root
