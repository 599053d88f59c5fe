"""A model of 4.5 GiB: packed, opened, run from mapped weights, refused by the sandbox.

Its table is a hole on the disk but for a few rows, and stays one in the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import aivm
from aivm.chain.account import Account
from aivm.compiler import load_model
from aivm.errors import TooLarge
from aivm.packages import Package, files_beside, open_package, pack_model

ROWS, WIDTH = 1_179_648, 1024
ROW_BYTES = WIDTH * 4
TABLE_BYTES = ROWS * ROW_BYTES
WRITTEN = (0, 1, ROWS // 2, 2**20, 2**20 + 1, ROWS - 1)  # byte 2^32 lies between two of them
DICE = np.random.default_rng(0)
CONTENT = {row: DICE.standard_normal(WIDTH).astype(np.float32) for row in WRITTEN}
HEAD = DICE.standard_normal((WIDTH, 8)).astype(np.float32)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def write_model(folder: Path) -> Path:
    with (folder / "table.bin").open("wb") as file:
        file.truncate(TABLE_BYTES)
        for row, content in CONTENT.items():
            file.seek(row * ROW_BYTES)
            file.write(content.tobytes())
    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[ROWS, WIDTH])
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="table.bin")
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "head"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [table, numpy_helper.from_array(HEAD, "head")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "large.onnx").write_bytes(made.SerializeToString())
    return folder / "large.onnx"


def expected(rows: np.ndarray) -> np.ndarray:
    """The rows times the head, by a small model."""
    node = helper.make_node("MatMul", ["rows", "head"], ["y"])
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(HEAD, "head")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with aivm.load(made.SerializeToString(), engine="wasm") as model:
        return model.run({"rows": rows})["y"]


def own_bytes() -> int:
    """Memory of this process that is no mapped file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    folder = tmp_path_factory.mktemp("large")
    source = write_model(folder)
    before = own_bytes()
    info = pack_model(
        load_model(source.read_bytes(), files_beside(source)),
        name="demo/large",
        version="1.0.0",
        license="MIT",
        shapes=[{"ids": (4,)}],
        out_dir=folder / "package",
        signer=Account(b"\x08" * 32),
        created=1_800_000_000,
    )
    opened = open_package(info.directory)
    assert own_bytes() - before < 512 * 2**20, "packing and opening stream"
    assert disk_bytes(folder) < 256 * 2**20, "holes stay holes"
    yield opened
    for path in folder.rglob("*.safetensors"):
        path.unlink()


def test_rows_from_both_ends_of_the_table_give_the_right_bits(package: Package) -> None:
    before = own_bytes()
    for threads in (1, 2):
        with aivm.load(package, engine="native", threads=threads) as model:
            for ids in ([0, ROWS - 1, ROWS // 2, -1], [2**20, 5, 1, 2**20 + 1, -ROWS]):
                found = model.run({"ids": np.array(ids)})["y"]
                rows = [CONTENT.get(i % ROWS, np.zeros(WIDTH, np.float32)) for i in ids]
                assert found.tobytes() == expected(np.array(rows)).tobytes()
    assert own_bytes() - before < 512 * 2**20, "the weights are mapped"


def test_the_sandbox_refuses_it_and_says_what_takes_it(package: Package) -> None:
    with aivm.load(package, engine="wasm") as model, pytest.raises(TooLarge) as refused:
        model.run({"ids": np.zeros(4, np.int64)})
    assert "native" in refused.value.hint
