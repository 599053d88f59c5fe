"""From ONNX bytes to a package that opens, runs, and gives what numpy gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.engines.base import open_engine
from aivm.errors import BadInput, MalformedModel, UnsupportedModel
from aivm.packages import PackageInfo, open_package, pack_model

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def model(operator: str = "Relu", rows: int | str | None = "rows", gate: bool = False) -> bytes:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"])]
    if gate:
        inputs.append(helper.make_tensor_value_info("gate", TensorProto.FLOAT, [4]))
        nodes.append(helper.make_node("Mul", ["product", "gate"], ["y"]))
    else:
        nodes.append(helper.make_node(operator, ["product"], ["y"]))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 4])]
    weights = [numpy_helper.from_array(WEIGHT, "w")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def pack(out: Path, publisher, data: bytes, shapes, **more) -> PackageInfo:
    return pack_model(
        data, name="demo/line", version="0.1.0", license="MIT", shapes=shapes, out_dir=out,
        signer=publisher, created=1_700_000_000, **more,
    )  # fmt: skip


def test_a_packed_model_runs(tmp_path: Path, publisher) -> None:
    info = pack(tmp_path / "p", publisher, model(), [{"x": (1, 3)}, {"x": (5, 3)}])
    package = open_package(info.directory, info.model_id)
    assert [entry.name for entry in package.manifest.entries] == ["1x3", "5x3"]
    assert package.manifest.inputs[0].shape == ("rows", 3)
    assert package.manifest.publisher == publisher.address
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    executable = open_engine("reference").load(package.program("5x3"), package.constants("5x3"))
    try:
        (y,) = executable.run([x])
    finally:
        executable.close()
    assert np.allclose(y, np.maximum(x @ WEIGHT, 0), atol=1e-6)


def test_packing_is_deterministic(tmp_path: Path, publisher) -> None:
    shapes = [{"x": (2, 3)}]
    one = pack(tmp_path / "one", publisher, model(), shapes)
    two = pack(tmp_path / "two", publisher, model(), shapes)
    assert one.model_id == two.model_id and one.directory_cid == two.directory_cid


def test_a_size_without_a_name_gets_one(tmp_path: Path, publisher) -> None:
    info = pack(tmp_path / "p", publisher, model(rows=None), [{"x": (2, 3)}])
    assert info.manifest.inputs[0].shape == ("x_0", 3)


def test_fixed_shapes_need_not_be_given(tmp_path: Path, publisher) -> None:
    info = pack(tmp_path / "p", publisher, model(rows=4), [{}])
    assert info.manifest.entries[0].name == "4x3"


def test_bound_inputs_are_no_inputs_any_more(tmp_path: Path, publisher) -> None:
    gate = np.array([1, 0, 1, 0], dtype=np.float32)
    info = pack(
        tmp_path / "p", publisher, model(gate=True), [{"x": (2, 3)}], bindings={"gate": gate}
    )
    assert [tensor.name for tensor in info.manifest.inputs] == ["x"]
    assert [port.name for port in info.manifest.entries[0].inputs] == ["x"]


def test_different_inputs_are_all_in_the_entrys_name(tmp_path: Path, publisher) -> None:
    info = pack(tmp_path / "p", publisher, model(gate=True), [{"x": (2, 3)}])
    assert info.manifest.entries[0].name == "2x3_4"


@pytest.mark.parametrize("shapes", [[], [{"x": (1, 3)}, {"x": (1, 3)}]])
def test_no_shapes_or_equal_shapes_are_refused(tmp_path: Path, publisher, shapes) -> None:
    with pytest.raises(BadInput, match="once"):
        pack(tmp_path / "p", publisher, model(), shapes)
    assert list(tmp_path.iterdir()) == []


def test_bad_models_are_refused(tmp_path: Path, publisher) -> None:
    with pytest.raises(MalformedModel):
        pack(tmp_path / "p", publisher, model()[:-20], [{"x": (1, 3)}])
    with pytest.raises(UnsupportedModel):
        pack(tmp_path / "p", publisher, model(operator="RandomUniformLike"), [{"x": (1, 3)}])
    assert list(tmp_path.iterdir()) == []
