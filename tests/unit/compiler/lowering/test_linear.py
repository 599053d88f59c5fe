import numpy as np
import pytest

F32 = np.float32
SHAPES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (6, 4, 5)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((3, 0), (0, 5)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_matmul(agree, rng, shapes):
    a, b = (rng.normal(size=shape).astype(F32) for shape in shapes)
    agree("MatMul", {"a": a, "b": b})


@pytest.mark.parametrize("shapes", SHAPES[:6], ids=str)
def test_integer_matmul(agree, rng, shapes):
    a, b = (rng.integers(-9, 9, shape).astype(np.int32) for shape in shapes)
    agree("MatMul", {"a": a, "b": b})


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("c_shape", [None, (), (5,), (3, 1), (3, 5)])
def test_gemm(agree, rng, trans_a, trans_b, c_shape):
    feeds = {
        "a": rng.normal(size=(4, 3) if trans_a else (3, 4)).astype(F32),
        "b": rng.normal(size=(5, 4) if trans_b else (4, 5)).astype(F32),
    }
    if c_shape is not None:
        feeds["c"] = rng.normal(size=c_shape).astype(F32)
    agree("Gemm", feeds, transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0)
