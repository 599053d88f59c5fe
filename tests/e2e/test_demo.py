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
    for flag in ("ok", "engines_equal", "verified", "cheat_caught", "settled"):
        assert found[flag] is True, flag
    assert found["cheat"]["outputs"] != found["inferences"][0]["outputs"]
    changes = {entry["who"]: int(entry["change"]) for entry in found["payments"]}
    assert sum(changes.values()) == 0
    for who in ("publisher", "treasury", "provider 1", "provider 2", "cheat 3"):
        assert changes[who] > 0, who
    prices = [int(entry["price"]) for entry in found["inferences"]]
    assert -changes["client"] > sum(prices)  # and the cheat's one
    assert {len(entry["nearest"]) for entry in found["neighbours"]} == {3}
    nearest = {entry["question"]: entry["nearest"][0]["text"] for entry in found["neighbours"]}
    travels = SENTENCES[:3]
    assert nearest["How do I get to the seaside?"] in travels
    assert "distant planet" in nearest["Is there life on other worlds?"]
    assert terminal.wait_until_all_ended(5) == {}
