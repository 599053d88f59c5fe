"""Differences: what changed, whom it breaks, and what need not be fetched again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.packages.conftest import WEIGHT, Publisher, linear

from aivm.commitments import tensor_root
from aivm.compiler import CompiledModel
from aivm.isa.instructions import TensorType
from aivm.isa.program import Constant
from aivm.numerics.dtypes import DType
from aivm.packages import Description, ExtraFile, Interface, Package, Role, open_package
from aivm.packages import write_package as write
from aivm.packages.difference import Change, Difference, Reuse, compare

X, Y = Interface("x", DType.F32, ("rows", 3)), Interface("y", DType.F32, ("rows", 4))


def with_bias(bias: float) -> CompiledModel:
    model = linear(1)
    array = np.full(4, bias, dtype=np.float32)
    first, _ = model.program.constants
    second = Constant(TensorType(DType.F32, (4,)), tensor_root(array))
    program = replace(model.program, constants=(first, second))
    return replace(model, program=program, constants=(WEIGHT, array))


@pytest.fixture
def package(tmp_path: Path, description: Description, publisher: Publisher) -> Any:
    def made(
        entries: dict[str, CompiledModel] | None = None, *extra: ExtraFile, **changes: Any
    ) -> Package:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        write(out, replace(description, **changes), entries or {"1x3": linear(1)}, publisher, extra)
        return open_package(out)

    return made


def changed(difference: Difference) -> set[str]:
    parts = (difference.fields, difference.interface, difference.programs, difference.files)
    return {change.place for part in parts for change in part}


def test_equal_packages(package) -> None:
    difference = compare(package(), package())
    assert difference.is_empty and not difference.breaks_callers
    assert difference.constants.percent == difference.chunks.percent == 100


def test_fields_programs_and_files(package) -> None:
    note = ExtraFile("note", Role.OTHER, b"a")
    old = package({"1x3": linear(1)}, note)
    new = package(
        {"1x3": with_bias(9), "2x3": linear(2)},
        ExtraFile("note", Role.OTHER, b"b"),
        version="1.1.0",
        supersedes=bytes(32),
    )
    difference = compare(old, new)
    assert changed(difference) == {
        *("version", "supersedes", "1x3", "2x3", "note", "runtime.memory_bytes"),
        *("programs/1x3.aivm", "programs/2x3.aivm", "weights.safetensors"),
    }
    assert Change("version", "1.0.0", "1.1.0") in difference.fields
    assert not difference.breaks_callers
    # Of the weights and two biases, the weights and the old bias are there already.
    assert difference.constants == Reuse(shared=48 + 16, total=48 + 16 + 16)
    assert 0 <= difference.chunks.percent < 100
    document = difference.to_document()
    assert document["constants_reused"] == {"shared": 64, "total": 80, "percent": 80.0}


@pytest.mark.parametrize(
    ("inputs", "outputs", "breaks"),
    [
        ((replace(X, meaning="Where."),), (Y,), False),
        ((replace(X, shape=(1, 3)),), (Y,), True),
        ((X,), (replace(Y, shape=(1, 4)),), True),
    ],
)
def test_what_breaks_callers(package, inputs, outputs, breaks: bool) -> None:
    difference = compare(package(), package(inputs=inputs, outputs=outputs))
    assert difference.breaks_callers is breaks and len(difference.interface) == 1


def test_nothing_to_share_is_all_shared() -> None:
    assert Reuse(0, 0).percent == 100 and Reuse(1, 3).to_document()["percent"] == 33.33
