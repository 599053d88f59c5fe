"""Inputs of canaries: valid, various, and the operator's own where there are any."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from aivm.errors import BadInput, TooLarge
from aivm.packages import Package, Programs
from aivm.verifier.drawing import draw_inputs, draw_tensor, sentences, table_rows


def drawn(package: Package, seed: int, samples: Path | None = None) -> dict[str, Any]:
    return draw_inputs(package, Programs(package).listed(), Random(seed), samples)


def test_numbers_that_choose_a_row_lie_within_the_table(package: Package) -> None:
    found = Programs(package).listed()[0]
    places = {name: position for position, name in enumerate(found.input_names)}
    assert table_rows(found.program, places["index"]) == 4
    assert table_rows(found.program, places["x"]) is None
    seen = set()
    for seed in range(50):
        index = draw_tensor(found.program, places["index"], "index", Random(seed))
        assert index.dtype == np.int64
        seen.add(int(index[0]))
    assert seen == {0, 1, 2, 3}


def test_every_draw_is_an_input_that_runs(package: Package) -> None:
    shapes, values = set(), set()
    for seed in range(20):
        inputs = drawn(package, seed)
        found = Programs(package).find({name: array.shape for name, array in inputs.items()})
        assert not found.derived
        assert np.isfinite(inputs["x"]).all()
        shapes.add(inputs["x"].shape)
        values.add(inputs["x"].tobytes())
    assert shapes == {(1, 4), (2, 4)}
    assert len(values) == 20


def test_texts_are_sentences(text_package: Package) -> None:
    # This model takes very short texts only.
    with pytest.raises(TooLarge, match="tokens"):
        drawn(text_package, 1)
    made = {sentences(Random(seed)) for seed in range(100)}
    assert len(made) > 90


def test_the_operators_samples_come_first(package: Package, tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "tiny"
    folder.mkdir(parents=True)
    mine = {"x": np.full((1, 4), 7, np.float32), "index": np.array([3], np.int64)}
    np.savez(folder / "mine.npz", **mine)
    inputs = drawn(package, 1, tmp_path)
    assert inputs["x"].tobytes() == mine["x"].tobytes()
    (folder / "mine.npz").write_bytes(b"nonsense")
    with pytest.raises(BadInput, match="not a readable"):
        drawn(package, 1, tmp_path)
    (folder / "mine.npz").unlink()
    (folder / "texts.txt").write_text("a text\n")
    with pytest.raises(BadInput, match="tokeniser"):
        drawn(package, 1, tmp_path)
    (folder / "texts.txt").write_text("\n")
    with pytest.raises(BadInput, match="no text"):
        drawn(package, 1, tmp_path)


def test_samples_of_texts_are_encoded(text_package: Package, tmp_path: Path) -> None:
    folder = tmp_path / text_package.manifest.name
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("hello\nworld\n")
    ids = {tuple(drawn(text_package, seed, tmp_path)["input_ids"][0]) for seed in range(10)}
    assert len(ids) == 2
