"""Cases of every instruction family but MAP and CAST: all attributes, and the edges of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aivm.isa.instructions import (
    Concat,
    Fill,
    Gather,
    Iota,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Reduction, Scattering
from aivm.isa.signatures import ALL, NUMBERS, REDUCES_NOTHING, REDUCTIONS, SCATTERINGS
from aivm.numerics.dtypes import DType
from generator.cases import Tensor, case, dtypes, filled, plain, tensor
from generator.words import f32, ordinary_f32, packed

INFINITY, NAN = float("inf"), float("nan")
Shape = tuple[int, ...]


def matrix_products() -> Iterator[str]:
    """MATMUL of F32 and of bytes."""
    for m, k, n in ((1, 1, 1), (2, 3, 4), (3, 17, 2), (5, 40, 9), (1, 0, 2), (0, 3, 2), (2, 3, 0)):
        for flags in range(4) if m == 2 else (0,):
            yield _product(DType.F32, DType.F32, (m, k), (k, n), (m, n), flags)
    for a, b, leading in (
        ((2, 3), (4, 3, 5), (4,)),
        ((2, 1, 2, 3), (3, 3, 2), (2, 3)),
        ((1, 2, 3), (5, 3, 2), (5,)),
        ((0, 2, 3), (3, 2), (0,)),
    ):
        yield _product(DType.F32, DType.F32, a, b, (*leading, a[-2], b[-1]), 0)
        yield _product(DType.I8, DType.U8, a, b, (*leading, a[-2], b[-1]), 0)
    for a_dtype in (DType.I8, DType.U8):
        for b_dtype in (DType.I8, DType.U8):
            for flags in range(4):
                yield _product(a_dtype, b_dtype, (3, 19), (19, 5), (3, 5), flags)
            yield _product(a_dtype, b_dtype, (2, 0), (0, 3), (2, 3), 0)
    yield from _special_products()


def _product(a_dtype: DType, b_dtype: DType, a: Shape, b: Shape, shape: Shape, flags: int) -> str:
    dtype = DType.F32 if a_dtype is DType.F32 else DType.I32
    transpose_a, transpose_b = bool(flags & 1), bool(flags & 2)
    name = f"{a_dtype.name} {b_dtype.name} {a} {b}, flags {flags}"
    stored_a = (*a[:-2], a[-1], a[-2]) if transpose_a else a
    stored_b = (*b[:-2], b[-1], b[-2]) if transpose_b else b
    fill = plain if dtype is DType.F32 else filled
    operands = [fill(a_dtype, stored_a, f"{name} a"), fill(b_dtype, stored_b, f"{name} b")]
    return case(name, MatMul((0, 1), TensorType(dtype, shape), transpose_a, transpose_b), operands)


def _special_products() -> Iterator[str]:
    """Where order, the first term, signed zeros, overflow on the way or NaNs decide."""
    rows = {
        "order: 2**24 + 1 - 2**24 + 1": ((2.0**24, 1.0, -(2.0**24), 1.0), (1.0,) * 4),
        "a chain begins at +0": ((-0.0,), (1.0,)),
        "underflow to -0, then +0": ((-(2.0**-149), 0.0), (0.25, 0.0)),
        "fused: no product is rounded": ((1 + 2.0**-12, -1.0), (1 + 2.0**-12, 1 + 2.0**-11)),
        "overflow stays": ((2.0**127, 2.0**127, -(2.0**127)), (2.0, 1.0, 2.0)),
        "infinity times zero": ((INFINITY, 1.0), (0.0, 1.0)),
        "infinity less infinity": ((INFINITY, INFINITY), (1.0, -1.0)),
        "one NaN": ((1.0, NAN, 2.0), (1.0, 1.0, 1.0)),
        "subnormals": ((2.0**-149, 2.0**-126), (1.5, 0.5)),
    }
    for name, (a, b) in rows.items():
        k = len(a)
        operands = [tensor(DType.F32, (1, k), f32(*a)), tensor(DType.F32, (k, 1), f32(*b))]
        yield case(name, MatMul((0, 1), TensorType(DType.F32, (1, 1))), operands)
    any_a, any_b = filled(DType.F32, (6, 7), "any a"), filled(DType.F32, (7, 6), "any b")
    yield case("any bits", MatMul((0, 1), TensorType(DType.F32, (6, 6))), [any_a, any_b])


VIEWS = ((2, 35, 3), (3, 16, 1), (1, 17, 2), (2, 1, 2), (1, 0, 3), (0, 4, 2), (2, 3, 0))


def reductions() -> Iterator[str]:
    """REDUCE: every function, dtype and view, and the order of F32 sums."""
    for function, signature in REDUCTIONS.items():
        for dtype in dtypes(signature.accepted):
            views = VIEWS if dtype in (DType.F32, DType.I32) else VIEWS[:1]
            for view in views:
                if view[1] == 0 and function not in REDUCES_NOTHING:
                    continue
                fill = plain if function in (Reduction.SUM, Reduction.PROD) else filled
                name = f"{function.name} {dtype.name} {view}"
                fill = fill if dtype is DType.F32 else filled
                yield _reduce(name, function, fill(dtype, view, name), view)
    for length in (15, 16, 31, 32, 33, 50, 100):
        name = f"SUM of {length} numbers of all sizes"
        yield _reduce(name, Reduction.SUM, _of_all_sizes(length), (1, length, 1))
    for function in REDUCTIONS:
        for name, numbers in EDGES.items():
            row = tensor(DType.F32, (len(numbers),), f32(*numbers))
            yield _reduce(f"{function.name}: {name}", function, row, (1, len(numbers), 1))


EDGES = {
    "NaNs": (1.0, NAN, INFINITY, NAN, 0.0),
    "zeros": (-0.0, 0.0, -0.0),
    "negative zeros": (-0.0, -0.0),
    "ties": (3.0, 5.0, 5.0, -2.0, -2.0),
    "infinities": (INFINITY, -INFINITY, 0.0),
    "one NaN": (NAN,),
}


def _of_all_sizes(length: int) -> Tensor:
    """Numbers whose sum depends on its order, between 2**-8 and 2**8."""
    return tensor(DType.F32, (length,), packed(DType.F32, ordinary_f32(f"sum {length}", length)))


def _reduce(name: str, function: Reduction, operand: Tensor, view: Shape) -> str:
    dtype = REDUCTIONS[function].result or operand.type.dtype
    result = TensorType(dtype, (view[0], view[2]))
    return case(name, Reduce(function, (0,), result, *view), [operand])


MOVES: dict[str, tuple[Shape, Shape, Shape, Shape, Shape, Shape]] = {
    # name: operand shape, result shape, source, axes, steps, origins
    "copy": ((2, 3), (2, 3), (2, 3), (0, 1), (1, 1), (0, 0)),
    "transpose": ((2, 3, 4), (4, 2, 3), (2, 3, 4), (2, 0, 1), (1, 1, 1), (0, 0, 0)),
    "flip": ((5,), (5,), (5,), (0,), (-1,), (4,)),
    "slice by two": ((9,), (4,), (9,), (0,), (2,), (1,)),
    "slice back by three": ((9,), (3,), (9,), (0,), (-3,), (8,)),
    "expand": ((3,), (2, 3), (3,), (-1, 0), (0, 1), (0,)),
    "expand a scalar": ((), (2, 2), (), (-1, -1), (0, 0), ()),
    "reshape": ((2, 6), (3, 4), (12,), (0, 0), (4, 1), (0,)),
    "pad": ((2, 2), (4, 5), (2, 2), (0, 1), (1, 1), (-1, -2)),
    "windows": ((8,), (4, 3), (8,), (0, 0), (2, 1), (-1,)),
    "dilated windows": ((2, 7), (2, 5, 3), (2, 7), (0, 1, 1), (1, 1, 2), (0, -2)),
    "diagonal": ((3, 3), (3,), (9,), (0,), (4,), (0,)),
    "all outside": ((3,), (4,), (3,), (0,), (1,), (3,)),
    "one element": ((4,), (), (4,), (), (), (2,)),
    "nothing": ((3, 2), (0, 2), (3, 2), (0, 1), (1, 1), (0, 0)),
    "of nothing": ((0, 2), (3,), (0, 2), (0,), (1,), (0, 0)),
    "far origin": ((3,), (3,), (3,), (0,), (-(2**60),), (1,)),
    "rank 8": (
        *((1, 2, 1, 2, 1, 2, 1, 2), (2, 1, 2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2, 1, 2)),
        *((7, 6, 5, 4, 3, 2, 1, 0), (1,) * 8, (0,) * 8),
    ),
}
FILLS = {DType.F32: 0xFF800000, DType.F16: 0x3C00, DType.BF16: 0x7FC0, DType.BOOL: 1}


def moves() -> Iterator[str]:
    """MOVE: every kind of walk, and every dtype with a fill of its own."""
    for name, (given, shape, source, axes, steps, origins) in MOVES.items():
        move = Move((0,), TensorType(DType.I32, shape), source, axes, steps, origins, 0xFFFFFF9C)
        yield case(name, move, [filled(DType.I32, given, f"move {name}")])
    for dtype in dtypes(ALL):
        fill = FILLS.get(dtype, (1 << 8 * dtype.size_bytes) - 2)
        move = Move((0,), TensorType(dtype, (44,)), (40,), (0,), (1,), (-2,), fill)
        yield case(f"pad {dtype.name}", move, [filled(dtype, (40,), f"pad {dtype.name}")])


def gathers() -> Iterator[str]:
    """GATHER: views, negative indices, empty axes, every dtype, and faults."""
    for name, view, index in (
        ("rows", (1, 4, 3), (0, 3, 3, 1)),
        ("from the end", (1, 4, 3), (-1, -4, 2)),
        ("middle axis", (2, 3, 2), (2, 0)),
        ("one element a row", (2, 3, 1), (1,)),
        ("no index", (2, 3, 2), ()),
        ("of nothing, no index", (2, 0, 2), ()),
        ("inner of nothing: any index", (2, 3, 0), (7,)),
        ("past the end", (1, 4, 2), (0, 4)),
        ("before the beginning", (1, 4, 2), (-5,)),
    ):
        for dtype in (DType.I32, DType.I64):
            yield _gather(f"{name}, {dtype.name}", DType.F32, view, dtype, index)
    extreme = (2**63 - 1, -(2**63), 2**32)
    for number in extreme:
        yield _gather(f"index {number}", DType.F32, (1, 4, 1), DType.I64, (number,))
    for dtype in dtypes(ALL):
        yield _gather(f"of {dtype.name}", dtype, (1, 40, 1), DType.I64, range(-40, 40, 3))


def _index(dtype: DType, numbers: Sequence[int]) -> Tensor:
    return tensor(dtype, (len(numbers),), packed(dtype, list(numbers)))


def _gather(name: str, dtype: DType, view: Shape, index: DType, numbers: Sequence[int]) -> str:
    outer, size, inner = view
    result = TensorType(dtype, (outer, len(numbers), inner))
    operands = [filled(dtype, view, f"gather {name}"), _index(index, numbers)]
    return case(name, Gather((0, 1), result, outer, size, inner), operands)


def scatters() -> Iterator[str]:
    """SCATTER: every function and dtype, repeated and negative indices, empty axes, faults."""
    for function, accepted in SCATTERINGS.items():
        for dtype in dtypes(accepted):
            name = f"{function.name} {dtype.name}"
            yield _scatter(name, function, dtype, (2, 5, 2), (3, 0, -1, 3, 3, -5))
    add = Scattering.ADD
    for name, view, index in (
        ("no update", (2, 3, 2), ()),
        ("into nothing, no update", (2, 0, 2), ()),
        ("inner of nothing: any index", (2, 3, 0), (9,)),
        ("past the end", (1, 4, 1), (0, 4)),
        ("before the beginning", (1, 4, 1), (-5, 1)),
    ):
        yield _scatter(name, add, DType.F32, view, index)
    order = [tensor(DType.F32, (1,), f32(2.0**24)), _index(DType.I64, (0, 0, 0))]
    order.append(tensor(DType.F32, (3,), f32(1.0, -(2.0**24), 1.0)))
    yield case("updates in order", Scatter(add, (0, 1, 2), order[0].type, 1, 1, 1), order)


def _scatter(
    name: str, function: Scattering, dtype: DType, view: Shape, numbers: Sequence[int]
) -> str:
    outer, size, inner = view
    operands = [
        filled(dtype, view, f"scatter {name}"),
        _index(DType.I32 if len(name) % 2 else DType.I64, numbers),
        filled(dtype, (outer, len(numbers), inner), f"updates {name}"),
    ]
    return case(name, Scatter(function, (0, 1, 2), operands[0].type, outer, size, inner), operands)


def ranks() -> Iterator[str]:
    """RANK: every dtype both ways, ties, NaNs, zeros, and lines of no and of one element."""
    for descending in (False, True):
        way = "descending" if descending else "ascending"
        for dtype in dtypes(NUMBERS):
            yield _rank(f"{dtype.name} {way}", filled(dtype, (2, 40, 2), way), descending)
        edges = (NAN, 0.0, -0.0, INFINITY, 1.0, NAN, -INFINITY, 1.0)
        row = tensor(DType.F32, (1, 8, 1), f32(*edges))
        yield _rank(f"NaNs, zeros and ties, {way}", row, descending)
        for view in ((2, 1, 3), (2, 0, 3), (0, 4, 1), (1, 3, 0)):
            yield _rank(f"{view} {way}", filled(DType.I8, view, way), descending)


def _rank(name: str, operand: Tensor, descending: bool) -> str:
    outer, length, inner = operand.type.shape
    result = TensorType(DType.I64, operand.type.shape)
    return case(name, Rank((0,), result, outer, length, inner, descending), [operand])


def concatenations() -> Iterator[str]:
    """CONCAT of two to four operands, of any lengths, 0 among them."""
    for lengths, outer, inner in (
        ((2, 3), 1, 1),
        ((1, 2, 3), 2, 2),
        ((0, 2, 0, 1), 3, 1),
        ((0, 0), 2, 3),
        ((2, 2), 0, 2),
        ((4, 4, 4, 4), 1, 3),
    ):
        yield _concat(f"{lengths} of {outer} x {inner}", DType.F32, lengths, outer, inner)
    for dtype in dtypes(ALL):
        yield _concat(f"of {dtype.name}", dtype, (3, 2), 2, 1)


def _concat(name: str, dtype: DType, lengths: Shape, outer: int, inner: int) -> str:
    shapes = [(outer, length, inner) for length in lengths]
    operands = [filled(dtype, shape, f"{name} {at}") for at, shape in enumerate(shapes)]
    result = TensorType(dtype, (outer, sum(lengths), inner))
    return case(name, Concat(tuple(range(len(lengths))), result, outer, lengths, inner), operands)


def makers() -> Iterator[str]:
    """IOTA, FILL and RANDOM, which make tensors out of numbers."""
    for dtype in (DType.I32, DType.I64):
        high = 2 ** (8 * dtype.size_bytes - 1)
        for shape, length, inner, start, step in (
            ((5,), 5, 1, 0, 1),
            ((2, 3, 4), 3, 4, 10, -3),
            ((2, 3), 3, 1, high - 2, 1),
            ((4,), 4, 1, -high, high - 1),
            ((), 1, 1, 7, 0),
            ((0, 3), 3, 1, 0, 1),
        ):
            name = f"IOTA {dtype.name} {shape} from {start} by {step}"
            yield case(name, Iota(TensorType(dtype, shape), length, inner, start, step), [])
    for dtype in dtypes(ALL):
        bits = FILLS.get(dtype, (1 << 8 * dtype.size_bytes) - 2)
        yield case(f"FILL {dtype.name}", Fill(TensorType(dtype, (2, 3)), bits), [])
    yield case("FILL of nothing", Fill(TensorType(DType.F32, (0,)), 0x7FC00000), [])
    for key, stream in SEEDS:
        seed = tensor(DType.U64, (2,), packed(DType.U64, (key, stream)))
        name = f"RANDOM key {key:#x} stream {stream:#x}"
        yield case(name, Random((0,), TensorType(DType.U32, (3, 3))), [seed])


SEEDS = (
    (0, 0),
    (1, 0),
    (0, 1),
    (2**64 - 1, 2**64 - 1),
    (0xA4093822299F31D0, 0x13198A2E03707344),
)
