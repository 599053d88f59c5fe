"""Small ONNX models, and running them: on the reference engine and on onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from aivm.compiler import compile_model
from aivm.engines import open_engine

Array = np.ndarray[Any, Any]
Feeds = Mapping[str, Array]
MakeModel = Callable[..., ModelProto]
Run = Callable[[ModelProto, Feeds], list[Array]]


def _make_model(
    nodes: Sequence[NodeProto],
    inputs: Feeds,
    outputs: Mapping[str, int],
    *,
    constants: Feeds | None = None,
    opset: int = 17,
) -> ModelProto:
    """A model for inputs like the given arrays; `outputs` maps names to ONNX element types."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in inputs.items()
        ],
        # ONNX wants some shape here; the compiler works it out for itself.
        [helper.make_tensor_value_info(name, kind, ["any"]) for name, kind in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def make_model() -> MakeModel:
    return _make_model


@pytest.fixture
def run() -> Run:
    """Compiles a model for the shapes of its feeds and runs it on the reference engine."""

    def run(model: ModelProto, feeds: Feeds) -> list[Array]:
        shapes = {name: array.shape for name, array in feeds.items()}
        compiled = compile_model(model, shapes)
        executable = open_engine("reference").load(compiled.program, compiled.constants)
        return executable.run([feeds[name] for name in compiled.input_names])

    return run


@pytest.fixture
def agree(run: Run) -> Callable[..., None]:
    """Asserts that a node gives what onnxruntime gives, within float tolerance.

    agree("Softmax", {"x": x}, axis=1, opset=11); `constants` are inputs that are initializers.
    """

    def agree(
        operator: str,
        feeds: Feeds,
        *,
        constants: Feeds | None = None,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] = ("y",),
        opset: int = 17,
        **attributes: object,
    ) -> None:
        feeds = {name: np.asarray(array) for name, array in feeds.items()}
        names = [*feeds, *(constants or {})] if inputs is None else inputs
        node = helper.make_node(operator, names, outputs, **attributes)
        wanted = {name: TensorProto.UNDEFINED for name in outputs if name}
        model = _make_model([node], feeds, wanted, constants=constants, opset=opset)
        for output in model.graph.output:
            output.ClearField("type")
        inferred = onnx.shape_inference.infer_shapes(model)
        for output in inferred.graph.output:
            if not output.type.HasField("tensor_type"):
                shapeless = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["any"])
                output.CopyFrom(shapeless)
        session = onnxruntime.InferenceSession(
            inferred.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, dict(feeds))
        for found, wanted_array in zip(run(inferred, feeds), expected, strict=True):
            assert found.dtype == wanted_array.dtype
            assert found.shape == wanted_array.shape
            np.testing.assert_allclose(found, wanted_array, rtol=1e-5, atol=3e-6)

    return agree


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
