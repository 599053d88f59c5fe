"""`aivm run` and `aivm pack` with models and files that a stranger might bring."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

PACK = ("--name", "demo/m", "--version", "1.0.0", "--license", "MIT")


def save_model(path: Path, kind: int = TensorProto.FLOAT) -> Path:
    """y = x * w, with x and w of shape [rows, 2]."""
    inputs = [helper.make_tensor_value_info(name, kind, ["rows", 2]) for name in "xw"]
    outputs = [helper.make_tensor_value_info("y", kind, ["rows", 2])]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", inputs, outputs)
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return path


def test_float16_in_and_out_and_verified(aivm: Any, home: Path) -> None:
    model = save_model(home / "half.onnx", TensorProto.FLOAT16)
    x = np.array([[1.5, -2]], np.float16)
    np.savez(home / "in.npz", x=x, w=x)
    done = aivm(
        *("run", model, "--input", home / "in.npz", "--json"),
        *("--output", home / "out.npz", "--receipt", home / "r.json"),
    )
    assert done.status == 0, done
    assert done.document["outputs"]["y"]["dtype"] == "float16"
    assert done.document["outputs"]["y"]["data"] == [[2.25, 4]]
    with np.load(home / "out.npz") as saved:
        assert saved["y"].dtype == np.float16
    verify = ("verify", home / "r.json", "--model", model, "--input", home / "in.npz", "--json")
    assert aivm(*verify).status == 0
    np.savez(home / "in.npz", x=-x, w=x)
    assert aivm(*verify).status == 3


def test_a_bound_input_needs_no_shape(aivm: Any, home: Path, key: Any) -> None:
    assert key.address
    model = save_model(home / "m.onnx")
    np.save(home / "w.npy", np.full((1, 2), 3, np.float32))
    bind = ("--bind", f"w={home / 'w.npy'}")
    done = aivm("pack", model, *PACK, *bind, "--out", home / "p", "--json")
    assert done.status == 0, done
    np.savez(home / "in.npz", x=np.ones((1, 2), np.float32))
    done = aivm("run", home / "p", "--input", home / "in.npz", "--json")
    assert done.document["outputs"]["y"]["data"] == [[3, 3]]


def test_a_model_without_inputs_runs_on_an_empty_file(aivm: Any, home: Path) -> None:
    constant = numpy_helper.from_array(np.array([1, 2]), "y")
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT64, [2])]
    graph = helper.make_graph([], "g", [], outputs, [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (home / "m.onnx").write_bytes(model.SerializeToString())
    np.savez(home / "none.npz")
    done = aivm("run", home / "m.onnx", "--input", home / "none.npz", "--json")
    assert (done.status, done.document["outputs"]["y"]["data"]) == (0, [1, 2])


def test_an_empty_file_is_named_by_what_it_lacks(aivm: Any, home: Path) -> None:
    np.savez(home / "none.npz")
    model = save_model(home / "m.onnx")
    done = aivm("run", model, "--input", home / "none.npz", "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0104")
    assert done.document["error"]["message"] == "input 'x' is missing"
    assert done.document["error"]["hint"] == "Inputs: x, w"


@pytest.mark.parametrize("folder", ["two words", "[bold]", "ü"])
def test_what_is_suggested_next_can_be_pasted(aivm: Any, home: Path, folder: str) -> None:
    (home / folder).mkdir()
    model = save_model(home / folder / "m.onnx")
    np.savez(home / "in.npz", **{name: np.ones((1, 2), np.float32) for name in "xw"})
    receipt = home / folder / "r.json"
    done = aivm("run", model, "--input", home / "in.npz", "--receipt", receipt)
    assert done.status == 0
    assert "next: " in done.err
    command = shlex.split(done.err.partition("next: ")[2].replace("...", str(home / "in.npz")))
    assert aivm(*command[1:]).status == 0


def test_a_run_leaves_what_it_takes_to_check_it(aivm: Any, home: Path) -> None:
    model = save_model(home / "half.onnx", TensorProto.FLOAT16)
    x = np.array([[1.5, -2]], np.float16)
    np.savez(home / "in.npz", x=x, w=x)
    done = aivm(
        *("run", model, "--input", home / "in.npz", "--json"),
        *("--receipt", home / "r.json", "--inputs", home / "taken.npz"),
    )
    assert done.status == 0, done
    with np.load(home / "taken.npz") as taken:
        assert sorted(taken) == ["w", "x"]
        assert taken["x"].tobytes() == x.tobytes()
    verify = ("verify", home / "r.json", "--model", model, "--input", home / "taken.npz", "--json")
    assert aivm(*verify).status == 0
    missing = home / "nowhere" / "taken.npz"
    refused = aivm("run", model, "--input", home / "in.npz", "--inputs", missing, "--json")
    assert (refused.status, refused.document["error"]["code"]) == (4, "AIVM-E0301")
    refused = aivm("run", model, "--text", "a", "--inputs", home / "t.npz", "--json")
    assert refused.status == 2
