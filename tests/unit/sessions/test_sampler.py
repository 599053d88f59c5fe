"""The sampler against an independent account of it, its edges, and its distribution."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from aivm.engines import open_engine
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.numerics.machine import ScalarMachine
from aivm.numerics.philox import philox
from aivm.sessions.sampler import NO_TOKEN, sampler_program
from aivm.testing.engines import differences

INF, NAN = np.inf, np.nan
Array = np.ndarray[Any, Any]


def inputs_of(
    logits: Any, temperature: float, top_k: int, top_p: float, key: int, draw: int
) -> list[Array]:
    return [
        np.asarray(logits, np.float32).reshape(1, 1, -1),
        np.array(temperature, np.float32),
        np.array(top_k, np.int64),
        np.array(top_p, np.float32),
        np.array([key, draw], np.uint64),
    ]


@cache
def sampler(size: int) -> Callable[..., int]:
    compiled = sampler_program(TensorType(DType.F32, (1, 1, size)))
    loaded = open_engine("native").load(compiled.program, compiled.constants)
    return lambda *given: int(loaded.run(given)[0][0, 0])


def drawn(
    logits: Any,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    key: int = 0,
    draw: int = 0,
) -> int:
    given = inputs_of(logits, temperature, top_k, top_p, key, draw)
    return sampler(given[0].size)(*given)


def expected(logits: Array, temperature: float, k: int, p: float, key: int, draw: int) -> int:
    """The same in exact integers and float64."""
    below = (logits - logits.max()).astype(np.float32) / np.float32(temperature)
    weights = [int(w * 2**31) for w in np.exp(below.astype(np.float64)).astype(np.float32)]
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    order = order[: k or len(order)]
    total = sum(weights[token] for token in order)
    limit = max(1, total * int(np.float32(p) * np.float32(2**31)) // 2**31)
    kept, weight = [], 0
    for token in order:
        if weight < limit:
            kept.append(token)
            weight += weights[token]
    halves = [word & 0xFFFF_FFFF for word in (key, key >> 32, draw, draw >> 32)]
    block = philox(ScalarMachine(), (0, 0, halves[2], halves[3]), (halves[0], halves[1]))
    point = weight * (block[0] >> 1) // 2**31
    for token in kept:
        point -= weights[token]
        if point < 0:
            return token
    raise AssertionError("the point lies below the weight of what is kept")


@pytest.mark.parametrize("size", [1, 2, 7, 300])
def test_it_draws_what_the_definition_says(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(60):
        logits = (rng.normal(size=size) * rng.choice([0.1, 1, 5])).round(rng.integers(0, 3))
        logits = logits.astype(np.float32)  # rounded: ties are frequent
        temperature, k, p = rng.choice([0.3, 1, 2.5]), rng.integers(0, size + 3), rng.random()
        key, draw = (int(number) for number in rng.integers(0, 2**63, 2))
        given = (float(np.float32(temperature)), int(k), float(np.float32(1 - p)), key, draw)
        assert drawn(logits, *given) == expected(logits, *given)


def test_all_engines_draw_the_same() -> None:
    rng = np.random.default_rng(5)
    compiled = sampler_program(TensorType(DType.F32, (1, 1, 50)))
    reference = open_engine("reference").load(compiled.program, compiled.constants)
    for given in [(0, 0, 1, 1, 0), (1, 0, 1, 1, 2), (0.7, 9, 0.8, 2**63, 2**40), (NAN, 0, 1, 0, 0)]:
        tensors = inputs_of(rng.normal(size=50) * 3, *given)
        results = reference.run(tensors)
        assert list(differences(compiled.program, compiled.constants, tensors, results)) == []


def test_temperature_0_takes_the_first_of_the_greatest() -> None:
    assert drawn([1, 5, 3, 5], 0.0) == 1
    assert drawn([-INF, -2, -INF], 0.0) == 1
    assert {drawn([1, 5, 3, 5], 0.0, 3, 0.1, key) for key in range(9)} == {1}


@pytest.mark.parametrize("logits", [[0, NAN, 1], [INF, 0], [INF, INF], [-INF, -INF], [NAN]])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_without_a_greatest_number_give_no_token(logits: Any, temperature: float) -> None:
    assert drawn(logits, temperature) == NO_TOKEN


@pytest.mark.parametrize(
    "given",
    [(-1, 0, 1), (NAN, 0, 1), (INF, 0, 1), (1, -1, 1), (1, 0, 0), (1, 0, -0.5), (1, 0, 1.5),
     (1, 0, NAN), (1, -(2**63), 1)],
)  # fmt: skip
def test_parameters_outside_their_range_give_no_token(given: Any) -> None:
    assert drawn([1, 2, 3], *given) == NO_TOKEN


def test_a_logit_of_minus_infinity_is_never_drawn() -> None:
    assert {drawn([0, -INF, 0, -INF], key=key) for key in range(60)} == {0, 2}


@pytest.mark.parametrize("temperature", [1e-45, 1e-30, 0.01])
def test_a_low_temperature_draws_the_likeliest(temperature: float) -> None:
    assert {drawn([3, 4, 1], temperature, key=key) for key in range(20)} == {1}


def test_the_highest_temperature_draws_all_alike() -> None:
    found = {drawn([3, -1e30, 1], 3.4e38, key=key) for key in range(60)}
    assert found == {0, 1, 2}


def test_top_k_keeps_the_first_of_equals() -> None:
    assert {drawn([1, 1, 1, 1, 1], top_k=2, key=key) for key in range(60)} == {0, 1}
    assert {drawn([1, 2, 3, 4], top_k=1, key=key) for key in range(20)} == {3}
    assert {drawn([1, 1, 1], top_k=2**63 - 1, key=key) for key in range(60)} == {0, 1, 2}


def test_top_p_keeps_the_shortest_beginning_that_weighs_enough() -> None:
    chances = np.log([0.4, 0.3, 0.2, 0.1])
    for top_p, kept in [
        (1e-9, {0}),
        (0.39, {0}),
        (0.41, {0, 1}),
        (0.69, {0, 1}),
        (0.71, {0, 1, 2}),
    ]:
        assert {drawn(chances, top_p=top_p, key=key) for key in range(120)} == kept


def test_top_p_counts_among_what_top_k_left() -> None:
    chances = np.log([0.4, 0.4, 0.1, 0.1])
    # 0.45 of all would take two tokens; of the first two it takes one.
    assert {drawn(chances, top_k=2, top_p=0.45, key=key) for key in range(60)} == {0}


def test_the_distribution() -> None:
    """Pearson's test: 40 tokens, so 66 is passed by one honest generator in 200."""
    logits = np.random.default_rng(0).normal(size=40).astype(np.float32)
    chances = np.exp(logits.astype(np.float64))
    wanted = 4000 * chances / chances.sum()
    counts = np.bincount([drawn(logits, key=7, draw=draw) for draw in range(4000)], minlength=40)
    assert ((counts - wanted) ** 2 / wanted).sum() < 66


def test_every_draw_of_a_key_is_another_one() -> None:
    tokens = [drawn(np.zeros(1000), key=3, draw=draw) for draw in range(30)]
    assert len(set(tokens)) > 25
    assert tokens == [drawn(np.zeros(1000), key=3, draw=draw) for draw in range(30)]
