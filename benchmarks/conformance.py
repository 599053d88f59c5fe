"""C1 and C2: how many of the ONNX project's own node tests pass.

    python benchmarks/conformance.py                  prints a table, writes conformance.json
    python benchmarks/conformance.py --refusals       and the name of every case that is refused
    python benchmarks/conformance.py reference wasm   the same on other engines (default: native)

Passed means: compiled, and every output within the suite's tolerance, with equal bytes on all
engines asked for. Refusals are counted apart, with their reasons, never as passes.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

from aivm.testing.onnx_suite import Outcome, node_cases, outcomes

VERDICTS = ("passed", "refused", "wrong")
UNION_CASES, SUITE_GOAL = 561, 1397


def main(arguments: list[str]) -> int:
    engines = [argument for argument in arguments if not argument.startswith("-")] or ["native"]
    found = list(outcomes(node_cases(), engines))
    union = [outcome for outcome in found if outcome.in_union]
    _print_table(found, union)
    _print_reasons(found)
    if "--refusals" in arguments:
        for outcome in found:
            if outcome.verdict != "passed":
                sys.stdout.write(f"{outcome.verdict:8} {outcome.name}: {outcome.reason}\n")
    counts = {
        kind: dict(Counter(outcome.verdict for outcome in found if outcome.kind == kind))
        for kind in sorted({outcome.kind for outcome in found})
    }
    targets = {
        "C1": _target(union, len(union), f"{len(union)} of {len(union)}"),
        "C2": _target(found, SUITE_GOAL, f">= {SUITE_GOAL} of {len(found)}"),
    }
    report = {"engines": engines, "classes": counts, "targets": targets}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    wrong = [outcome for outcome in found if outcome.verdict == "wrong"]
    return 1 if wrong or len(union) != UNION_CASES else 0


def _target(found: list[Outcome], goal: int, shown_goal: str) -> dict[str, object]:
    verdicts = Counter(outcome.verdict for outcome in found)
    figure = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS)
    met = verdicts["passed"] >= goal and not verdicts["wrong"]
    return {"figure": figure, "goal": shown_goal, "met": met}


def _print_table(found: list[Outcome], union: list[Outcome]) -> None:
    rows = {"plain, operators of real models": union}
    for kind in sorted({outcome.kind for outcome in found}):
        rows[kind] = [outcome for outcome in found if outcome.kind == kind]
    rows["all"] = found
    sys.stdout.write(f"{'node tests':34}{'cases':>8}{'passed':>8}{'refused':>8}{'wrong':>8}\n")
    for name, row in rows.items():
        verdicts = Counter(outcome.verdict for outcome in row)
        numbers = "".join(f"{verdicts[verdict]:8}" for verdict in VERDICTS)
        sys.stdout.write(f"{name:34}{len(row):8}{numbers}\n")


def _print_reasons(found: list[Outcome]) -> None:
    reasons = Counter(
        re.sub(r"'\w+' ", "", outcome.reason) for outcome in found if outcome.verdict == "refused"
    )
    sys.stdout.write("\nrefused because\n")
    for reason, count in reasons.most_common():
        sys.stdout.write(f"{count:6}  {reason}\n")
    for outcome in found:
        if outcome.verdict == "wrong":
            sys.stdout.write(f"WRONG   {outcome.name}: {outcome.reason}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
