"""Publishing a directory to a gateway, and reading it back from there."""

from __future__ import annotations

import pytest

from aivm.errors import NotAllowed, NotFound, StorageUnreachable
from aivm.packages.files import cid_of_directory
from aivm.storage import BlockStore, create_app, fetch, push


async def test_what_is_pushed_can_be_fetched(serve, session, store, tree, tmp_path) -> None:
    root = store.add_directory(tree, copy=False).cid
    with BlockStore(tmp_path / "remote") as remote:
        url = await serve(create_app(remote, publish_token="t"))
        seen: list[tuple[int, int]] = []
        for _ in range(2):  # the second time there is nothing to send
            await push(
                session, url, store, root, token="t",
                progress=lambda done, total: seen.append((done, total)),
            )  # fmt: skip
            assert seen[-1][0] == seen[-1][1]
        await fetch(session, [url], root, tmp_path / "out", max_bytes=100 << 20)
    assert cid_of_directory(tmp_path / "out") == root


async def test_refusals(serve, session, store, tree, tmp_path) -> None:
    root = store.add_directory(tree).cid
    with BlockStore(tmp_path / "remote") as remote:
        url = await serve(create_app(remote, publish_token="t"))
        with pytest.raises(NotAllowed):
            await push(session, url, store, root, token="wrong")
        with pytest.raises(NotFound):
            await push(session, url, remote, root, token="t")
        assert not remote.has(root)
    with pytest.raises(StorageUnreachable):
        await push(session, "http://127.0.0.1:9", store, root, token="t")


async def test_the_root_is_sent_last(serve, session, store, tree, tmp_path) -> None:
    root = store.add_directory(tree).cid
    (tmp_path / "gone").mkdir()
    victim = next(p for p in (tmp_path / "store" / "blocks").rglob("bafkrei*"))
    with BlockStore(tmp_path / "remote") as remote:
        url = await serve(create_app(remote, publish_token="t"))
        victim.rename(tmp_path / "gone" / victim.name)
        with pytest.raises(NotFound):
            await push(session, url, store, root, token="t")
        assert not remote.has(root)
