from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from aivm.compiler import detach, load_model
from aivm.errors import WrongTensor

LARGE = np.arange(1024, dtype=np.float32)
SMALL = np.arange(4, dtype=np.float32)


def model() -> ModelProto:
    """y = x + LARGE (an initializer) + LARGE reversed (a Constant node) + SMALL + z."""
    constant = numpy_helper.from_array(LARGE[::-1].copy(), "reversed")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=constant),
        helper.make_node("Sum", ["x", "large", "c", "small", "z"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1024]) for n in ("x", "z")]
    small = np.resize(SMALL, 1)
    weights = [numpy_helper.from_array(LARGE, "large"), numpy_helper.from_array(small, "small")]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1024])]
    graph = helper.make_graph(nodes, "g", ports, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_large_tensors_come_apart_and_are_found_again() -> None:
    detached = detach(load_model(model()))
    assert [array.tolist() for array in detached.arrays] == [LARGE.tolist(), LARGE[::-1].tolist()]
    data = detached.to_bytes([("weights", 64), ("weights", 64 + LARGE.nbytes)])
    assert len(data) < 1024
    content = bytes(64) + LARGE.tobytes() + LARGE[::-1].tobytes()
    again = detach(load_model(data, lambda _: memoryview(content)))
    for ours, theirs in zip(again.arrays, detached.arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_model_itself_is_not_changed() -> None:
    checked = load_model(model())
    before = checked.proto.SerializeToString()
    detach(checked, {"z": LARGE}).to_bytes([("w", 0)] * 3)
    assert checked.proto.SerializeToString() == before


def test_a_bound_input_becomes_a_constant() -> None:
    detached = detach(load_model(model()), {"z": LARGE * 2})
    assert [info.name for info in detached.proto.graph.input] == ["x"]
    assert len(detached.arrays) == 3
    with pytest.raises(WrongTensor, match="'z'"):
        detach(load_model(model()), {"z": LARGE.astype(np.int64)})
