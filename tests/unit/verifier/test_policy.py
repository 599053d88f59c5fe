"""The sampling policy: what raises and what lowers the probability, and where it is certain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.verifier.policy import DRAW_BYTES, Policy, Risk, is_drawn, probability

TOKEN = 10**18
POLICY = Policy()
DAY = 24 * 3600
ORDINARY = Risk(
    price=10**15,
    penalty=500 * TOKEN,
    slashable=10_000 * TOKEN,
    at_risk=0,
    age_seconds=365 * DAY,
    found_right=0,
    found_false=0,
    seconds_left=DAY,
    gas=10**9,
    gas_left=10**13,
)


def test_an_ordinary_receipt_of_an_old_provider_is_drawn_about_as_often_as_the_floor() -> None:
    assert probability(ORDINARY, POLICY) == pytest.approx(POLICY.floor, rel=0.01)


def test_at_ten_times_the_break_even_price_everything_is_drawn() -> None:
    dear = replace(ORDINARY, price=50 * TOKEN)  # a tenth of the penalty
    assert probability(dear, POLICY) == 1.0


def test_cheating_never_pays_where_the_budget_is_not_the_limit() -> None:
    """The expected loss is at least `margin` times the gain, or the receipt is always drawn."""
    for exponent in range(12, 21):
        risk = replace(ORDINARY, price=10**exponent)
        chance = probability(risk, POLICY)
        assert chance == 1 or chance * risk.penalty >= POLICY.margin * risk.price


def test_a_stake_that_answers_for_more_than_it_holds_has_all_its_receipts_checked() -> None:
    exposed = replace(ORDINARY, at_risk=ORDINARY.slashable)
    assert probability(exposed, POLICY) == 1.0


def test_what_its_client_has_flagged_is_always_checked_if_there_is_time() -> None:
    flagged = replace(ORDINARY, flagged=True, gas_left=0)
    assert probability(flagged, POLICY) == 1.0
    late = replace(flagged, seconds_left=POLICY.least_seconds)
    assert probability(late, POLICY) == 0.0


def test_nothing_is_drawn_where_nothing_can_be_won() -> None:
    assert probability(replace(ORDINARY, slashable=0), POLICY) == 0.0
    assert probability(replace(ORDINARY, penalty=0), POLICY) == 0.0


def test_a_run_that_the_budget_cannot_pay_is_drawn_less_often() -> None:
    half = replace(ORDINARY, gas_left=ORDINARY.gas // 2)
    assert probability(half, POLICY) == pytest.approx(probability(ORDINARY, POLICY) / 2)
    assert probability(replace(ORDINARY, gas_left=-5), POLICY) == 0.0


@pytest.mark.parametrize(
    ("field", "more", "rises"),
    [
        ("price", 10**18, True),
        ("at_risk", 10**21, True),
        ("found_false", 1, True),
        ("gas_left", 10**14, None),
        ("slashable", 10**24, None),
        ("slashable", 10**20, True),  # below the penalty
        ("penalty", 10**19, True),  # a smaller penalty deters less
        ("age_seconds", DAY, True),
        ("found_right", 50, False),
        ("seconds_left", 30 * 60, False),
        ("gas", 10**14, False),
    ],
)
def test_each_circumstance_moves_the_probability_its_own_way(
    field: str, more: int, rises: bool | None
) -> None:
    before = probability(replace(ORDINARY, price=10**17), POLICY)
    changes: Any = {"price": 10**17} | {field: more}
    after = probability(replace(ORDINARY, **changes), POLICY)
    if rises is None:
        assert after == before
    else:
        assert after > before if rises else after < before


amounts = st.integers(0, 10**24)
counts = st.integers(0, 10**6)


@given(
    st.builds(
        Risk,
        price=amounts,
        penalty=amounts,
        slashable=amounts,
        at_risk=amounts,
        age_seconds=counts,
        found_right=counts,
        found_false=counts,
        seconds_left=st.integers(-(10**6), 10**6),
        gas=amounts,
        gas_left=st.integers(-(10**15), 10**15),
        flagged=st.booleans(),
    )
)
def test_it_is_a_probability_whatever_it_is_given(risk: Risk) -> None:
    assert 0.0 <= probability(risk, POLICY) <= 1.0


def test_a_draw_below_the_chance_is_drawn() -> None:
    least, most = bytes(DRAW_BYTES), b"\xff" * DRAW_BYTES
    assert is_drawn(1.0, most)
    assert is_drawn(1e-9, least)
    assert not is_drawn(0.0, least)
    half = (2**63).to_bytes(8, "big")
    assert is_drawn(0.51, half)
    assert not is_drawn(0.5, half)
