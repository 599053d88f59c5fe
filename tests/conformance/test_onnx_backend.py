"""The ONNX project's own node tests on every engine: none wrong, and never fewer passed."""

from __future__ import annotations

from collections import Counter

import pytest

from aivm.testing.engines import runnable_engines
from aivm.testing.onnx_suite import node_cases, outcomes

# May only grow: how many cases passed when these were last changed.
PASSED, PASSED_OF_UNION, UNION_CASES = 1555, 561, 561


@pytest.mark.timeout(300)  # all engines, one after the other
@pytest.mark.filterwarnings("ignore")  # the suite's generators divide by zero on purpose
def test_every_node_test_passes_or_is_refused(capsys):
    found = list(outcomes(node_cases(), runnable_engines()))
    union = [outcome for outcome in found if outcome.in_union]
    counts, of_union = (Counter(o.verdict for o in group) for group in (found, union))
    with capsys.disabled():
        print(f"\nONNX node tests: {dict(counts)}, of real operators: {dict(of_union)}")  # noqa: T201
    assert not [outcome for outcome in found if outcome.verdict == "wrong"]
    assert counts["passed"] >= PASSED
    assert (of_union["passed"], len(union)) == (PASSED_OF_UNION, UNION_CASES)
