"""A small model, its package, and a publisher with a fixed key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coincurve import PrivateKey

from aivm.commitments import tensor_root
from aivm.compiler import CompiledModel
from aivm.isa.instructions import Map, MatMul, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Constant, Program
from aivm.numerics.dtypes import DType
from aivm.packages import Description, ExtraFile, Interface, PackageInfo, Role, write_package
from aivm.receipts import address_of, sign_digest

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
BIAS = np.array([0, 1, 2, 3], dtype=np.float32)


class Publisher:
    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address = address_of(self._key.public_key)

    def sign_digest(self, digest: bytes) -> bytes:
        return sign_digest(self._key, digest)


def linear(rows: int) -> CompiledModel:
    """x @ WEIGHT + BIAS for x of shape (rows, 3)."""
    x, y = TensorType(DType.F32, (rows, 3)), TensorType(DType.F32, (rows, 4))
    constants = tuple(
        Constant(TensorType(DType.F32, array.shape), tensor_root(array)) for array in (WEIGHT, BIAS)
    )
    product, total = MatMul((0, 1), y), Map(Function.ADD, (3, 2), y)
    program = Program((x,), constants, (product, total), (4,))
    return CompiledModel(program, (WEIGHT, BIAS), ("x",), ("y",))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher(b"\x11" * 32)


@pytest.fixture
def stranger() -> Publisher:
    return Publisher(b"\x22" * 32)


@pytest.fixture
def description() -> Description:
    return Description(
        name="demo/linear",
        version="1.0.0",
        license="Apache-2.0",
        inputs=(Interface("x", DType.F32, ("rows", 3)),),
        outputs=(Interface("y", DType.F32, ("rows", 4)),),
        created=1_800_000_000,
        description="A line.\nNothing more.",
        task="regression",
    )


@pytest.fixture
def extra_files() -> list[ExtraFile]:
    return [
        ExtraFile("tokenizer.json", Role.TOKENIZER, b'{"model":{}}'),
        ExtraFile("docs/README.md", Role.CARD, b"# A line\n"),
        ExtraFile("empty", Role.OTHER, b""),
    ]


@pytest.fixture
def package(
    tmp_path: Path, description: Description, publisher: Publisher, extra_files: list[ExtraFile]
) -> PackageInfo:
    entries = {"1x3": linear(1), "2x3": linear(2)}
    return write_package(tmp_path / "package", description, entries, publisher, extra_files)
