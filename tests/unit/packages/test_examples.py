"""Examples: run when the package is made, and again on any engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.packages.conftest import BIAS, WEIGHT, linear

from aivm.commitments import tensor_root
from aivm.engines import open_engine
from aivm.errors import Mismatch, WrongTensor
from aivm.packages import Package, open_package, write_package
from aivm.packages.examples import rerun_example

INPUTS = {"x": np.array([[1, 0, 0]], dtype=np.float32)}


@pytest.fixture
def opened(tmp_path: Path, description, publisher) -> Package:
    entries = {"1x3": linear(1), "2x3": linear(2)}
    write_package(tmp_path / "out", description, entries, publisher, examples=[INPUTS])
    return open_package(tmp_path / "out")


def test_the_manifest_states_what_comes_out(opened: Package) -> None:
    (example,) = opened.manifest.examples
    assert (example.entry, example.inputs) == ("1x3", "examples/0.safetensors")
    assert example.outputs == (tensor_root(WEIGHT[:1] + BIAS),)


@pytest.mark.parametrize("engine", ["reference", "wasm"])
def test_every_engine_agrees(opened: Package, engine: str) -> None:
    rerun_example(opened, opened.manifest.examples[0], open_engine(engine))


def test_another_root_is_a_mismatch(opened: Package) -> None:
    lie = replace(opened.manifest.examples[0], outputs=(bytes(32),))
    with pytest.raises(Mismatch, match="on wasm has root"):
        rerun_example(opened, lie, open_engine("wasm"))


@pytest.mark.parametrize(
    "inputs", [{}, {"z": INPUTS["x"]}, {"x": np.zeros((9, 3), np.float32)}, {"x": np.zeros((1, 3))}]
)
def test_inputs_of_no_entry_are_refused(tmp_path, description, publisher, inputs) -> None:
    entries = {"1x3": linear(1)}
    with pytest.raises(WrongTensor):
        write_package(tmp_path / "out", description, entries, publisher, examples=[inputs])
    assert list(tmp_path.iterdir()) == []
