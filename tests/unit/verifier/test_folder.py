"""The watched folder: what is complete is taken once, what is false is put aside with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aivm.errors import DeadlineExceeded
from aivm.numerics.dtypes import DType
from aivm.packages.safetensors import write_safetensors
from aivm.verifier.folder import Folder


def drop(inbox: Path, name: str, pair: Any) -> None:
    inbox.mkdir(exist_ok=True)
    (inbox / f"{name}.json").write_bytes(pair[0].to_json())
    np.savez(inbox / f"{name}.npz", **pair[1])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.is_dir())


async def test_pairs_are_taken_once_they_have_stopped_changing(scene: Any, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    first, second = await scene.receipt(1), await scene.receipt(2)
    drop(inbox, "one", first)
    (inbox / "alone.json").write_bytes(second[0].to_json())
    async with scene.parts() as parts:
        folder = Folder(inbox, parts.intake)
        assert await folder.look() == 0
        drop(inbox, "one", first)  # written to again
        assert await folder.look() == 0
        assert await folder.look() == 1
        assert names(inbox) == ["alone.json"]
        assert names(inbox / "taken") == ["one.json", "one.npz"]
        write_safetensors(
            inbox / "alone.safetensors",
            {"x": (DType.F32, second[1]["x"]), "index": (DType.I64, second[1]["index"])},
        )
        assert await folder.look() + await folder.look() == 1
        assert parts.book.counts() == {"due": 2}
        drop(inbox, "again", first)  # known: taken, and nothing happens
        assert await folder.look() + await folder.look() == 1
        assert parts.book.counts() == {"due": 2}


async def test_what_is_refused_is_put_aside_with_the_reason(scene: Any, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    signed, inputs = await scene.receipt(1)
    drop(inbox, "wrong", (signed, {**inputs, "x": inputs["x"] + 1}))
    drop(inbox, "broken", (signed, inputs))
    (inbox / "broken.npz").write_bytes(b"PK\x03\x04 nonsense")
    drop(inbox, "pickled", (signed, {"x": np.array([{}], object)}))
    drop(inbox, "huge", (signed, {"x": np.zeros(1 << 20, np.uint8)}))
    np.savez_compressed(inbox / "huge.npz", x=np.zeros(65 << 20, np.uint8))
    (inbox / "linked.json").symlink_to(tmp_path / "book.json")
    (inbox / "linked.npz").symlink_to(inbox / "wrong.npz")
    async with scene.parts() as parts:
        folder = Folder(inbox, parts.intake)
        assert await folder.look() + await folder.look() == 0
        assert parts.book.counts() == {}
    refused = inbox / "refused"
    assert names(inbox) == ["linked.json", "linked.npz"]
    reasons = {path.stem: path.read_text() for path in refused.glob("*.reason")}
    assert sorted(reasons) == ["broken", "huge", "pickled", "wrong"]
    assert "not the inputs" in reasons["wrong"]
    assert "more than" in reasons["huge"]


async def test_what_may_be_tried_again_stays(scene: Any, tmp_path: Path, monkeypatch: Any) -> None:
    inbox = tmp_path / "inbox"
    drop(inbox, "one", await scene.receipt(1))
    async with scene.parts() as parts:

        async def later(_: Any) -> Any:
            raise DeadlineExceeded("the model is being fetched")

        folder = Folder(inbox, parts.intake)
        monkeypatch.setattr(parts.intake, "take", later)
        assert await folder.look() + await folder.look() == 0
        assert names(inbox) == ["one.json", "one.npz"]
        monkeypatch.undo()
        assert await folder.look() == 1
