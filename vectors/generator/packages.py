"""The published package: x @ w + b, in two shapes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from aivm.commitments import tensor_root
from aivm.compiler import CompiledModel
from aivm.isa.instructions import Map, MatMul, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Constant, Program
from aivm.numerics.dtypes import DType
from aivm.packages import Description, ExtraFile, Interface, Role, write_package
from generator.ledger import Key

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
BIAS = np.array([0, 1, 2, 3], dtype=np.float32)


def _linear(rows: int) -> CompiledModel:
    x, y = TensorType(DType.F32, (rows, 3)), TensorType(DType.F32, (rows, 4))
    constants = tuple(
        Constant(TensorType(DType.F32, array.shape), tensor_root(array)) for array in (WEIGHT, BIAS)
    )
    product, total = MatMul((0, 1), y), Map(Function.ADD, (3, 2), y)
    program = Program((x,), constants, (product, total), (4,))
    return CompiledModel(program, (WEIGHT, BIAS), ("x",), ("y",))


def files() -> dict[str, bytes]:
    """Every file under packages/, by its path there."""
    description = Description(
        name="vectors/linear",
        version="1.0.0",
        license="Apache-2.0",
        inputs=(Interface("x", DType.F32, ("rows", 3)),),
        outputs=(Interface("y", DType.F32, ("rows", 4)),),
        created=1_800_000_000,
        description="x @ w + b",
        task="regression",
    )
    entries = {"1x3": _linear(1), "2x3": _linear(2)}
    licence = ExtraFile("LICENSE", Role.LICENSE, b"Apache-2.0\n")
    key = Key()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "linear"
        example = {"x": np.array([[1, -2, 0.5]], dtype=np.float32)}
        info = write_package(root, description, entries, key, [licence], examples=[example])
        found = {
            f"linear/{path.relative_to(root).as_posix()}": path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
    names = {
        "folder": "linear",
        "model": info.model_id.hex(),
        "manifest_cid": str(info.manifest_cid),
        "directory_cid": str(info.directory_cid),
        "publisher": key.address,
    }
    about = (
        "Packages beside this file, with their names: the SHA-256 of the manifest, and the CIDs of"
        " manifest and folder."
    )
    index = json.dumps({"about": about, "cases": [names]}, indent=1) + "\n"
    return found | {"packages.json": index.encode()}
