from __future__ import annotations

import numpy as np
import pytest

from aivm import kernels
from aivm.commitments import tensor_root
from aivm.engines import open_engine
from aivm.engines.native.engine import NativeMachine
from aivm.errors import TooLarge
from aivm.isa import Constant, Gather, MatMul, Program, TensorType
from aivm.numerics.dtypes import DType


def test_blocks_are_aligned_and_capped() -> None:
    machine = NativeMachine(kernels.library(), 1, 4096)
    assert machine.reserve(100) % 64 == 0
    assert machine.block().size == 100
    with pytest.raises(TooLarge, match="the limit is 4096"):
        machine.reserve(5000)
    machine.close()


def test_constants_are_read_where_they_are() -> None:
    """A table that is only looked up needs no copy: the limit is far below its size."""
    table = np.arange(1 << 20, dtype=np.float32).reshape(1 << 10, 1 << 10)
    kind = TensorType(DType.F32, table.shape)
    row, index = TensorType(DType.F32, (1, 1 << 10)), TensorType(DType.I64, (1,))
    constant = Constant(kind, tensor_root(table, DType.F32))
    gather = Gather((1, 0), row, 1, 1 << 10, 1 << 10)
    program = Program((index,), (constant,), (gather,), (2,))
    executable = open_engine("native", memory_limit_bytes=1 << 20).load(program, [table])
    (found,) = executable.run([np.array([5])])
    np.testing.assert_array_equal(found[0], table[5])
    executable.close()


@pytest.mark.parametrize("threads", [2, 5])
def test_many_threads_run_many_times(threads: int) -> None:
    """More threads than cores, many barriers: every run ends, with the same bits."""
    wide = TensorType(DType.F32, (40, 40))
    chain = tuple(MatMul((value, 0), wide) for value in range(60))
    program = Program((wide,), (), chain, (60,))
    x = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32) / 10
    executable = open_engine("native", threads=threads).load(program, [])
    expected = open_engine("native").load(program, []).run([x])[0].tobytes()
    assert {executable.run([x])[0].tobytes() for _ in range(20)} == {expected}
    executable.close()
