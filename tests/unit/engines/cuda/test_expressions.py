"""Offsets and conversions as C text, evaluated."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aivm.engines.cuda.expressions import NARROW_LIMIT, cast_of, function_of, is_wide, walk
from aivm.isa.opcodes import Function
from aivm.isa.signatures import FUNCTIONS, can_cast
from aivm.kernels import cuda_source
from aivm.numerics.dtypes import DType


def evaluated(expression: str, index: int) -> int:
    """C with non-negative divisions, in Python."""
    text = re.sub(r"\([iu](32|64)\)", "", expression).replace("/", "//")
    return int(eval(text, {"f": index}))


@pytest.mark.parametrize(
    ("sizes", "strides"),
    [
        ((4, 5), (5, 1)),
        ((4, 5), (0, 1)),
        ((4, 5), (1, 0)),
        ((2, 3, 4), (-12, 40, -1)),
        ((2, 1, 3, 1), (7, 99, 2, 5)),
        ((1, 1), (3, 4)),
        ((), ()),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_a_walk_goes_where_strides_say(
    sizes: tuple[int, ...], strides: tuple[int, ...], wide: bool
) -> None:
    expression = walk("f", sizes, strides, wide=wide)
    for number, index in enumerate(np.ndindex(sizes)):
        offset = sum(at * stride for at, stride in zip(index, strides, strict=True))
        assert evaluated(expression, number) == offset


def test_a_dense_walk_is_the_index_itself() -> None:
    assert walk("f", (3, 4, 5), (20, 5, 1), wide=False) == "(i32)(f)"


def test_large_walks_are_wide() -> None:
    assert not is_wide((NARROW_LIMIT - 1,), [])
    assert is_wide((NARROW_LIMIT,), [])
    assert is_wide((1 << 16, 2), [(1, -(1 << 30))])


def test_every_function_and_conversion_is_written_somewhere() -> None:
    """Each name that an expression calls is defined in the kernels' source."""
    text = cuda_source()
    for function, signature in FUNCTIONS.items():
        for dtype in signature.accepted:
            expression = function_of(function, dtype, ["x", "y", "z"][: signature.arity])
            called = re.findall(r"\b([A-Za-z]\w*)(?:<\w+>)?\(", expression)
            assert called or function is Function.SELECT
            assert all(f" {name}(" in text for name in called), expression
    for source in DType:
        for target in DType:
            if can_cast(source, target):
                called = re.findall(r"\b([a-z]\w*)(?:<\w+>)?\(", cast_of(source, target, "x"))
                assert all(f" {name}(" in text for name in called)
