"""`aivm demo`: the whole network does its main job, and says so only because it was checked."""

from __future__ import annotations

from typing import Any

import pytest

from aivm.devnet.demo import SENTENCES


@pytest.mark.timeout(400)
def test_the_demo_holds_and_leaves_nothing_running(terminal: Any) -> None:
    done = terminal.run("demo", "--json", timeout=380)
    assert done.status == 0, done.err
    found = done.document
    for flag in ("ok", "engines_equal", "verified", "cheat_caught", "convicted", "settled"):
        assert found[flag] is True, flag
    assert found["cheat"]["outputs"] != found["inferences"][0]["outputs"]
    changes = {entry["who"]: int(entry["change"]) for entry in found["payments"]}
    dispute = found["dispute"]
    assert dispute.keys() == {"rounds", "transactions", "gas", "step_gas", "seconds"}
    assert 0 < dispute["rounds"] <= 10
    assert 0 < dispute["transactions"] <= 16
    assert 0 < dispute["step_gas"] < dispute["gas"]
    award, refund = 200 * 10**18, 50 * 10**18
    assert changes["verifier"] == award
    assert sum(changes.values()) == award + refund
    for who in ("publisher", "treasury", "provider 1", "provider 2", "cheat 3"):
        assert changes[who] > 0, who
    prices = [int(entry["price"]) for entry in found["inferences"]]
    assert refund - changes["client"] > sum(prices)  # and the cheat's one
    assert {len(entry["nearest"]) for entry in found["neighbours"]} == {3}
    nearest = {entry["question"]: entry["nearest"][0]["text"] for entry in found["neighbours"]}
    travels = SENTENCES[:3]
    assert nearest["How do I get to the seaside?"] in travels
    assert "distant planet" in nearest["Is there life on other worlds?"]
    assert terminal.wait_until_all_ended(5) == {}
