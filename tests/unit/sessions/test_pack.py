from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tests.unit.sessions.conftest import LLAMA, Pack, recurrent_model

from aivm.chain.account import Account
from aivm.errors import BadInput, MalformedPackage, UnsupportedModel
from aivm.packages import Package, StatePair
from aivm.sessions import SessionPlan, pack_session


def test_the_same_model_and_plan_give_the_same_package(llama: Package, pack: Pack) -> None:
    again = pack(
        (LLAMA / "llama.onnx").read_bytes(), SessionPlan((4, 16, 64), capacity=256, stop=(0,))
    )
    assert [entry.name for entry in again.manifest.entries] == [
        *("step", "block-4", "block-16", "block-64", "sampler")
    ]
    assert again.manifest.entries == llama.manifest.entries
    assert again.manifest.session == llama.manifest.session


def test_blocks_compute_no_logits(llama: Package) -> None:
    step, block = llama.manifest.entry("step"), llama.manifest.entry("block-4")
    assert {port.name for port in step.outputs} - {port.name for port in block.outputs} == {
        "logits"
    }
    assert len(llama.program("block-4").instructions) < len(llama.program("step").instructions) - 30
    assert block.gas_units < 3 * step.gas_units


def growing_cache() -> bytes:
    """A cache to which each run adds a row, as exporters write it by default."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["row"]),
        helper.make_node("Concat", ["past_rows", "row"], ["present_rows"], axis=1),
        helper.make_node("ReduceSum", ["present_rows", "axis"], ["logits"], keepdims=0),
    ]
    constants = {"table": np.eye(4, dtype=np.float32), "axis": np.array([1], np.int64)}
    cache = value("past_rows", TensorProto.FLOAT, [1, "P", 4])
    longer = value("present_rows", TensorProto.FLOAT, [1, "N", 4])
    graph = helper.make_graph(
        nodes,
        "growing",
        [value("tokens", TensorProto.INT64, [1, 1]), cache],
        [value("logits", TensorProto.FLOAT, [1, 4]), longer],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def test_a_cache_that_grows_is_refused_with_what_to_do(pack: Pack) -> None:
    with pytest.raises(UnsupportedModel, match=r"open shape \[1, 'P', 4\]") as caught:
        pack(growing_cache(), SessionPlan())
    assert "fixed capacity" in caught.value.hint
    with pytest.raises(UnsupportedModel, match=r"goes in as \[1, 7, 4\].*as \[1, 8, 4\]") as caught:
        pack(growing_cache(), SessionPlan(shapes={"past_rows": (1, 7, 4)}))
    assert "fixed capacity" in caught.value.hint


def test_an_open_batch_is_given_as_a_shape(pack: Pack) -> None:
    model = ModelProto.FromString(recurrent_model("GRU", ("*", "*_next")))
    for info in (model.graph.input[1], model.graph.output[1]):
        info.type.tensor_type.shape.dim[1].dim_param = "N"
    with pytest.raises(UnsupportedModel, match="open shape"):
        pack(model.SerializeToString(), SessionPlan())
    package = pack(model.SerializeToString(), SessionPlan(shapes={"h": (1, 1, 8)}))
    assert package.manifest.session is not None
    assert package.manifest.session.states == (StatePair("h", "h_next"),)


@pytest.mark.parametrize("blocks", [(1,), (0,), (4, 4), (-2,)])
def test_a_block_has_a_size_of_its_own(pack: Pack, blocks: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="blocks"):
        pack(recurrent_model("GRU", ("*", "*_next")), SessionPlan(blocks=blocks))


def test_a_model_with_positions_needs_a_capacity(pack: Pack) -> None:
    with pytest.raises(BadInput, match="position"):
        pack((LLAMA / "llama.onnx").read_bytes(), SessionPlan())


def test_a_stop_token_is_a_token(pack: Pack) -> None:
    with pytest.raises(MalformedPackage, match="stop token"):
        pack(recurrent_model("GRU", ("*", "*_next")), SessionPlan(stop=(11,)))


def test_logits_must_be_f32(pack: Pack) -> None:
    model = ModelProto.FromString(recurrent_model("GRU", ("*", "*_next")))
    model.graph.node.append(helper.make_node("Cast", ["logits"], ["half"], to=TensorProto.FLOAT16))
    model.graph.output[0].name = "half"
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(UnsupportedModel, match="'half' are F16"):
        pack(model.SerializeToString(), SessionPlan())


def test_an_input_can_be_fixed(pack: Pack) -> None:
    model = ModelProto.FromString(recurrent_model("GRU", ("*", "*_next")))
    scale = helper.make_tensor_value_info("scale", TensorProto.FLOAT, [])
    model.graph.input.append(scale)
    model.graph.node.append(helper.make_node("Mul", ["logits", "scale"], ["scaled"]))
    model.graph.output[0].name = "scaled"
    with pytest.raises(UnsupportedModel, match="'scale' is neither"):
        pack(model.SerializeToString(), SessionPlan())
    bindings: dict[str, Any] = {"scale": np.array(2, np.float32)}
    package = pack(model.SerializeToString(), SessionPlan(bindings=bindings))
    assert [port.name for port in package.manifest.inputs] == ["tokens", "h"]


def test_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    about: Any = {"name": "demo/x", "version": "1.0.0", "license": "Apache-2.0", "created": 0}
    model, signer = recurrent_model("GRU", ("*", "*_next")), Account(b"\x07" * 32)
    with pytest.raises(MalformedPackage):
        pack_session(
            model, SessionPlan(stop=(11,)), out_dir=tmp_path / "out", signer=signer, **about
        )
    assert list(tmp_path.iterdir()) == []
