"""Random models of supported operators: at most 1e-5 of the scale from onnxruntime.

More of them: `python benchmarks/random_models.py 2000`.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.testing.onnx_models import random_model

TOLERANCE = 1e-5


@pytest.mark.parametrize("seed", range(40))
def test_a_random_model(seed):
    model, feeds = random_model(seed, nodes=10)
    data = model.SerializeToString()
    compiled = compile_model(data, {name: array.shape for name, array in feeds.items()})
    arrays = [feeds[name] for name in compiled.input_names]
    results = [
        open_engine(engine).load(compiled.program, compiled.constants).run(arrays)
        for engine in ("native", "wasm")
    ]
    for a, b in zip(*results, strict=True):
        assert a.tobytes() == b.tobytes()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for ours, theirs in zip(results[0], session.run(None, feeds), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        if ours.dtype != np.float32:
            assert np.array_equal(ours, theirs)
        elif ours.size:
            assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
