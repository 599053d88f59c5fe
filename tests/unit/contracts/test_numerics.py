"""The shipped `Numerics` contract, on an EVM, against the specification: the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aivm.engines.reference.arrays import ArrayMachine
from aivm.isa.opcodes import Function
from aivm.isa.recipes import FLOAT_FUNCTIONS, apply
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics import DType, ScalarMachine
from aivm.numerics.functions.blocks import SIGN_BIT
from aivm.numerics.integers import wrap
from aivm.numerics.philox import halves, philox
from aivm.numerics.trace import trace

Words = npt.NDArray[Any]

# Upper bounds of one call.
FLOAT_GAS, STEP_GAS, INTEGER_GAS = 60_000, 5_000, 5_000
ONE_STEP = ("add", "sub", "mul", "div", "min", "max", "equal", "less", "less_equal", "sqrt", "fma")

# Zeros, subnormals, both ends of the normal numbers, one and its neighbours, half its last bit, the
# least number without a fraction, infinity, NaNs; each with both signs.
MAGNITUDES = [
    *(0, 1, 2, 0x007FFFFF, 0x00800000, 0x00800001, 0x00FFFFFF, 0x7F7FFFFE, 0x7F7FFFFF),
    *(0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x33800000, 0x33800001, 0x3F000000, 0x3FC00000),
    *(0x40400000, 0x4B000000, 0x4B7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF),
]
SPECIAL = np.array([m | sign for m in MAGNITUDES for sign in (0, SIGN_BIT)], np.uint32)

ON_F32 = [
    function
    for function, signature in FUNCTIONS.items()
    if DType.F32 in signature.accepted and not signature.first_is_condition
]
ON_INTEGERS = [
    (function, dtype)
    for function, signature in FUNCTIONS.items()
    for dtype in sorted(signature.accepted - {DType.F32})
    if not signature.first_is_condition
]
PAIRS = [(source, target) for source in DType for target in DType]


def name_of(function: Function) -> str:
    return function.name.lower()


def gas_of(function: Function) -> int:
    return STEP_GAS if name_of(function) in ONE_STEP else FLOAT_GAS


def borders(function: Function) -> Words:
    """The constants of a function, among them all its thresholds, and their neighbours."""
    name = name_of(function)
    program = trace(name, FUNCTIONS[function].arity, FLOAT_FUNCTIONS[name])
    patterns = [int(step.immediates[0]) for step in program.steps if step.operation == "bits"]
    near = np.add.outer(np.array([*patterns, 0], np.int64), np.arange(-2, 3)).ravel()
    return np.concatenate([near, near ^ SIGN_BIT]).astype(np.uint32)


def draw(rng: np.random.Generator, count: int, own: Words) -> Words:
    """Any bits, specials, the function's own borders, short mantissas (ties), ordinary numbers."""
    normal = rng.normal(size=count) * rng.choice([0.1, 1.0, 30.0], size=count)
    kinds = [
        rng.integers(0, 1 << 32, count, dtype=np.uint32),
        rng.choice(SPECIAL, count),
        rng.choice(own, count),
        rng.integers(0, 1 << 12, count, dtype=np.uint32) << np.uint32(20),
        normal.astype(np.float32).view(np.uint32),
    ]
    return np.choose(rng.integers(0, len(kinds), count), kinds)


def float_operands(function: Function, count: int, seed: int) -> list[Words]:
    """Every combination of specials that `count` leaves room for, and `count` random ones."""
    rng, arity = np.random.default_rng([seed, function]), FUNCTIONS[function].arity
    own = borders(function)
    columns = [draw(rng, count, own) for _ in range(arity)]
    if arity > 1:  # near cancellation: of the last operand with the others
        others = columns[0] if arity == 2 else ArrayMachine().mul(*columns[:2])
        near = (others ^ np.uint32(SIGN_BIT)) + rng.integers(-2, 3, count).astype(np.uint32)
        columns[-1] = np.where(rng.random(count) < 0.3, near, columns[-1])
    crossed = np.stack(np.meshgrid(*[SPECIAL] * arity), axis=-1).reshape(-1, arity)
    if len(crossed) > count:
        crossed = rng.permutation(crossed)[:count]
    return [
        np.concatenate([special, column])
        for special, column in zip(crossed.T, columns, strict=True)
    ]


def canonical(words: Words) -> Words:
    return np.where(words & 0x7FFFFFFF > 0x7F800000, 0x7FC00000, words)


async def assert_same(numerics: Any, function: Function, operands: Sequence[Words]) -> None:
    """The function's result is the specification's, NaNs apart, which are canonical by then."""
    expected = np.asarray(apply(ArrayMachine(), function, DType.F32, operands), np.uint64)
    padding = [0] * (3 - len(operands))
    found = await numerics.call(
        "evaluate", function, DType.F32, *operands, *padding, gas=gas_of(function)
    )
    if FUNCTIONS[function].result is None:
        expected, found = canonical(expected), canonical(found)
    wrong = np.flatnonzero(expected != found)
    cases = [[hex(column[i]) for column in (*operands, expected, found)] for i in wrong[:5]]
    assert not cases, f"{function.name}: {len(wrong)} differ, first {cases}"


@pytest.mark.parametrize("function", ON_F32, ids=name_of)
async def test_a_function_on_floats(numerics: Any, function: Function) -> None:
    await assert_same(numerics, function, float_operands(function, 250, seed=1))


@pytest.mark.parametrize("function", ON_F32, ids=name_of)
async def test_a_function_on_floats_gives_the_bits_of_the_scalar_machine(
    numerics: Any, function: Function
) -> None:
    """The array machine is quick; this one is the specification. NaN payloads agree as well."""
    operands = float_operands(function, 30, seed=2)
    rows = [tuple(map(int, row)) for row in zip(*operands, strict=True)]
    expected = [int(apply(ScalarMachine(), function, DType.F32, row)) for row in rows]
    padding = [0] * (3 - len(operands))
    found = await numerics.call(
        "evaluate", function, DType.F32, *operands, *padding, gas=gas_of(function)
    )
    assert found.tolist() == expected


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("function", ON_F32, ids=name_of)
async def test_a_function_on_a_hundred_thousand_floats(numerics: Any, function: Function) -> None:
    await assert_same(numerics, function, float_operands(function, 100_000, seed=3))


def integer_words(rng: np.random.Generator, dtype: DType, count: int) -> Words:
    """Patterns: the ends of the range and of its halves, small numbers, any bits."""
    bits = 1 if dtype is DType.BOOL else 8 * dtype.size_bytes
    mask = (1 << bits) - 1
    ends = [0, 1, 2, mask, mask - 1, mask >> 1, (mask >> 1) + 1, bits, bits - 1, 64, 65]
    chosen = rng.choice(np.array([end & mask for end in ends], np.uint64), count)
    small = rng.integers(-9, 10, count).astype(np.uint64) & np.uint64(mask)
    anything = rng.integers(0, 1 << 64, count, dtype=np.uint64) >> np.uint64(64 - bits)
    return np.choose(rng.integers(0, 3, count), [chosen, small, anything])


def float_words(rng: np.random.Generator, dtype: DType, count: int) -> Words:
    """Patterns: specials (rounded off to 16 bits), ordinary numbers, around integers, any bits."""
    size = dtype.size_bytes
    powers = np.exp2(rng.integers(-30, 70, count)) * rng.choice([1, -1], count)
    numbers = np.where(rng.random(count) < 0.5, powers, rng.normal(size=count) * 300)
    wide = np.choose(
        rng.integers(0, 3, count),
        [
            rng.choice(SPECIAL, count),
            numbers.astype(np.float32).view(np.uint32) + rng.integers(0, 3, count).astype("u4") - 1,
            rng.integers(0, 1 << 32, count, dtype=np.uint32),
        ],
    )
    if dtype is DType.F16:
        any_half = rng.integers(0, 1 << 16, count, dtype=np.uint64)
        with np.errstate(over="ignore"):
            halves_ = numbers.astype(np.float16).view(np.uint16)
        return np.where(rng.random(count) < 0.5, any_half, halves_)
    return (wide >> np.uint32(32 - 8 * size)).astype(np.uint64)


def words_of(rng: np.random.Generator, dtype: DType, count: int) -> Words:
    return (float_words if dtype.is_float else integer_words)(rng, dtype, count)


def value(dtype: DType, pattern: int) -> int:
    """The specification's word: an integer's is its number."""
    return pattern if dtype.is_float else wrap(dtype, pattern)


def pattern_of(dtype: DType, word: int) -> int:
    return word & ((1 << 8 * dtype.size_bytes) - 1)


async def assert_integers(numerics: Any, function: Function, dtype: DType, count: int) -> None:
    rng, arity = np.random.default_rng([4, function, dtype]), FUNCTIONS[function].arity
    columns = [integer_words(rng, dtype, count) for _ in range(arity)]
    target = FUNCTIONS[function].result or dtype
    expected = [
        pattern_of(
            target, int(apply(ScalarMachine(), function, dtype, [value(dtype, w) for w in row]))
        )
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    padding = [0] * (3 - arity)
    found = await numerics.call("evaluate", function, dtype, *columns, *padding, gas=INTEGER_GAS)
    assert found.tolist() == expected, (function.name, dtype.name)


@pytest.mark.parametrize("function", sorted({function for function, _ in ON_INTEGERS}), ids=name_of)
async def test_a_function_on_integers(numerics: Any, function: Function) -> None:
    for dtype in (dtype for one, dtype in ON_INTEGERS if one is function):
        await assert_integers(numerics, function, dtype, 200)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("function", sorted({function for function, _ in ON_INTEGERS}), ids=name_of)
async def test_a_function_on_a_hundred_thousand_integers(numerics: Any, function: Function) -> None:
    dtypes = [dtype for one, dtype in ON_INTEGERS if one is function]
    for dtype in dtypes:
        await assert_integers(numerics, function, dtype, 100_000 // len(dtypes) + 1)


async def assert_casts(numerics: Any, source: DType, target: DType, words: Words) -> None:
    machine = ScalarMachine()
    expected = [
        pattern_of(target, machine.cast(source, target, value(source, word)))
        for word in words.tolist()
    ]
    found = await numerics.call("cast", source, target, words, gas=INTEGER_GAS)
    cases = zip(words.tolist(), expected, found.tolist(), strict=True)
    wrong = [case for case in cases if case[1] != case[2]]
    assert not wrong, (source.name, target.name, [list(map(hex, case)) for case in wrong[:5]])


@pytest.mark.parametrize("source", DType, ids=lambda dtype: dtype.name)
async def test_casts(numerics: Any, source: DType) -> None:
    for target in DType:
        rng = np.random.default_rng([5, source, target])
        await assert_casts(numerics, source, target, words_of(rng, source, 150))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("source", DType, ids=lambda dtype: dtype.name)
async def test_a_hundred_thousand_casts(numerics: Any, source: DType) -> None:
    for target in DType:
        rng = np.random.default_rng([6, source, target])
        await assert_casts(numerics, source, target, words_of(rng, source, 10_000))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("source", [DType.F16, DType.BF16], ids=lambda dtype: dtype.name)
async def test_every_word_of_a_storage_type(numerics: Any, source: DType) -> None:
    every = np.arange(1 << 16, dtype=np.uint64)
    await assert_casts(numerics, source, DType.F32, every)
    await assert_casts(numerics, source, DType.I64, every)


@pytest.mark.parametrize(
    ("dtype", "infinity", "nan"),
    [
        (DType.F32, 0x7F800000, 0x7FC00000),
        (DType.F16, 0x7C00, 0x7E00),
        (DType.BF16, 0x7F80, 0x7FC0),
    ],
)
async def test_one_nan_is_canonical(numerics: Any, dtype: DType, infinity: int, nan: int) -> None:
    sign = 1 << (8 * dtype.size_bytes - 1)
    kept = [0, 1, infinity - 1, infinity, sign, sign | 1, sign | infinity, nan]
    nans = [infinity + 1, nan + 1, sign - 1, sign | infinity + 1, sign | nan, 2 * sign - 1]
    found = await numerics.call("canonical", dtype, kept + nans, gas=INTEGER_GAS)
    assert found.tolist() == kept + [nan] * len(nans)
    for other in set(DType) - {DType.F32, DType.F16, DType.BF16}:
        assert await numerics.call("canonical", other, [0xFF], gas=INTEGER_GAS) == [0xFF]


async def test_random_words(numerics: Any) -> None:
    rng = np.random.default_rng(7)
    keys, streams, places = (rng.integers(0, 1 << 64, 60, dtype=np.uint64) for _ in range(3))
    places[:20] = np.arange(20)
    found = await numerics.call("random", keys, streams, places, gas=INTEGER_GAS)
    m = ScalarMachine()
    expected: list[int] = []
    for key, stream, place in zip(keys.tolist(), streams.tolist(), places.tolist(), strict=True):
        counter = (*halves(m, place // 4), *halves(m, stream))
        expected.append(philox(m, counter, halves(m, key))[place % 4])
    assert found.tolist() == expected
