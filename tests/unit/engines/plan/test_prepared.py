"""Shared memory of units: one file for all, and never a wrong byte from it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aivm import kernels
from aivm.cache import Cache
from aivm.commitments import VerifiedTensors
from aivm.engines.native import NativeEngine
from aivm.engines.plan import prepared
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.plan.prepared import Bytes, PreparedUnits
from aivm.errors import InvalidIndex
from aivm.isa import Gather, MatMul, Program, TensorType
from aivm.numerics.dtypes import DType

RECIPE, OTHER = b"r" * 32, b"o" * 32
SIZE = 100_000
CONTENT = np.arange(SIZE, dtype=np.uint32).astype(np.uint8)


class Filling:
    """Writes CONTENT, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, memory: Bytes) -> None:
        self.calls += 1
        memory[:] = CONTENT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prepared").mkdir(mode=0o700)
    return tmp_path / "prepared"


@pytest.fixture
def units(folder: Path) -> Callable[[], PreparedUnits]:
    """The units as a fresh process finds them."""
    return lambda: PreparedUnits("kernels", Cache(folder, 1 << 30))


def taken(units: PreparedUnits, recipe: bytes = RECIPE) -> int:
    """How often the unit had to be made; that it has the right content is checked."""
    filling = Filling()
    found = units.get(recipe, SIZE, filling)
    np.testing.assert_array_equal(found.content, CONTENT)
    assert found.address % 64 == 0
    return filling.calls


def test_a_unit_is_made_once_for_all(units: Callable[[], PreparedUnits], folder: Path) -> None:
    first = units()
    assert [taken(first), taken(first), taken(units())] == [1, 0, 0]
    assert len(list(folder.iterdir())) == 1


def test_executables_of_a_process_have_one_mapping(units: Callable[[], PreparedUnits]) -> None:
    one = units()
    filling = Filling()
    kept = [one.get(RECIPE, SIZE, filling) for _ in range(2)]
    assert kept[0] is kept[1]
    assert not kept[0].content.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        kept[0].content[0] = 1


def test_other_recipes_and_other_kernels_are_other_files(
    units: Callable[[], PreparedUnits], folder: Path
) -> None:
    taken(units())
    assert taken(units(), OTHER) == 1
    assert taken(PreparedUnits("newer kernels", Cache(folder, 1 << 30))) == 1
    assert len(list(folder.iterdir())) == 3


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[SIZE // 2] ^= 1
    path.write_bytes(content)


def _flip_digest(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _exchange(path: Path) -> None:
    """The whole and sound file of another unit of this size."""
    other = PreparedUnits("kernels", Cache(path.parent, 1 << 30))
    other.get(OTHER, SIZE, lambda memory: memory.fill(7))
    (stranger,) = set(path.parent.iterdir()) - {path}
    stranger.rename(path)


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        _flip_digest,
        _exchange,
        lambda path: os.truncate(path, SIZE),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(bytes(SIZE + 32)),
    ],
    ids=["bit", "digest", "exchanged", "cut", "empty", "longer", "zeros"],
)
def test_a_damaged_file_is_made_again(
    units: Callable[[], PreparedUnits],
    folder: Path,
    damage: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken(units())
    (path,) = folder.iterdir()
    damage(path)
    assert taken(units()) == 1
    assert "damaged" in caplog.text
    assert taken(units()) == 0


def test_a_file_that_others_can_write_is_not_believed(
    units: Callable[[], PreparedUnits], folder: Path
) -> None:
    taken(units())
    (path,) = folder.iterdir()
    path.chmod(0o666)
    assert taken(units()) == 1


def test_without_a_folder_the_unit_is_this_process_own() -> None:
    one = PreparedUnits("kernels", None)
    assert [taken(one), taken(one)] == [1, 1]


def test_a_full_disk_costs_memory_and_no_more(
    units: Callable[[], PreparedUnits],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepared, "_write", full)
    assert taken(units()) == 1
    assert "No space left" in caplog.text
    assert list(folder.iterdir()) == []


def test_an_error_while_it_is_made_leaves_nothing(
    units: Callable[[], PreparedUnits], folder: Path
) -> None:
    def fail(_: Bytes) -> None:
        raise InvalidIndex("outside")

    with pytest.raises(InvalidIndex):
        units().get(RECIPE, SIZE, fail)
    assert list(folder.iterdir()) == []


MAKER = """
import sys
from pathlib import Path
from aivm.cache import Cache
from aivm.engines.plan.prepared import PreparedUnits
for round in range(20):
    units = PreparedUnits(f"kernels {round}", Cache(Path(sys.argv[1]), 1 << 30))
    found = units.get(b"r" * 32, 300_000, lambda memory: memory.fill(round))
    assert (found.content == round).all()
"""


def test_two_processes_that_make_the_same_unit_agree(folder: Path) -> None:
    makers = [subprocess.Popen([sys.executable, "-c", MAKER, folder]) for _ in range(2)]
    assert [maker.wait() for maker in makers] == [0, 0]
    assert len(list(folder.iterdir())) == 20


# --- an engine that uses them ---------------------------------------------------------------------


@pytest.fixture
def product(build) -> tuple[Program, list[np.ndarray]]:
    """Rows of x times a matrix of 256 KiB."""
    x = build.input(3, 256)
    weight = np.random.default_rng(1).normal(size=(256, 256)).astype(np.float32)
    w = build.constant(weight)
    return build.program(build.add(MatMul((x, w), TensorType(DType.F32, (3, 256))))), [weight]


def loaded(folder: Path, program: Program, constants: object) -> TapeExecutable:
    units = PreparedUnits("kernels", Cache(folder, 1 << 30))
    return NativeEngine(kernels.library(), 1, None, None, units).load(program, constants)


def test_packed_weights_are_mapped_and_give_the_same_bits(folder: Path, product) -> None:
    program, constants = product
    x = np.random.default_rng(2).normal(size=(3, 256)).astype(np.float32)
    alone = NativeEngine(kernels.library(), 1, None, None).load(program, constants).run([x])
    for _ in range(2):  # made, then found
        shared = loaded(folder, program, VerifiedTensors(constants))
        assert shared.run([x])[0].tobytes() == alone[0].tobytes()
        assert next(shared.trace([x])).tobytes() == alone[0].tobytes()
        shared.close()
    assert len(list(folder.iterdir())) == 1


def test_what_nobody_vouches_for_is_neither_stored_nor_taken(folder: Path, product) -> None:
    """A load with other weights than the program names gets what it gave, and taints nobody."""
    program, constants = product
    x = np.eye(3, 256, dtype=np.float32)
    wrong = [constants[0] + 1]
    assert not np.array_equal(loaded(folder, program, wrong).run([x])[0], constants[0][:3])
    assert list(folder.iterdir()) == []
    loaded(folder, program, VerifiedTensors(constants)).close()
    np.testing.assert_array_equal(loaded(folder, program, wrong).run([x])[0], wrong[0][:3])
    honest = loaded(folder, program, VerifiedTensors(constants))
    np.testing.assert_array_equal(honest.run([x])[0], constants[0][:3])


def test_an_output_that_never_changes_is_read_right(folder: Path, build) -> None:
    table = np.arange(300 * 100, dtype=np.float32).reshape(300, 100)
    build.input(1)
    values = build.constant(table), build.constant(np.arange(299, -1, -1))
    gathered = build.add(Gather(values, TensorType(DType.F32, (300, 100)), 1, 300, 100))
    program = build.program(gathered)
    constants = VerifiedTensors(build.constants)
    (found,) = loaded(folder, program, constants).run([np.zeros(1, np.float32)])
    np.testing.assert_array_equal(found, table[::-1])
