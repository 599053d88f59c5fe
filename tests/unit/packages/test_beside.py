from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import aivm
from aivm.errors import AivmError, MalformedModel, NotFound, UnsupportedModel
from aivm.packages import files_beside

WEIGHT = np.linspace(-1, 1, 1200, dtype=np.float32).reshape(3, 400)


@pytest.fixture
def path(tmp_path):
    """A model as ONNX saves it with its weights in another file."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 400])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="w.bin")
    return folder / "m.onnx"


def test_weights_beside_the_model_are_found(path):
    x = np.ones((2, 3), np.float32)
    found = aivm.load(path, engine="native").run({"x": x})["y"]
    np.testing.assert_allclose(found, x @ WEIGHT, rtol=1e-6)


def test_the_name_of_a_model_covers_all_its_files(path):
    before = aivm.load(path, engine="native").model_id
    weights = path.with_name("w.bin")
    data = bytearray(weights.read_bytes())
    data[0] ^= 1
    weights.write_bytes(data)
    assert aivm.load(path, engine="native").model_id != before


def test_without_the_file_there_is_a_clear_answer(path):
    path.with_name("w.bin").unlink()
    with pytest.raises(NotFound, match=r"w\.bin"):
        aivm.load(path, engine="native")


def test_a_file_that_is_too_short(path):
    path.with_name("w.bin").write_bytes(b"short")
    with pytest.raises(MalformedModel, match="ends at byte"):
        aivm.load(path, engine="native").run({"x": np.ones((2, 3), np.float32)})


def test_links_out_of_the_folder_are_refused(path, tmp_path):
    secret = tmp_path / "secret.bin"
    path.with_name("w.bin").rename(secret)
    path.with_name("w.bin").symlink_to(secret)
    with pytest.raises(UnsupportedModel, match="link out of its folder"):
        aivm.load(path, engine="native")


def test_bytes_alone_have_no_folder(path):
    with pytest.raises(AivmError, match="in another file"):
        aivm.load(path.read_bytes(), engine="native")


def test_a_file_is_mapped_once(path):
    opened = files_beside(path)
    assert opened("w.bin") is opened("w.bin")
