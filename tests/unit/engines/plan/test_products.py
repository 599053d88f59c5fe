"""Products of bytes: every signedness, stride, batch and edge gives the exact wrapping sums."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from aivm.commitments import Array, tensor_root
from aivm.isa import Constant, MatMul, Program, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing.engines import differences

NUMPY = {DType.I8: np.int8, DType.U8: np.uint8}
SIGNS = tuple(product((DType.I8, DType.U8), repeat=2))


def check(
    a: Array, b: Array, dtypes: tuple[DType, DType], constant: bool, *transposed: bool
) -> None:
    """Runs the product on every engine, b as an input or as a constant."""
    transpose_a, transpose_b = transposed or (False, False)
    x, y = (np.swapaxes(m, -1, -2) if t else m for m, t in ((a, transpose_a), (b, transpose_b)))
    expected = (x.astype(np.int64) @ y.astype(np.int64)).astype(np.int32)
    types = [TensorType(dtype, m.shape) for dtype, m in zip(dtypes, (a, b), strict=True)]
    constants = (Constant(types[1], tensor_root(b, dtypes[1])),) if constant else ()
    result = TensorType(DType.I32, expected.shape)
    product_ = MatMul((0, 1), result, transpose_a, transpose_b)
    inputs = types[:1] if constant else types
    program = Program(tuple(inputs), constants, (product_,), (2,))
    arrays = [a] if constant else [a, b]
    assert not list(differences(program, [b] if constant else [], arrays, [expected]))


def random_bytes(rng: np.random.Generator, dtype: DType, *shape: int) -> Array:
    info = np.iinfo(NUMPY[dtype])
    return rng.integers(info.min, info.max + 1, shape).astype(NUMPY[dtype])


@pytest.mark.parametrize("dtypes", SIGNS)
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 7, 200), (2, 5, 33), (9, 64, 64), (70, 131, 97)])
def test_sizes_around_every_edge(dtypes: tuple[DType, DType], size: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    m, k, n = size
    a, b = random_bytes(rng, dtypes[0], m, k), random_bytes(rng, dtypes[1], k, n)
    check(a, b, dtypes, constant=False)
    check(a, b, dtypes, constant=True)


@pytest.mark.parametrize("dtypes", SIGNS)
@pytest.mark.parametrize("transposed", [(True, False), (False, True), (True, True)])
def test_transposed_and_batched(dtypes: tuple[DType, DType], transposed: tuple[bool, bool]) -> None:
    rng = np.random.default_rng(2)
    a = random_bytes(rng, dtypes[0], 3, 1, *((17, 5) if transposed[0] else (5, 17)))
    b = random_bytes(rng, dtypes[1], 4, *((35, 17) if transposed[1] else (17, 35)))
    check(a, b, dtypes, False, *transposed)
    check(a, b, dtypes, True, *transposed)


@pytest.mark.parametrize("dtypes", SIGNS)
def test_the_greatest_sums_wrap(dtypes: tuple[DType, DType]) -> None:
    """140,000 products of the extremes leave 32 bits."""
    extremes = [np.iinfo(NUMPY[dtype]) for dtype in dtypes]
    for low_a, low_b in product((True, False), repeat=2):
        a = np.full((2, 140_000), extremes[0].min if low_a else extremes[0].max, NUMPY[dtypes[0]])
        b = np.full((140_000, 3), extremes[1].min if low_b else extremes[1].max, NUMPY[dtypes[1]])
        check(a, b, dtypes, constant=True)
