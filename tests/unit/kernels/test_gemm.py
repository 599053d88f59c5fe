"""The matrix product against the definition: one fused chain an output, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aivm.engines.reference.arrays import ArrayMachine

from .conftest import Windows

SHAPES = [
    (1, 1, 1), (1, 7, 3), (3, 5, 17), (4, 8, 8), (2, 33, 153), (1, 40, 131), (7, 3, 16),
    (13, 64, 31), (37, 101, 53), (11, 800, 9), (130, 17, 40), (5, 385, 33),
]  # fmt: skip
Build = Callable[..., object]


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _wide_exponents(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.ldexp(_normal(rng, shape), rng.integers(-60, 61, shape)).astype(np.float32)


def _tiny_products(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.ldexp(_normal(rng, shape), rng.integers(-78, -68, shape)).astype(np.float32)


def _subnormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    words = rng.integers(0, 1 << 23, shape, np.uint32) | rng.integers(0, 2, shape, np.uint32) << 31
    mixed = np.where(rng.random(shape) < 0.5, words.view(np.float32), _normal(rng, shape))
    return mixed.astype(np.float32)


def _with(rng: np.random.Generator, shape: tuple[int, int], words: list[int]) -> np.ndarray:
    special = rng.choice(np.array(words, np.uint32), shape).view(np.float32)
    return np.where(rng.random(shape) < 0.1, special, _normal(rng, shape)).astype(np.float32)


def _infinities(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return _with(rng, shape, [0x7F800000, 0xFF800000, 0, 0x80000000])


def _nans(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return _with(rng, shape, [0x7FC00000, 0xFFC12345, 0x7F800001, 0xFFFFFFFF])


def _any_bits(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.integers(0, 1 << 32, shape, np.uint32).view(np.float32)


KINDS = [_normal, _wide_exponents, _tiny_products, _subnormal, _infinities, _nans, _any_bits]


def words(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint32)


def chain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The definition, one step of all chains at a time; returns the words of C."""
    machine = ArrayMachine()
    acc = np.zeros((a.shape[0], b.shape[1]), np.uint32)
    for k in range(a.shape[1]):
        left, right = np.broadcast_arrays(words(a[:, k : k + 1]), words(b[k : k + 1]))
        acc = machine.fma(left, right, acc)
    return np.asarray(machine.canonical(acc))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_every_kind_of_value_on_every_shape(product: Build, kind: Build, packed: bool) -> None:
    rng = np.random.default_rng(len(kind.__name__))
    for m, k, n in SHAPES:
        a, b = kind(rng, (m, k)), kind(rng, (k, n))
        p = product(a, b, packed=packed)
        p.run()
        differing = np.argwhere(words(p.result()) != chain(a, b))
        assert len(differing) == 0, f"{(m, k, n)}: first at {differing[0]}"


@pytest.mark.parametrize("packed", [True, False])
def test_operands_may_be_any_strided_views(product: Build, packed: bool) -> None:
    rng = np.random.default_rng(3)
    for m, k, n in [(9, 33, 50), (1, 12, 70), (2, 9, 40), (40, 130, 9)]:
        big_a, big_b = _normal(rng, (2 * k, 3 * m)), _normal(rng, (2 * n + 1, 2 * k))
        for a in (big_a[:k, :m].T, big_a[::2, ::3].T, np.ascontiguousarray(big_a[:k, :m].T)):
            for b in (big_b[:n, :k].T, big_b[1::2, ::2][:n].T, _normal(rng, (k, n + 5))[:, :n]):
                p = product(a, b, packed=packed)
                p.run()
                assert (words(p.result()) == chain(a, b)).all()


def test_broadcast_operands_have_stride_zero(product: Build) -> None:
    rng = np.random.default_rng(4)
    row = _normal(rng, (1, 20))
    a = np.broadcast_to(row, (6, 20))
    b = _normal(rng, (20, 17))
    p = product(a, b, packed=False)
    p.run()
    assert (words(p.result()) == chain(np.repeat(row, 6, 0), b)).all()


@pytest.mark.parametrize("packed", [True, False])
def test_any_cut_into_rectangles_gives_the_same_bits(
    guest: object, product: Build, packed: bool
) -> None:
    rng = np.random.default_rng(5)
    a, b = _normal(rng, (29, 70)), _normal(rng, (70, 101))
    panel = guest.call("aivm_panel_columns")  # type: ignore[attr-defined]
    p = product(a, b, packed=packed)
    for rows in (range(0, 1), range(1, 3), range(3, 20), range(20, 29)):
        for start in range(0, 101, panel):
            p.run(rows, range(start, min(start + panel, 101)))
    assert (words(p.result()) == chain(a, b)).all()


def test_depth_zero_gives_plus_zero(product: Build) -> None:
    for m, n in [(1, 1), (5, 40), (4, 8), (2, 64)]:
        a, b = np.zeros((m, 0), np.float32), np.zeros((0, n), np.float32)
        for packed in (True, False):
            p = product(a, b, packed=packed)
            p.run()
            assert (words(p.result()) == 0).all()


def test_a_chain_that_underflows_to_minus_zero_stays_so(product: Build) -> None:
    a, b = np.full((6, 5), -1e-30, np.float32), np.full((5, 20), 1e-30, np.float32)
    p = product(a, b, packed=True)
    p.run()
    assert (words(p.result()) == 0x80000000).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
@pytest.mark.parametrize(
    ("places", "kernel", "stride", "filters"),
    [((7, 7), 3, 1, 17), ((3, 19), 2, 2, 48), ((5, 1), 3, 1, 9), ((2, 150), 1, 1, 16)],
)
def test_windows_of_an_image_are_read_where_they_lie(
    product: Build, kind: Build, places: tuple[int, int], kernel: int, stride: int, filters: int
) -> None:
    rng = np.random.default_rng(6)
    high, wide = ((count - 1) * stride + kernel for count in places)
    image = kind(rng, (high, wide * 3)).reshape(high, wide, 3)
    taps = [(c, y, x) for c in range(3) for y in range(kernel) for x in range(kernel)]
    rows = [(y * stride, x * stride) for y in range(places[0]) for x in range(places[1])]
    a = np.array([[image[y + dy, x + dx, c] for c, dy, dx in taps] for y, x in rows])
    b = kind(rng, (len(taps), filters))
    windows = Windows(
        image=image,
        row=3 * stride,
        width=places[1],
        line=3 * wide * stride,
        offsets=np.array([(dy * wide + dx) * 3 + c for c, dy, dx in taps], np.int32),
    )
    for packed in (True, False):
        p = product(a, b, packed=packed, windows=windows)
        p.run(range(0, places[1] // 2 + 1))
        p.run(range(places[1] // 2 + 1, len(rows)))
        assert (words(p.result()) == chain(a, b)).all()
