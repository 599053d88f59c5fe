"""Every base operation against exact rational arithmetic and an independent rounding."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aivm.numerics import binary32
from aivm.numerics.machine import word_of

NAN, INFINITY, SIGN = 0x7FC00000, 0x7F800000, 0x80000000

SPECIAL = [
    0,  # zero
    1,  # smallest subnormal
    2,
    0x007FFFFF,  # largest subnormal
    0x00800000,  # smallest normal
    0x00800001,
    0x00FFFFFF,
    0x33800000,  # 2**-24: half a unit of 1
    0x33800001,
    0x3F7FFFFF,  # just below 1
    0x3F800000,
    0x3F800001,
    0x3FC00000,
    0x40400000,
    0x4B000000,  # 2**23
    0x4B7FFFFF,
    0x7F7FFFFE,
    0x7F7FFFFF,  # largest finite
    INFINITY,
    NAN,
    0x7F800001,  # signalling
    0x7FFFFFFF,
]
WORDS = [word | sign for word in SPECIAL for sign in (0, SIGN)]

words = st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from(WORDS))


def value_of(word: int) -> Fraction:
    """The number a finite word stands for, from the definition of the format."""
    field, fraction = word >> 23 & 0xFF, word & 0x7FFFFF
    if field == 0:
        size = Fraction(fraction, 2**149)
    else:
        size = Fraction(fraction + 2**23, 2**23) * Fraction(2) ** (field - 127)
    return -size if word & SIGN else size


def nearest(value: Fraction, zero_sign: int) -> int:
    """The word nearest to `value`: found by bisection over the ordered words, not by shifting."""
    if value == 0:
        return zero_sign
    sign, size = (SIGN if value < 0 else 0), abs(value)
    overflow_from = (2 - Fraction(1, 2**24)) * Fraction(2) ** 127
    if size >= overflow_from:
        return sign | INFINITY
    low, high = 0, 0x7F7FFFFF
    while low < high:
        middle = (low + high + 1) // 2
        if value_of(middle) <= size:
            low = middle
        else:
            high = middle - 1
    if low == 0x7F7FFFFF:
        return sign | low
    below, above = size - value_of(low), value_of(low + 1) - size
    if below < above or (below == above and low % 2 == 0):
        return sign | low
    return sign | (low + 1)


def is_finite(*operands: int) -> bool:
    return all(word & ~SIGN < INFINITY for word in operands)


def hard_words(count: int, seed: int) -> Iterator[tuple[int, int, int]]:
    """Triples of raw bits, specials, short mantissas (ties) and near cancellations."""
    rng = random.Random(seed)
    draw: list[Callable[[], int]] = [
        lambda: rng.getrandbits(32),
        lambda: rng.choice(WORDS),
        lambda: rng.getrandbits(12) << 20,
        lambda: word_of_near_one(rng),
    ]
    for _ in range(count):
        a, b = rng.choice(draw)(), rng.choice(draw)()
        c = rng.choice(draw)()
        if rng.random() < 0.4:
            product = binary32.mul(a, b)
            c = (product ^ SIGN) + rng.randint(-2, 2) & 0xFFFFFFFF
        yield a, b, c


def word_of_near_one(rng: random.Random) -> int:
    return rng.randint(0x3F000000, 0x40800000) | rng.choice((0, SIGN))


def exact_sum(x: Fraction, y: Fraction, negative_zeros: bool) -> int:
    return nearest(x + y, SIGN if negative_zeros else 0)


def test_sums_products_and_fma_are_exact_values_rounded_once() -> None:
    for a, b, c in hard_words(6000, seed=1):
        if not is_finite(a, b, c):
            continue
        x, y, z = value_of(a), value_of(b), value_of(c)
        product_sign = (a ^ b) & SIGN
        assert binary32.add(a, b) == exact_sum(x, y, bool(a & b & SIGN)), (hex(a), hex(b))
        assert binary32.sub(a, b) == exact_sum(x, -y, bool(a & ~b & SIGN)), (hex(a), hex(b))
        assert binary32.mul(a, b) == nearest(x * y, product_sign), (hex(a), hex(b))
        expected = exact_sum(x * y, z, bool(product_sign & c))
        assert binary32.fma(a, b, c) == expected, (hex(a), hex(b), hex(c))


def test_quotients_are_exact_values_rounded_once() -> None:
    for a, b, _ in hard_words(4000, seed=2):
        if is_finite(a, b) and b & ~SIGN:
            expected = nearest(value_of(a) / value_of(b), (a ^ b) & SIGN)
            assert binary32.div(a, b) == expected, (hex(a), hex(b))


def test_square_roots_lie_within_half_a_unit() -> None:
    for a, _, _ in hard_words(4000, seed=3):
        word = a & ~SIGN
        if not is_finite(word) or word == 0:
            continue
        root = binary32.sqrt(word)
        # The exact root is irrational or representable: it is never half way between two words.
        below = (value_of(root - 1) + value_of(root)) / 2
        above = (value_of(root) + value_of(root + 1)) / 2
        assert below**2 < value_of(word) < above**2, hex(word)


def test_square_roots_of_squares_are_exact() -> None:
    for root in range(1, 4096, 7):
        assert binary32.sqrt(word_of(float(root * root))) == word_of(float(root))


@given(words, words)
@example(1, 0x80000001)
@example(0x7F7FFFFF, 0x73000000)  # overflows by exactly half a unit: ties to even, to infinity
def test_addition_commutes_and_subtraction_is_addition_of_the_negative(a: int, b: int) -> None:
    assert binary32.add(a, b) == binary32.add(b, a)
    assert binary32.sub(a, b) == binary32.add(a, binary32.negative(b))


@given(words, words, words)
def test_fma_degenerates_to_multiplication_and_to_addition(a: int, b: int, c: int) -> None:
    one, minus_zero = 0x3F800000, SIGN
    assert binary32.fma(a, one, c) == binary32.add(a, c)
    product = binary32.mul(a, b)
    assert binary32.fma(a, b, minus_zero if product & SIGN else 0) == product


@given(words, words)
def test_minimum_and_maximum_give_the_two_operands_in_order(a: int, b: int) -> None:
    low, high = binary32.minimum(a, b), binary32.maximum(a, b)
    if binary32.canonical(a) == NAN or binary32.canonical(b) == NAN:
        assert (low, high) == (NAN, NAN)
    else:
        assert sorted([low, high]) == sorted([a, b])
        assert binary32.less_equal(low, high)


@given(words, words)
def test_comparisons_are_those_of_the_numbers(a: int, b: int) -> None:
    if is_finite(a, b):
        x, y = value_of(a), value_of(b)
        truths = (binary32.equal(a, b), binary32.less(a, b), binary32.less_equal(a, b))
        assert truths == (int(x == y), int(x < y), int(x <= y))


PLUS_ZERO, MINUS_ZERO, ONE = 0, SIGN, 0x3F800000
MINUS_INFINITY, MINUS_ONE = SIGN | INFINITY, 0xBF800000


@pytest.mark.parametrize(
    ("operation", "operands", "expected"),
    [
        ("add", (PLUS_ZERO, MINUS_ZERO), PLUS_ZERO),
        ("add", (MINUS_ZERO, MINUS_ZERO), MINUS_ZERO),
        ("add", (ONE, MINUS_ONE), PLUS_ZERO),
        ("add", (INFINITY, MINUS_INFINITY), NAN),
        ("add", (INFINITY, ONE), INFINITY),
        ("add", (0xFFC12345, ONE), NAN),
        ("sub", (INFINITY, INFINITY), NAN),
        ("sub", (MINUS_ZERO, PLUS_ZERO), MINUS_ZERO),
        ("mul", (PLUS_ZERO, INFINITY), NAN),
        ("mul", (MINUS_ZERO, ONE), MINUS_ZERO),
        ("mul", (MINUS_INFINITY, MINUS_ONE), INFINITY),
        ("mul", (1, 0x3F000000), PLUS_ZERO),  # half the smallest subnormal: ties to even
        ("mul", (3, 0x3F000000), 2),
        ("div", (ONE, PLUS_ZERO), INFINITY),
        ("div", (ONE, MINUS_ZERO), MINUS_INFINITY),
        ("div", (PLUS_ZERO, PLUS_ZERO), NAN),
        ("div", (INFINITY, INFINITY), NAN),
        ("div", (ONE, MINUS_INFINITY), MINUS_ZERO),
        ("div", (INFINITY, MINUS_ONE), MINUS_INFINITY),
        ("sqrt", (MINUS_ZERO,), MINUS_ZERO),
        ("sqrt", (0x406E9372,), 0x3FF7226D),  # 2**-45 above half way between two words
        ("sqrt", (MINUS_ONE,), NAN),
        ("sqrt", (INFINITY,), INFINITY),
        ("sqrt", (MINUS_INFINITY,), NAN),
        ("fma", (PLUS_ZERO, INFINITY, ONE), NAN),
        ("fma", (INFINITY, ONE, MINUS_INFINITY), NAN),
        ("fma", (ONE, ONE, MINUS_INFINITY), MINUS_INFINITY),
        ("fma", (ONE, ONE, MINUS_ONE), PLUS_ZERO),
        ("fma", (PLUS_ZERO, MINUS_ONE, MINUS_ZERO), MINUS_ZERO),
        ("fma", (0x3F800800, 0x3F800800, 0xBF801000), 0x33800000),  # the canary of fused hardware
        ("minimum", (PLUS_ZERO, MINUS_ZERO), MINUS_ZERO),
        ("minimum", (MINUS_ZERO, PLUS_ZERO), MINUS_ZERO),
        ("maximum", (MINUS_ZERO, PLUS_ZERO), PLUS_ZERO),
        ("maximum", (INFINITY, NAN), NAN),
        ("equal", (PLUS_ZERO, MINUS_ZERO), 1),
        ("equal", (NAN, NAN), 0),
        ("less", (MINUS_ZERO, PLUS_ZERO), 0),
        ("less", (MINUS_INFINITY, INFINITY), 1),
        ("less_equal", (NAN, ONE), 0),
        ("canonical", (0xFF800001,), NAN),
        ("canonical", (MINUS_INFINITY,), MINUS_INFINITY),
    ],
)
def test_special_cases(operation: str, operands: tuple[int, ...], expected: int) -> None:
    assert getattr(binary32, operation)(*operands) == expected
