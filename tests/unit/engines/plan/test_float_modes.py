"""A thread that flushes subnormals or rounds otherwise: no engine may give other bits for it."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from aivm import kernels
from aivm.commitments import Array
from aivm.engines import open_engine
from aivm.engines.native import NativeEngine
from aivm.errors import EngineUnavailable
from aivm.isa import Function, Map, Program, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing.engines import same

if platform.machine() not in ("x86_64", "AMD64"):
    pytest.skip("MXCSR is x86-64's", allow_module_level=True)

from aivm.testing.float_mode import (
    FLUSH_TO_ZERO,
    ROUND_DOWN,
    ROUND_TO_ZERO,
    ROUND_UP,
    SUBNORMALS_ARE_ZERO,
    float_mode,
    mxcsr,
)

MODES = [FLUSH_TO_ZERO, SUBNORMALS_ARE_ZERO, ROUND_DOWN, ROUND_UP, ROUND_TO_ZERO]
VECTOR = TensorType(DType.F32, (64,))
PROGRAM = Program((VECTOR, VECTOR), (), (Map(Function.MUL, (0, 1), VECTOR),), (2,))


def inputs() -> list[Array]:
    """Products that are subnormal, of subnormals, or not exact."""
    rng = np.random.default_rng(0)
    scale = np.float32(2) ** rng.integers(-80, -50, size=(2, 64)).astype(np.float32)
    values = rng.normal(size=(2, 64)).astype(np.float32) * scale
    values[0, ::4] = np.float32(1e-42)
    values[1, ::4] = np.float32(3.3)
    return list(values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", kernels.native_targets())
def test_native_kernels_set_the_mode_and_put_it_back(target: str, mode: int) -> None:
    (expected,) = open_engine("reference").load(PROGRAM, []).run(inputs())
    executable = NativeEngine(kernels.library(target), 2, None, None).load(PROGRAM, [])
    arrays = inputs()
    with float_mode(mode):
        (result,) = executable.run(arrays)
        left = mxcsr()
    executable.close()
    assert same(result, expected)
    assert left & mode == mode


@pytest.mark.parametrize("mode", MODES)
def test_the_wasm_engine_refuses(mode: int) -> None:
    executable = open_engine("wasm").load(PROGRAM, [])
    arrays = inputs()
    (expected,) = executable.run(arrays)
    with float_mode(mode), pytest.raises(EngineUnavailable, match="numerics 1"):
        executable.run(arrays)
    (again,) = executable.run(arrays)
    executable.close()
    assert same(again, expected)
