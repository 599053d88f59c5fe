"""Chains by hand: their order is what makes the bits, so each test uses numbers that tell."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from aivm.isa import MatMul, Rank, Reduce, Reduction, Scatter, Scattering, TensorType
from aivm.isa.chains import SUM_LANES, broadcast_index, chain, chain_length
from aivm.isa.operands import ScalarOperands
from aivm.numerics.dtypes import DType
from aivm.numerics.machine import word_of

NAN = float("nan")
INF = float("inf")


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def reduce_floats(function: Reduction, values: Sequence[float]) -> int:
    """The word of the whole sequence reduced."""
    dtype = DType.I64 if function >= Reduction.ARG_MAX else DType.F32
    instruction = Reduce(function, (0,), TensorType(dtype, ()), 1, len(values), 1)
    operands = ScalarOperands([f32(len(values))], [floats(*values)])
    return chain(operands, instruction, 0).run()


def test_matmul_steps_are_fused_and_ascend_from_plus_zero() -> None:
    # (1 + 2**-12)**2 = 1 + 2**-11 + 2**-24, and rounding the product would lose the last term.
    a, b = floats(1.0, 1.0 + 2**-12), floats(-1.0 - 2**-11, 1.0 + 2**-12)
    instruction = MatMul((0, 1), f32(1, 1))
    whole = chain(ScalarOperands([f32(1, 2), f32(2, 1)], [a, b]), instruction, 0)
    first = whole.step(whole.start(), 0)
    assert (whole.length, whole.start(), first) == (2, (0,), (word_of(-1.0 - 2**-11),))
    assert whole.finish(whole.step(first, 1)) == word_of(2.0**-24)


def test_matmul_without_depth_is_plus_zero() -> None:
    operands = ScalarOperands([f32(1, 0), f32(0, 1)], [b"", b""])
    assert chain(operands, MatMul((0, 1), f32(1, 1)), 0).run() == 0


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_matmul_reads_rows_and_columns(transpose_a: bool, transpose_b: bool) -> None:
    """Each element tells which rows and columns met: a counts in units, b in thousands."""
    a, b = (f32(3, 2) if transpose_a else f32(2, 3)), (f32(2, 3) if transpose_b else f32(3, 2))
    one_hot = [1.0 if i in ((0, 3) if transpose_a else (0, 4)) else 0.0 for i in range(6)]
    data = [floats(*one_hot), floats(*(float(i) for i in range(6)))]
    instruction = MatMul((0, 1), f32(2, 2), transpose_a, transpose_b)
    operands = ScalarOperands([a, b], data)
    result = [chain(operands, instruction, index).run() for index in range(4)]
    # Row 0 of a picks k = 0, row 1 picks k = 1.
    expected = [0, 3, 1, 4] if transpose_b else [0, 1, 2, 3]
    assert result == [word_of(float(value)) for value in expected]
    assert chain_length(instruction, operands.types) == 3


def test_float_sum_has_sixteen_lanes_and_a_halving_tree() -> None:
    big = 2.0**24
    # One chain would lose both ones in big; here 1 + 1 meet first in lane 1.
    assert reduce_floats(Reduction.SUM, [big, 1.0, *[0.0] * 15, 1.0]) == word_of(big + 2)
    # Lanes 0 and 8 meet before 0 and 1: big - big cancels, the one survives.
    assert reduce_floats(Reduction.SUM, [big, 1.0, *[0.0] * 6, -big]) == word_of(1.0)
    # Lanes 0 and 1 meet last: 0 and 2 have met before, so the one of lane 2 is lost.
    assert reduce_floats(Reduction.SUM, [big, -big, 1.0]) == word_of(0.0)
    # Lane 0 takes element 16 after element 0.
    assert reduce_floats(Reduction.SUM, [big, 1.0, *[0.0] * 14, -big]) == word_of(1.0)


def test_a_state_of_a_float_sum_is_its_lanes() -> None:
    instruction = Reduce(Reduction.SUM, (0,), f32(), 1, 17, 1)
    operands = ScalarOperands([f32(17)], [floats(*[1.0] * 17)])
    whole = chain(operands, instruction, 0)
    state = whole.start()
    for k in range(whole.length):
        state = whole.step(state, k)
    assert state == (word_of(2.0), *[word_of(1.0)] * (SUM_LANES - 1))


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (Reduction.SUM, [], 0),
        (Reduction.SUM, [-0.0], 0),
        (Reduction.PROD, [], word_of(1.0)),
        (Reduction.PROD, [3.0, -0.0], word_of(-0.0)),
        (Reduction.PROD, [2.0**127, 2.0, 0.5], word_of(INF)),
        (Reduction.MAX, [-INF, -5.0], word_of(-5.0)),
        (Reduction.MAX, [-0.0, 0.0, -0.0], word_of(0.0)),
        (Reduction.MIN, [0.0, -0.0, 0.0], word_of(-0.0)),
        (Reduction.MIN, [INF, INF], word_of(INF)),
        (Reduction.ARG_MAX, [1.0, 3.0, 3.0], 1),
        (Reduction.ARG_MIN, [1.0, 3.0, 1.0], 0),
        (Reduction.ARG_MAX, [-INF, -INF], 0),
        (Reduction.ARG_MAX, [-0.0, 0.0], 0),
        (Reduction.ARG_MAX, [1.0, NAN, 9.0, NAN], 1),
        (Reduction.ARG_MIN, [1.0, NAN, -9.0], 1),
        (Reduction.ARG_MIN, [NAN, -INF], 0),
    ],
)
def test_float_reductions(function: Reduction, values: list[float], expected: int) -> None:
    assert reduce_floats(function, values) == expected


@pytest.mark.parametrize("function", [Reduction.MAX, Reduction.MIN])
def test_extremes_propagate_nan(function: Reduction) -> None:
    word = reduce_floats(function, [1.0, NAN, INF, -INF])
    assert word & 0x7FFFFFFF > 0x7F800000


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (Reduction.SUM, [100, 100], -56),
        (Reduction.PROD, [16, 16, 16], 0),
        (Reduction.PROD, [], 1),
        (Reduction.MAX, [-128, -127], -127),
        (Reduction.MIN, [127, 126], 126),
        (Reduction.ARG_MAX, [-128, -128], 0),
        (Reduction.ARG_MIN, [3, -1, -1], 1),
    ],
)
def test_integer_reductions(function: Reduction, values: list[int], expected: int) -> None:
    dtype = DType.I64 if function >= Reduction.ARG_MAX else DType.I8
    instruction = Reduce(function, (0,), TensorType(dtype, ()), 1, len(values), 1)
    types = [TensorType(DType.I8, (len(values),))]
    operands = ScalarOperands(types, [struct.pack(f"{len(values)}b", *values)])
    assert chain(operands, instruction, 0).run() == expected


def test_reduce_reads_along_the_middle_axis() -> None:
    data = bytes(range(2 * 3 * 4))
    operands = ScalarOperands([TensorType(DType.U8, (2, 3, 4))], [data])
    instruction = Reduce(Reduction.SUM, (0,), TensorType(DType.U8, (2, 4)), 2, 3, 4)
    sums = [chain(operands, instruction, index).run() for index in range(8)]
    assert sums == [0 + 4 + 8, 15, 18, 21, 12 + 16 + 20, 51, 54, 57]


@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        ((2, 3), (2, 3), [0, 1, 2, 3, 4, 5]),
        ((2, 3), (3,), [0, 1, 2, 0, 1, 2]),
        ((2, 3), (2, 1), [0, 0, 0, 1, 1, 1]),
        ((2, 3), (1, 3), [0, 1, 2, 0, 1, 2]),
        ((2, 3), (), [0] * 6),
        ((2, 1, 2), (2, 1, 1), [0, 0, 1, 1]),
    ],
)
def test_broadcast_index(
    target: tuple[int, ...], source: tuple[int, ...], expected: list[int]
) -> None:
    assert [broadcast_index(index, target, source) for index in range(len(expected))] == expected


def integers(dtype: DType, *values: int) -> bytes:
    size = dtype.size_bytes
    return b"".join(value.to_bytes(size, "little", signed=dtype.is_signed) for value in values)


def test_products_of_bytes_are_exact_and_their_sum_wraps() -> None:
    types = [TensorType(DType.U8, (1, 2)), TensorType(DType.I8, (2, 1))]
    data = [integers(DType.U8, 255, 200), integers(DType.I8, -128, 3)]
    instruction = MatMul((0, 1), TensorType(DType.I32, (1, 1)))
    whole = chain(ScalarOperands(types, data), instruction, 0)
    assert whole.run() == 255 * -128 + 600
    assert whole.step((2**31 - 1,), 1) == (2**31 - 1 + 600 - 2**32,)


def scattered(function: Scattering, data: Sequence[float], index: Sequence[int]) -> list[int]:
    """The updates are 10, 20, 30..."""
    updates = [10.0 * (j + 1) for j in range(len(index))]
    types = [f32(len(data)), TensorType(DType.I32, (len(index),)), f32(len(index))]
    given = ScalarOperands(types, [floats(*data), integers(DType.I32, *index), floats(*updates)])
    instruction = Scatter(function, (0, 1, 2), f32(len(data)), 1, len(data), 1)
    assert chain_length(instruction, types) == len(index)
    return [chain(given, instruction, j).run() for j in range(len(data))]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Scattering.REPLACE, [1.0, 30.0, 20.0]),
        (Scattering.ADD, [1.0, 42.0, 23.0]),
        (Scattering.MUL, [1.0, 600.0, 60.0]),
        (Scattering.MAX, [1.0, 30.0, 20.0]),
        (Scattering.MIN, [1.0, 2.0, 3.0]),
    ],
)
def test_scatter_meets_updates_in_their_order(
    function: Scattering, expected: Sequence[float]
) -> None:
    result = scattered(function, [1.0, 2.0, 3.0], [1, -1, -2])
    assert result == [word_of(value) for value in expected]


def test_scatter_passes_over_an_index_outside() -> None:
    assert scattered(Scattering.REPLACE, [1.0], [1, -2, 0, 7]) == [word_of(30.0)]


def test_scatter_adds_in_order() -> None:
    big = 2.0**24
    types = [f32(1), TensorType(DType.I32, (2,)), f32(2)]
    instruction = Scatter(Scattering.ADD, (0, 1, 2), f32(1), 1, 1, 1)
    for updates, total in (([big, -big], 0.0), ([-big, big], 1.0)):
        data = [floats(1.0), integers(DType.I32, 0, 0), floats(*updates)]
        assert chain(ScalarOperands(types, data), instruction, 0).run() == word_of(total)


def ranks(values: Sequence[float], *, descending: bool) -> list[int]:
    type_ = TensorType(DType.I64, (len(values),))
    instruction = Rank((0,), type_, 1, len(values), 1, descending)
    given = ScalarOperands([f32(len(values))], [floats(*values)])
    return [chain(given, instruction, k).run() for k in range(len(values))]


def test_rank_is_stable_and_puts_nan_above_every_number() -> None:
    values = [2.0, NAN, -0.0, INF, 0.0, -INF, 2.0, -NAN]
    assert ranks(values, descending=False) == [3, 6, 1, 5, 2, 0, 4, 7]
    assert ranks(values, descending=True) == [3, 0, 5, 2, 6, 7, 4, 1]


def test_rank_sorts_lines_of_the_middle_axis() -> None:
    type_ = TensorType(DType.I8, (2, 3, 2))
    instruction = Rank((0,), TensorType(DType.I64, (2, 3, 2)), 2, 3, 2)
    given = ScalarOperands([type_], [integers(DType.I8, 5, -1, 5, 0, 4, -1, 1, 2, 3, 3, 2, 1)])
    result = [chain(given, instruction, k).run() for k in range(12)]
    assert result == [1, 0, 2, 2, 0, 1, 0, 1, 2, 2, 1, 0]
