"""The page of gas, from the figures that contracts/gas.py keeps and CI compares."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

KEPT = Path(__file__).resolve().parents[1] / "contracts" / "snapshots" / "gas.json"

_ABOUT = {
    "dispute": "One game about a program as large as MiniLM (603 values, a result of 768 KiB, "
    "chains of 384 steps), move by move, by a verifier who has deposited several bonds; then the "
    "last move of small games about every family of instructions.",
    "float32": "Execution only.",
    "numerics": "One call of a function each: the most that any of some operands took, with the "
    "transaction that carries it left out.",
}


def page() -> str:
    """A table for each contract; transactions with their calldata, unless it says otherwise."""
    figures = json.loads(KEPT.read_text(encoding="utf-8"))
    text = (
        "# Gas\n\n"
        "What usual transactions take, calldata at its floor price (EIP-7623) included.\n"
        "`python contracts/gas.py --check` measures them again and fails if one differs by more\n"
        "than 1 %.\n"
    )
    for group, names in groupby(sorted(figures), key=lambda name: name.partition(": ")[0]):
        rows = [f"| {name.partition(': ')[2]} | {figures[name]:,} |\n" for name in names]
        about = f"{_ABOUT[group]}\n\n" if group in _ABOUT else ""
        text += f"\n## {group}\n\n{about}| what | gas |\n|---|---:|\n{''.join(rows)}"
    return text
