"""Fill the tables of docs/economics.md from the simulations.

    python simulation/report.py            write them
    python simulation/report.py --check    fail if one is not what the simulations say

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. Every run draws the same numbers.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from career import break_even, career
from dilemma import Floor, settle
from griefing import FEES, conviction, false_challenge, game_gas
from terms import Terms, Work, deployed_terms

PAGE = Path(__file__).resolve().parents[1] / "docs" / "economics.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SEED = 1

EMBEDDING = Work(price=0.001, jobs_per_day=10_000)
CHAT = Work(price=0.1, jobs_per_day=1_000)
BATCH = Work(price=20, jobs_per_day=10)
WORKS = {"embeddings": EMBEDDING, "long answers": CHAT, "large batches": BATCH}


def main(arguments: Sequence[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    filled = TABLE.sub(lambda found: found[1] + TABLES[found[2]](deployed_terms()) + found[3], text)
    if "--check" not in arguments:
        PAGE.write_text(filled, encoding="utf-8")
    elif filled != text:
        sys.stderr.write(f"stale: {PAGE.name}; run python simulation/report.py\n")
        return 1
    return 0


def terms_table(terms: Terms) -> str:
    rows = [
        ("least stake of a provider", f"{terms.stake:g}"),
        ("penalty of a conviction", f"{terms.penalty:g}"),
        ("of it burned", f"{terms.burned:g}"),
        ("of it to the challenger", f"{terms.award:g}"),
        ("of it to the client", f"{terms.refund:g}"),
        ("bond of a challenger", f"{terms.bond:g}"),
        ("time in which a receipt can be disputed", f"{terms.window * 24:g} hours"),
        ("clock of each side", f"{terms.clock * 24:g} hours"),
    ]
    return table(("what", "tokens or time"), rows)


def careers_table(terms: Terms) -> str:
    rows = []
    for name, work in WORKS.items():
        for detection in (0.00001, 0.001, 0.01, 0.1):
            found = career(terms, work, detection, random.Random(SEED))
            rows.append(
                (
                    f"{name}, {work.price:g} a job, {work.jobs_per_day:,} a day",
                    f"{detection:.3%}",
                    f"{found.days:,.1f}",
                    f"{found.saved:,.1f}",
                    f"{found.lost:,.1f}",
                    f"{found.gain:+,.1f}",
                )
            )
    return table(("work", "lies found", "days until out", "saved", "lost", "gain"), rows)


def break_even_table(terms: Terms) -> str:
    rows = [
        (name, f"{work.saved:g}", f"{break_even(terms, work):.5%}") for name, work in WORKS.items()
    ]
    return table(("work", "a lie saves", "lies that must be found"), rows)


def dilemma_table(terms: Terms) -> str:
    rows = []
    markets = {
        "selfish verifiers alone": (Floor(), terms.award),
        "the same, but cheats convict themselves first": (Floor(), 0.0),
        "clients check 0.01 % of their jobs": (Floor(clients=0.0001), terms.award),
        "canaries are 0.01 % of all jobs": (Floor(canaries=0.0001), terms.award),
        "clients check 0.1 %": (Floor(clients=0.001), terms.award),
        "canaries are 0.1 %": (Floor(canaries=0.001), terms.award),
        "the same, but cheats convict themselves first ": (Floor(canaries=0.001), 0.0),
    }
    for name, (floor, award) in markets.items():
        found = settle(terms, CHAT, floor, random.Random(SEED), award=award)
        rows.append(
            (
                name.strip(),
                f"{found.cheated:.4%}",
                f"{found.checked:.3%}",
                f"{found.profit:+,.1f}",
                f"{found.canary_cost:,.1f}",
            )
        )
    heading = ("checks", "jobs that are lies", "checked by choice", "verifiers earn a day")
    return table((*heading, "canaries cost a day"), rows)


def griefing_table(terms: Terms) -> str:
    challenger, provider = game_gas()
    rows = []
    for fees in FEES:
        grief = false_challenge(terms, fees, challenger, provider)
        rows.append(
            (
                fees.name,
                f"{grief.challenger:,.2f}",
                f"{grief.provider:+,.2f}",
                f"{conviction(terms, fees, challenger):+,.2f}",
            )
        )
    heading = ("gas costs", "a false challenger loses", "the honest provider loses")
    return table((*heading, "a right challenger earns"), rows)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, with a line's end after every row."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


TABLES: dict[str, Callable[[Terms], str]] = {
    "terms": terms_table,
    "careers": careers_table,
    "break_even": break_even_table,
    "dilemma": dilemma_table,
    "griefing": griefing_table,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
