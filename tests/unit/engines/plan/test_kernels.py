"""Each kernel family at sizes where blocks, tiles and chunks begin and end, on every engine."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from aivm.commitments import Array, numpy_dtype, tensor_root
from aivm.engines import open_engine
from aivm.isa import (
    Cast,
    Concat,
    Constant,
    Function,
    Gather,
    Instruction,
    Map,
    MatMul,
    Move,
    Program,
    Reduce,
    Reduction,
    TensorType,
)
from aivm.isa.signatures import FUNCTIONS, REDUCTIONS, can_cast
from aivm.numerics.dtypes import DType
from aivm.testing.engines import differences
from aivm.testing.tensors import random_tensor


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def check(types: list[TensorType], *instructions: Instruction, arrays: list[Array] | None = None):
    """Runs on every engine; the last instruction's result is the output."""
    rng = np.random.default_rng(5)
    inputs = arrays or [random_tensor(rng, type_) for type_ in types]
    last = len(types) + len(instructions) - 1
    program = Program(tuple(types), (), instructions, (last,))
    expected = open_engine("reference").load(program, []).run(inputs)
    assert list(differences(program, [], inputs, expected)) == []


@pytest.mark.parametrize("function", list(Function), ids=lambda function: function.name)
def test_functions_on_every_dtype(function: Function) -> None:
    signature = FUNCTIONS[function]
    for dtype in sorted(signature.accepted):
        types = [TensorType(dtype, (3, 67))] * signature.arity
        if signature.first_is_condition:
            types[0] = TensorType(DType.BOOL, (3, 67))
        result = TensorType(signature.result or dtype, (3, 67))
        check(types, Map(function, tuple(range(len(types))), result))


@pytest.mark.parametrize("shapes", [((5, 1), (1, 67)), ((), (5, 67)), ((67,), (2, 5, 1)), ((1,),)])
def test_broadcasting(shapes: tuple[tuple[int, ...], ...]) -> None:
    result = np.broadcast_shapes(*shapes)
    operands = (0, 1 % len(shapes))
    check([f32(*shape) for shape in shapes], Map(Function.SUB, operands, f32(*result)))


def test_long_rows_in_chunks_with_scratch_and_known_numbers() -> None:
    shape = f32(3, 2500)
    check(
        [shape, f32(), f32(2500)],
        Map(Function.ADD, (0, 2), shape),
        Map(Function.MUL, (3, 1), shape),
        Map(Function.ERF, (4,), shape),
        Map(Function.ADD, (5, 1), shape),
        Map(Function.MUL, (6, 3), shape),
        Map(Function.LESS, (7, 1), TensorType(DType.BOOL, shape.shape)),
        Map(Function.SELECT, (8, 7, 5), shape),
    )


@pytest.mark.parametrize("source", list(DType), ids=lambda dtype: dtype.name)
def test_casts(source: DType) -> None:
    for target in DType:
        if can_cast(source, target):
            check([TensorType(source, (301,))], Cast((0,), TensorType(target, (301,))))


@pytest.mark.parametrize("function", list(Reduction), ids=lambda function: function.name)
@pytest.mark.parametrize("view", [(3, 53, 1), (2, 35, 300), (1, 17, 3), (4, 1, 5)])
def test_reductions(function: Reduction, view: tuple[int, int, int]) -> None:
    outer, length, inner = view
    for dtype in sorted(REDUCTIONS[function].accepted):
        result = TensorType(REDUCTIONS[function].result or dtype, (outer, inner))
        types = [TensorType(dtype, (outer, length, inner))]
        check(types, Reduce(function, (0,), result, outer, length, inner))


@pytest.mark.parametrize("function", [Reduction.SUM, Reduction.PROD])
@pytest.mark.parametrize("inner", [1, 300])
def test_reductions_of_nothing(function: Reduction, inner: int) -> None:
    for dtype in sorted(REDUCTIONS[function].accepted):
        result = TensorType(dtype, (2, inner))
        check([TensorType(dtype, (2, 0, inner))], Reduce(function, (0,), result, 2, 0, inner))


def test_a_row_too_long_to_fuse() -> None:
    row, whole = f32(2, 1), f32(2, 20000)
    check(
        [whole],
        Reduce(Reduction.MAX, (0,), row, 2, 20000, 1),
        Map(Function.SUB, (0, 1), whole),
        Map(Function.EXP, (2,), whole),
        Reduce(Reduction.SUM, (3,), row, 2, 20000, 1),
        Map(Function.DIV, (3, 4), whole),
    )


@pytest.mark.parametrize("dtype", [DType.U8, DType.BF16, DType.F32, DType.I64])
@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_transposes(dtype: DType, axes: tuple[int, int, int]) -> None:
    source = (19, 35, 21)
    result = TensorType(dtype, tuple(source[axis] for axis in axes))
    move = Move((0,), result, source, axes, (1, 1, 1), (0, 0, 0))
    check([TensorType(dtype, source)], move)


@pytest.mark.parametrize(("step", "dilation", "padding"), [*product((1, 2), (1, 3), (0, 2))])
def test_convolution_windows(step: int, dilation: int, padding: int) -> None:
    """[2, 3, 11, 9] to [2, rows, columns, 3, 3, 3], as im2col reads it."""
    source = (2, 3, 11, 9)
    rows, columns = ((size + 2 * padding - dilation * 2 - 1) // step + 1 for size in source[2:])
    result = f32(2, rows, columns, 3, 3, 3)
    axes, origins = (0, 2, 3, 1, 2, 3), (0, 0, -padding, -padding)
    steps = (1, step, step, 1, dilation, dilation)
    check([f32(*source)], Move((0,), result, source, axes, steps, origins, 0x80000000))


def test_moves_backwards_and_out_of_range() -> None:
    for step, origin in product((-3, -1, 0, 2), (-4, 0, 5, 40)):
        check([f32(10)], Move((0,), f32(2, 30), (10,), (-1, 0), (0, step), (origin,), 0x3F800000))


def test_gathers_count_from_both_ends() -> None:
    index = np.array([[0, -1, 6], [-7, 3, 3]], np.int32)
    (data,) = (random_tensor(np.random.default_rng(1), f32(4, 7, 5)),)
    types = [f32(4, 7, 5), TensorType(DType.I32, (2, 3))]
    check(types, Gather((0, 1), f32(4, 2, 3, 5), 4, 7, 5), arrays=[data, index])


def test_concatenation_of_views() -> None:
    flipped = Move((0,), f32(6, 4), (4, 6), (1, 0), (-1, 1), (0, 5))
    check([f32(4, 6)], flipped, Concat((1, 1, 1), f32(6, 12), 6, (4, 4, 4), 1))


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (7, 53, 33), (100, 20, 97), (5, 400, 16)])
def test_products(m: int, k: int, n: int) -> None:
    for transpose_a, transpose_b in product((False, True), repeat=2):
        a = f32(k, m) if transpose_a else f32(m, k)
        b = f32(n, k) if transpose_b else f32(k, n)
        check([a, b], MatMul((0, 1), f32(m, n), transpose_a, transpose_b))


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 1, 5, 6), (4, 6, 7)), ((4, 5, 6), (6, 7)), ((5, 6), (2, 6, 7)), ((3, 1, 6),) * 2],
)
def test_products_of_batches(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    transposed = a == b
    columns = b[-2] if transposed else b[-1]
    shape = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], columns)
    check([f32(*a), f32(*b)], MatMul((0, 1), f32(*shape), transpose_b=transposed))


def test_a_product_over_nothing_is_zero() -> None:
    check([f32(2, 0), f32(0, 3)], MatMul((0, 1), f32(2, 3)))


def test_constant_matrices_are_packed_by_batch() -> None:
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(1, 3, 20, 17)).astype(numpy_dtype(DType.F32))
    inputs = [rng.normal(size=(2, 3, 9, 20)).astype(numpy_dtype(DType.F32))]
    product_ = MatMul((0, 1), f32(2, 3, 9, 17))
    constant = Constant(f32(1, 3, 20, 17), tensor_root(weight, DType.F32))
    program = Program((f32(2, 3, 9, 20),), (constant,), (product_,), (2,))
    expected = open_engine("reference").load(program, [weight]).run(inputs)
    assert list(differences(program, [weight], inputs, expected)) == []


def test_an_operand_that_no_single_stride_walks_inside_a_reduced_row() -> None:
    """[7, 5] + a column of another tensor, summed over everything."""
    column = Move((1,), f32(7, 1), (7, 3), (0, 1), (1, 0), (0, 2))
    add = Map(Function.ADD, (0, 2), f32(7, 5))
    check([f32(7, 5), f32(7, 3)], column, add, Reduce(Reduction.SUM, (3,), f32(1), 1, 35, 1))


def test_single_numbers_need_no_copies() -> None:
    check([f32(), f32()], Map(Function.ADD, (0, 1), f32()), Map(Function.EXP, (2,), f32()))


@pytest.mark.parametrize("function", [Function.MIN, Function.MAX], ids=lambda f: f.name)
@pytest.mark.parametrize("bound", [0, 0x80000000, 0x7FC00000, 0xFF800000, 0x7F800000, 0x3F800000])
@pytest.mark.parametrize("first", [True, False])
def test_bounds_that_are_one_number_for_all(function: Function, bound: int, first: bool) -> None:
    special = [0, 0x80000000, 1, 0x80000001, 0x7F800000, 0xFF800000, 0x7FC00000, 0x3F800000]
    x = np.array((special * 6)[:43] * 3, np.uint32).view(np.float32).reshape(3, 43)
    one = np.array(bound, np.uint32).view(np.float32)
    shape = f32(3, 43)
    operands = (1, 0) if first else (0, 1)
    bounded = Map(function, operands, shape)
    check([shape, f32()], bounded, arrays=[x, one])
    # In between, where a NaN may have any payload, and a zero its sign.
    check([shape, f32()], bounded, Map(Function.RECIPROCAL, (2,), shape), arrays=[x, one])


def test_a_row_that_is_the_same_for_all_rows_of_several_blocks() -> None:
    for rows, length in [(1, 5), (9, 5), (2000, 3), (70, 100), (11, 511), (9, 513)]:
        shape = f32(rows, length)
        check(
            [shape, f32(length)], Map(Function.ADD, (0, 1), shape), Map(Function.MUL, (1, 2), shape)
        )
