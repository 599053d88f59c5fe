"""ArrayMachine gives the bits of ScalarMachine, operation by operation and function by function."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aivm.engines.reference.arrays import ArrayMachine, fused_multiply_add
from aivm.errors import MalformedProgram
from aivm.numerics import DType, ScalarMachine
from aivm.numerics.functions import BINARY, TERNARY, UNARY
from aivm.numerics.integers import BINARY as INTEGER_BINARY
from aivm.numerics.integers import COMPARISONS, ON_BOOL, largest, smallest
from aivm.numerics.integers import UNARY as INTEGER_UNARY

arrays, scalars = ArrayMachine(), ScalarMachine()

SPECIAL = [0, 1, 2, 0x7FFFFF, 0x800000, 0x33800000, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40000000]
SPECIAL += [0x42D20000, 0x4B000000, 0x4A800000, 0x4A800001, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
SPECIAL += [0x7F800001, 0x7FFFFFFF]
SPECIAL += [word | 0x80000000 for word in SPECIAL]

NUMPY_TYPES: dict[DType, type[Any]] = {
    DType.F32: np.uint32,
    DType.F16: np.uint16,
    DType.BF16: np.uint16,
    DType.BOOL: np.bool_,
    DType.U8: np.uint8,
    DType.I8: np.int8,
    DType.U16: np.uint16,
    DType.I16: np.int16,
    DType.U32: np.uint32,
    DType.I32: np.int32,
    DType.U64: np.uint64,
    DType.I64: np.int64,
}


def f32_words(rng: random.Random, count: int) -> list[int]:
    """Specials, raw bits, numbers of ordinary size, and short mantissas, which make ties."""
    draw: list[Callable[[], int]] = [
        lambda: rng.choice(SPECIAL),
        lambda: rng.getrandbits(32),
        lambda: struct.unpack(">I", struct.pack(">f", rng.gauss(0, 3)))[0],
        lambda: rng.getrandbits(12) << 20,
        lambda: rng.getrandbits(24) | rng.choice((0, 0x80000000)),  # subnormals and neighbours
    ]
    return [rng.choice(draw)() for _ in range(count)]


def number_words(dtype: DType, rng: random.Random, count: int) -> list[int]:
    """Words of any dtype, extremes often among them."""
    if dtype is DType.F32:
        return f32_words(rng, count)
    if dtype.is_float:
        return [rng.getrandbits(16) for _ in range(count)]
    if dtype is DType.BOOL:
        return [rng.getrandbits(1) for _ in range(count)]
    low, high = smallest(dtype), largest(dtype)
    edges = [low, high, 0, 1, min(high, 2**24 + 1), high // 2 + 1]
    bits = 8 * dtype.size_bytes
    return [
        rng.choice(
            [rng.randint(low, high), rng.choice(edges), rng.getrandbits(rng.randrange(bits))]
        )
        for _ in range(count)
    ]


def check_f32(name: str, function: Callable[..., Any], columns: list[list[int]]) -> None:
    """`function(machine, *words)` on both machines, NaNs made canonical."""
    result = function(arrays, *(np.array(column, np.uint32) for column in columns))
    if result.dtype == np.bool_:
        expected = [function(scalars, *row) for row in zip(*columns, strict=True)]
    else:
        assert result.dtype == np.uint32, name
        result = arrays.canonical(result)
        rows = zip(*columns, strict=True)
        expected = [scalars.canonical(function(scalars, *row)) for row in rows]
    differing = [
        (name, [hex(word) for word in row], hex(got), hex(want))
        for row, got, want in zip(
            zip(*columns, strict=True), result.tolist(), expected, strict=True
        )
        if got != want
    ]
    assert not differing, differing[:3]


@pytest.mark.parametrize("name", [*UNARY, *BINARY, "fma"])
def test_every_function_gives_the_bits_of_the_specification(name: str) -> None:
    function: Callable[..., Any] = {**UNARY, **BINARY, **TERNARY}[name]
    arity = 1 if name in UNARY else 2 if name in BINARY else 3
    rng = random.Random(name)
    check_f32(name, function, [f32_words(rng, 500) for _ in range(arity)])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "min", "max", "less_equal"])
def test_base_operations_on_all_pairs_of_special_words(name: str) -> None:
    pairs = [(a, b) for a in SPECIAL for b in SPECIAL]
    check_f32(name, BINARY[name], [list(column) for column in zip(*pairs, strict=True)])


def test_32_bit_operations() -> None:
    rng = random.Random(7)
    a, b = ([rng.getrandbits(32) for _ in range(300)] for _ in range(2))
    for name in ("and_", "or_", "xor", "iadd", "isub", "imul"):
        result = getattr(arrays, name)(np.array(a, np.uint32), np.array(b, np.uint32))
        expected = [getattr(scalars, name)(x, y) for x, y in zip(a, b, strict=True)]
        assert result.tolist() == expected, name
    for name in ("shl", "shr", "sar"):
        for count in (0, 1, 23, 31):
            result = getattr(arrays, name)(np.array(a, np.uint32), count)
            assert result.tolist() == [getattr(scalars, name)(x, count) for x in a], name


# --- fused multiply-add ---------------------------------------------------------------------------


def hard_triples(rng: random.Random, count: int) -> list[tuple[int, int, int]]:
    """Addends near -a*b (cancellation), near half a unit of a*b (ties), and unrelated ones."""
    triples = []
    for a, b in zip(f32_words(rng, count), f32_words(rng, count), strict=True):
        product = scalars.mul(a, b)
        unit_exponent = max((product >> 23 & 0xFF) - 24 - rng.randrange(3), 0)
        c = rng.choice(
            [
                (product ^ 0x80000000) + rng.randint(-3, 3) & 0xFFFFFFFF,
                unit_exponent << 23 | rng.choice((0, 1, 0x80000000)),
                rng.choice(SPECIAL),
                rng.getrandbits(32),
            ]
        )
        triples.append((a, b, c))
    return triples


def test_fma_on_hard_operands() -> None:
    triples = hard_triples(random.Random(11), 20_000)
    columns = [list(column) for column in zip(*triples, strict=True)]
    check_f32("fma", TERNARY["fma"], columns)


def test_fma_where_rounding_twice_would_be_wrong() -> None:
    """a*b lies beside half a unit of an odd c, by 2**-46 of itself: too little for binary64.

    (1 + e)(1 - e) = 1 - e**2 with e = 2**-23, scaled to half a unit of c.
    """
    above_one, below_one = 0x3F800001, 0x3F7FFFFE
    rows = []
    for c, scale in [(0x3F800001, 12), (0x4B000001, 0), (0x00400001, 75), (0x00000001, 75)]:
        a, b = above_one - (scale << 23), below_one - (scale << 23)
        for sign in (0, 0x80000000):
            rows += [[a, b, c | sign], [a | 0x80000000, b, c | sign], [a, a, c | sign]]
            rows += [[a, b, c + 1 | sign], [a | 0x80000000, b, c + 1 | sign]]
    check_f32("fma", TERNARY["fma"], [list(column) for column in zip(*rows, strict=True)])


def test_doubtful_ties_are_decided_by_what_binary64_dropped() -> None:
    """c = odd multiple of a unit plus half: a*b is far too small for binary64, yet decides."""
    c = np.float32(1 + 2**-23)
    half_unit, tiny = np.float32(2**-24), np.float32(2**-100)
    values = np.array([tiny, -tiny, 0], np.float32)
    # c + 2**-24 is a tie; c is odd, so the tie goes up; only -tiny brings it back to c.
    up = np.nextafter(c, np.float32(2))
    wide = np.float64(c) + np.float64(half_unit)
    result = fused_multiply_add(values.astype(np.float64), np.ones(3), np.full(3, wide))
    assert result.tolist() == [up, c, up]


@pytest.mark.slow
def test_fma_on_millions_of_hard_operands() -> None:
    for seed in range(50):
        triples = hard_triples(random.Random(1000 + seed), 40_000)
        check_f32("fma", TERNARY["fma"], [list(column) for column in zip(*triples, strict=True)])


# --- integers and conversions ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [d for d in DType if d.is_integer or d is DType.BOOL])
def test_integer_operations(dtype: DType) -> None:
    rng = random.Random(dtype)
    a, b = number_words(dtype, rng, 300), number_words(dtype, rng, 300)
    b[:20] = [0] * 20
    if dtype.is_signed:
        a[20:40], b[20:40] = [smallest(dtype)] * 20, [-1] * 20
    x, y = np.array(a, NUMPY_TYPES[dtype]), np.array(b, NUMPY_TYPES[dtype])
    for name in {*INTEGER_BINARY, *INTEGER_UNARY, *COMPARISONS}:
        if dtype is DType.BOOL and name not in ON_BOOL:
            continue
        if name in INTEGER_UNARY:
            result: Any = arrays.int_unary(dtype, name, x)
            expected = [scalars.int_unary(dtype, name, u) for u in a]
        else:
            method = "compare" if name in COMPARISONS else "int_op"
            result = getattr(arrays, method)(dtype, name, x, y)
            pairs = zip(a, b, strict=True)
            expected = [getattr(scalars, method)(dtype, name, u, v) for u, v in pairs]
        assert result.dtype == (np.bool_ if name in COMPARISONS else x.dtype), name
        assert result.tolist() == expected, name


@pytest.mark.parametrize("target", DType)
@pytest.mark.parametrize("source", DType)
def test_casts(source: DType, target: DType) -> None:
    words = number_words(source, random.Random(source * 100 + target), 400)
    if source in (DType.F16, DType.BF16):
        words = list(range(0, 1 << 16, 13))
    result = arrays.cast(source, target, np.array(words, NUMPY_TYPES[source]))
    assert result.dtype == NUMPY_TYPES[target]
    assert result.tolist() == [scalars.cast(source, target, word) for word in words]


@pytest.mark.parametrize("dtype", [DType.U64, DType.I64])
def test_large_integers_beside_a_tie_of_bf16(dtype: DType) -> None:
    """Nine significant bits are a tie for eight; one more or less decides, however far below."""
    ties = [nine << shift for nine in (0x101, 0x103) for shift in range(54)]
    values = [tie + difference for tie in ties for difference in (-1, 0, 1)]
    if dtype is DType.I64:
        values += [-value for value in values]
    result = arrays.cast(dtype, DType.BF16, np.array(values, NUMPY_TYPES[dtype]))
    assert result.tolist() == [scalars.cast(dtype, DType.BF16, value) for value in values]


def test_bool_arithmetic_is_refused() -> None:
    with pytest.raises(MalformedProgram, match="'add' on BOOL"):
        arrays.int_op(DType.BOOL, "add", np.array([True]), np.array([True]))


# --- shapes ---------------------------------------------------------------------------------------


def test_operands_broadcast_and_results_keep_their_shape() -> None:
    column, row = arrays.f32(2.0).reshape(1, 1).repeat(3, 0), arrays.f32(3.0).reshape(1, 1)
    wide = row.repeat(4, 1)
    assert arrays.fma(column, wide, arrays.f32(1.0)).shape == (3, 4)
    assert arrays.fma(column, wide, wide).tolist() == [[0x41100000] * 4] * 3
    assert arrays.min(column, wide).shape == (3, 4)
    assert arrays.less(arrays.f32(1.0), arrays.f32(2.0)).shape == ()
    assert UNARY["exp"](arrays, np.zeros((2, 0, 3), np.uint32)).shape == (2, 0, 3)
