"""What is offered for gas: enough for now, better than before, never over the cap."""

from __future__ import annotations

import pytest

from aivm.chain.fees import GWEI, Market, Offer, in_gwei
from aivm.errors import FeesTooHigh

CALM, DEAR = Market(GWEI, GWEI // 10), Market(10 * GWEI, GWEI // 10)


def test_twice_the_base_fee_is_offered_up_to_the_cap() -> None:
    assert CALM.offer(None) == Offer(2 * GWEI + GWEI // 10, GWEI // 10)
    assert CALM.offer(3 * GWEI // 2) == Offer(3 * GWEI // 2, GWEI // 10)
    assert CALM.offer(11 * GWEI // 10).max_fee == 11 * GWEI // 10
    with pytest.raises(FeesTooHigh, match=r"gas costs 1\.1 gwei now, and the cap is 1 gwei"):
        CALM.offer(GWEI)


def test_a_replacement_pays_more_than_before_and_what_is_asked_now() -> None:
    first = CALM.offer(None)
    assert DEAR.better(first, 1.25, None) == Offer(20 * GWEI + GWEI // 8 + 1, GWEI // 8 + 1)
    calm = CALM.better(first, 1.25, None)
    assert calm is not None
    assert calm.max_fee > first.max_fee * 1.1 and calm.priority_fee > first.priority_fee * 1.1


@pytest.mark.parametrize("priority", [0, 1, 7, GWEI])
def test_even_the_smallest_offer_can_be_bettered(priority: int) -> None:
    last = Offer(priority, priority)
    better = Market(0, 0).better(last, 1.25, None)
    assert better is not None and better.priority_fee > priority
    assert better.max_fee >= better.priority_fee


def test_at_the_cap_there_is_nothing_better() -> None:
    at_cap = Offer(5 * GWEI, GWEI // 10)
    assert DEAR.better(at_cap, 1.25, 5 * GWEI) is None
    assert DEAR.better(at_cap, 1.25, 5 * GWEI + 1) is None  # less than nodes want
    assert DEAR.better(at_cap, 1.25, 6 * GWEI) == Offer(6 * GWEI, GWEI // 8 + 1)


def test_a_fee_is_shown_in_gwei() -> None:
    assert in_gwei(1_234_567_890) == "1.235 gwei"
