"""Who makes room when the book is full: the largest crowd, never whoever comes alone.

A crowd is what waits of one provider from one source. A flood of receipts needs a staked provider
that signs them and somebody who sends them, so that it is a crowd however it is spread; the newest
of it goes back to `passed`, or is not taken at all, and a single honest receipt always finds a
place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aivm.verifier.states import WAITING, State

if TYPE_CHECKING:
    from aivm.verifier.book import Entry

Crowds = Mapping[tuple[str, str], int]
"""(provider, source) -> how many wait, or how many bytes."""


@dataclass(frozen=True)
class Limits:
    """How much the book holds before somebody has to make room."""

    waiting: int = 4096
    passed: int = 100_000
    input_bytes: int = 4 * 2**30


@dataclass(frozen=True)
class Newcomer:
    """A receipt that wants to be taken in; `size` are the bytes of its inputs."""

    provider: str
    source: str
    state: State
    flagged: bool
    size: int

    @classmethod
    def of(cls, entry: Entry, size: int) -> Newcomer:
        return cls(entry.provider, entry.source, entry.state, entry.flagged, size)


def largest(crowds: Crowds) -> tuple[str, str]:
    """The largest source of the provider that has the most."""
    providers: dict[str, int] = {}
    for (provider, _), count in crowds.items():
        providers[provider] = providers.get(provider, 0) + count
    most = max(providers, key=lambda provider: providers[provider])
    return max((crowd for crowd in crowds if crowd[0] == most), key=lambda crowd: crowds[crowd])


def make_room(db: sqlite3.Connection, limits: Limits, newcomer: Newcomer) -> bool:
    """Whether there is a place now; inside the transaction that takes the newcomer in."""
    waits = newcomer.state in WAITING
    while waits and _count(db, WAITING) >= limits.waiting:
        if not _send_one_back(db, newcomer):
            return False
    while held_bytes(db) + newcomer.size > limits.input_bytes:
        if not _drop_one(db, newcomer):
            return False
    while _count(db, (State.PASSED,)) >= limits.passed:
        provider, source = largest(_crowds(db, (State.PASSED,), "COUNT(*)"))
        _forget_oldest(db, provider, source)
    return True


def drop_inputs(db: sqlite3.Connection, receipt: bytes) -> None:
    """Without its inputs a receipt cannot be drawn again; its entry stays."""
    db.execute("DELETE FROM inputs WHERE receipt = ?", (receipt,))
    db.execute("UPDATE entries SET bytes = -1 WHERE receipt = ?", (receipt,))


def _send_one_back(db: sqlite3.Connection, newcomer: Newcomer) -> bool:
    """The newest of the largest crowd is passed over; False if that is the newcomer itself."""
    crowds = _crowds(db, WAITING, "COUNT(*)", newcomer, 1)
    newest = _newest(db, newcomer, *largest(crowds))
    if newest is None:
        return False
    db.execute("UPDATE entries SET state = ? WHERE receipt = ?", (State.PASSED, newest))
    return True


def _drop_one(db: sqlite3.Connection, newcomer: Newcomer) -> bool:
    """Inputs that are least needed go: of receipts passed over, then of those that wait."""
    passed = _crowds(db, (State.PASSED,), "SUM(bytes)")
    if passed:
        provider, source = largest(passed)
        row = db.execute(
            "SELECT receipt FROM entries WHERE (state, provider, source) = (?, ?, ?) AND bytes > 0"
            " ORDER BY seen LIMIT 1",
            (State.PASSED, provider, source),
        ).fetchone()
        drop_inputs(db, row[0])
        return True
    crowds = _crowds(db, WAITING, "SUM(bytes)", newcomer, newcomer.size)
    newest = _newest(db, newcomer, *largest(crowds))
    if newest is None:
        return False
    drop_inputs(db, newest)
    db.execute("UPDATE entries SET state = ? WHERE receipt = ?", (State.PASSED, newest))
    return True


def _newest(db: sqlite3.Connection, newcomer: Newcomer, provider: str, source: str) -> Any:
    """The receipt of a crowd that is given up first; None where the newcomer is that one."""
    own = (newcomer.provider, newcomer.source) == (provider, source)
    row = db.execute(
        "SELECT receipt FROM entries WHERE (state, provider, source) = (?, ?, ?) AND bytes >= 0"
        " AND (NOT ? OR flagged < ?) ORDER BY flagged, seen DESC, rowid DESC LIMIT 1",
        (State.DUE, provider, source, own, newcomer.flagged),
    ).fetchone()
    return None if row is None else row[0]


def _forget_oldest(db: sqlite3.Connection, provider: str, source: str) -> None:
    row = db.execute(
        "SELECT receipt FROM entries WHERE (state, provider, source) = (?, ?, ?)"
        " ORDER BY seen LIMIT 1",
        (State.PASSED, provider, source),
    ).fetchone()
    drop_inputs(db, row[0])
    db.execute("DELETE FROM entries WHERE receipt = ?", (row[0],))


def _crowds(
    db: sqlite3.Connection,
    states: Sequence[State],
    measure: str,
    newcomer: Newcomer | None = None,
    more: int = 0,
) -> dict[tuple[str, str], int]:
    """Who has how much, the newcomer counted in."""
    marks = ", ".join("?" * len(states))
    rows = db.execute(
        f"SELECT provider, source, {measure} FROM entries WHERE state IN ({marks})"
        f" GROUP BY provider, source HAVING {measure} > 0",
        tuple(states),
    )
    crowds = {(provider, source): int(count) for provider, source, count in rows}
    if newcomer is not None:
        own = (newcomer.provider, newcomer.source)
        crowds[own] = crowds.get(own, 0) + more
    return crowds


def _count(db: sqlite3.Connection, states: Sequence[State]) -> int:
    marks = ", ".join("?" * len(states))
    row = db.execute(f"SELECT COUNT(*) FROM entries WHERE state IN ({marks})", tuple(states))
    return int(row.fetchone()[0])


def held_bytes(db: sqlite3.Connection) -> int:
    """Bytes of inputs in the book."""
    row = db.execute("SELECT COALESCE(SUM(bytes), 0) FROM entries WHERE bytes > 0").fetchone()
    return int(row[0])
