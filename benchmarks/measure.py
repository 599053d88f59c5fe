"""Interleaved timing: contestants take turns in short slices, and each keeps its best.

On a shared machine the speed of a moment belongs to the moment. Short slices in turn give every
contestant the same chances of a quiet one, and the minimum finds it; ratios within one run are what
to trust, absolute figures are not. A slice holds several calls: the first finds the caches as the
contestant before left them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Contestant = Callable[[], object]


def best_seconds(
    contestants: Mapping[str, Contestant], *, rounds: int = 40, slice_seconds: float = 0.01
) -> dict[str, float]:
    """Seconds of one call of each contestant: the minimum over `rounds` slices, taken in turns."""
    repetitions = {name: _repetitions(run, slice_seconds) for name, run in contestants.items()}
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            best[name] = min(best[name], _slice(run, repetitions[name]))
    return best


def _repetitions(run: Contestant, slice_seconds: float) -> int:
    run()  # first calls pay for caches and lazy set-up
    return max(1, round(slice_seconds / max(_slice(run, 1), 1e-7)))


def _slice(run: Contestant, repetitions: int) -> float:
    start = time.perf_counter()
    for _ in range(repetitions):
        run()
    return (time.perf_counter() - start) / repetitions


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned text; floats with one decimal."""
    cells = [list(columns)] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def report(name: str, result: object, text: str) -> None:
    """Prints the table and writes the result to benchmarks/<name>.json (not tracked)."""
    sys.stdout.write(text + "\n")
    path = Path(__file__).parent / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
