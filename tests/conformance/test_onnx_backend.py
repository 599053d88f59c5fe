"""The ONNX project's own node tests, through the public `onnx.backend` interface.

Every case whose tensors are of plain dtypes is run, on every engine. A case counts as passed only
if a program was compiled, gave the expected outputs, and the same bytes on all engines; a refusal
is counted apart, never as a pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto
from onnx.backend.base import Backend, BackendRep
from onnx.backend.test.case.test_case import TestCase as Case
from onnx.backend.test.loader import load_model_tests

from aivm.compiler import CompiledModel, compile_model
from aivm.engines import engine_names, open_engine
from aivm.errors import UnsupportedModel

Array = np.ndarray[Any, Any]
PLAIN = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.BOOL,
    TensorProto.UINT8,
    TensorProto.INT8,
)
# What the suite itself allows.
RTOL, ATOL = 1e-3, 1e-7
# Inputs that a shape may depend on are small; they are bound where a program needs them.
MAX_BOUND_ELEMENTS = 64
# May only grow: how many cases passed when this was last changed.
PASSED = 1190


class Prepared(BackendRep):
    """A model that is compiled anew for the shapes of every run."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model

    def run(self, inputs: Sequence[Any], **_: Any) -> tuple[Array, ...]:
        names = [value.name for value in self._model.graph.input]
        feeds = {
            name: np.asarray(array)
            for name, array in zip(names, inputs, strict=False)
            if array is not None
        }
        compiled = self._compiled(feeds)
        arrays = [feeds[name] for name in compiled.input_names]
        results = [_run(engine, compiled, arrays) for engine in engine_names()]
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                assert a.tobytes() == b.tobytes(), "two engines differ"
        return tuple(results[0])

    def _compiled(self, feeds: dict[str, Array]) -> CompiledModel:
        try:
            return compile_model(self._model, {name: a.shape for name, a in feeds.items()})
        except UnsupportedModel as error:
            small = {
                name: array
                for name, array in feeds.items()
                if array.ndim == 0
                or (array.dtype.kind in "iub" and array.size <= MAX_BOUND_ELEMENTS)
            }
            if "bindings" not in error.hint or not small:
                raise
        shapes = {name: a.shape for name, a in feeds.items() if name not in small}
        return compile_model(self._model, shapes, bindings=small)


def _run(engine: str, compiled: CompiledModel, arrays: list[Array]) -> list[Array]:
    executable = open_engine(engine).load(compiled.program, compiled.constants)
    try:
        return executable.run(arrays)
    finally:
        executable.close()


class AivmBackend(Backend):
    """AIVM as a backend of ONNX."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **_: Any) -> Prepared:
        assert device == "CPU"
        return Prepared(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


def is_plain(case: Case) -> bool:
    values = [*case.model.graph.input, *case.model.graph.output]
    return all(
        value.type.HasField("tensor_type") and value.type.tensor_type.elem_type in PLAIN
        for value in values
    )


def outcome(case: Case) -> str:
    """'passed', 'refused', or what went wrong."""
    prepared = AivmBackend.prepare(case.model)
    for inputs, expected in case.data_sets:
        try:
            found = prepared.run(inputs)
        except UnsupportedModel:
            return "refused"
        for ours, theirs in zip(found, expected, strict=True):
            wanted = np.asarray(theirs)
            if (ours.dtype, ours.shape) != (wanted.dtype, wanted.shape):
                return f"{ours.dtype}{ours.shape} instead of {wanted.dtype}{wanted.shape}"
            if not np.allclose(ours, wanted, rtol=RTOL, atol=ATOL, equal_nan=True):
                return "other values"
    return "passed"


@pytest.mark.timeout(300)  # all engines, one after the other
@pytest.mark.filterwarnings("ignore")  # the suite's generators divide by zero on purpose
def test_every_node_test_of_plain_dtypes_passes_or_is_refused(capsys):
    outcomes = {
        case.name: outcome(case) for case in load_model_tests(kind="node") if is_plain(case)
    }
    counts = Counter(outcomes.values())
    with capsys.disabled():
        print(f"\nONNX node tests, plain dtypes: {dict(counts)}")  # noqa: T201
    wrong = {name: what for name, what in outcomes.items() if what not in ("passed", "refused")}
    assert not wrong
    assert counts["passed"] >= PASSED
