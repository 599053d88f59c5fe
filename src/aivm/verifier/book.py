"""The verifier's memory: every receipt it took, what became of it, and what it has spent.

One SQLite file in write-ahead mode: a receipt stands in it before its sender hears that it was
taken, a finding before anything is done about it, so a verifier killed at any point goes on where
it was. Amounts are token base units, kept as text (SQLite integers end at 2^63); gas is in gas
units; times are Unix seconds of the chain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aivm.commitments import numpy_dtype
from aivm.database import open_database, transaction
from aivm.market.openinference import Tensor
from aivm.numerics.dtypes import DType
from aivm.receipts import SignedReceipt, parse_receipt
from aivm.verifier.room import Limits, Newcomer, drop_inputs, held_bytes, make_room
from aivm.verifier.states import FOUND_FALSE, WAITING, State

HOUR = 3600
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    receipt BLOB PRIMARY KEY,
    job BLOB NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    flagged INTEGER NOT NULL,
    price TEXT NOT NULL,
    gas INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL,
    seen INTEGER NOT NULL,
    document BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    found BLOB NOT NULL DEFAULT x'',
    game BLOB NOT NULL DEFAULT x'',
    award TEXT NOT NULL DEFAULT '0'
);
CREATE INDEX IF NOT EXISTS entries_job ON entries (job);
CREATE INDEX IF NOT EXISTS entries_state ON entries (state, provider, source);
CREATE TABLE IF NOT EXISTS inputs (
    receipt BLOB NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    dtype TEXT NOT NULL,
    shape TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (receipt, position)
);
CREATE TABLE IF NOT EXISTS spent (
    time INTEGER NOT NULL, provider TEXT NOT NULL, source TEXT NOT NULL, gas INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS spent_time ON spent (time);
CREATE TABLE IF NOT EXISTS bought (time INTEGER NOT NULL, price TEXT NOT NULL);
"""
_COLUMNS = (
    "receipt, job, provider, source, flagged, price, gas, deadline, state, seen, document,"
    " reason, attempts, not_before, found, game, award"
)


@dataclass(frozen=True)
class Entry:
    """One receipt in the book; `receipt` is its hash as contracts name it."""

    receipt: bytes
    job: bytes
    provider: str
    source: str  # who sent it, for fairness: no source can use up what others need
    flagged: bool
    price: int
    gas: int
    deadline: int  # the last second in which a dispute can be opened
    state: State
    seen: int
    signed: SignedReceipt
    reason: str = ""
    attempts: int = 0
    not_before: int = 0  # when it may be tried again
    found: bytes = b""  # the output root that re-execution gave; nothing for a run without result
    game: bytes = b""
    award: int = 0


KEPT_SECONDS = 30 * 24 * HOUR  # entries, after their window


class Book:
    """All entries. One process writes; every method is one transaction."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._db = open_database(path, _SCHEMA, sync=True)
        self.limits = limits or Limits()

    def close(self) -> None:
        self._db.close()

    # --- what comes in ---------------------------------------------------------------------------

    def find(self, receipt: bytes) -> Entry | None:
        row = self._one(f"SELECT {_COLUMNS} FROM entries WHERE receipt = ?", receipt)
        return None if row is None else _entry(row)

    def of_job(self, job: bytes) -> list[Entry]:
        """Every receipt of a job: more than one of the same provider may be a crime."""
        return self._all("WHERE job = ? ORDER BY seen", job)

    def add(self, entry: Entry, inputs: Sequence[Tensor]) -> bool:
        """Take a receipt in, or flag one that is there; False if there is no room for it."""
        size = sum(tensor.array.nbytes for tensor in inputs)
        with transaction(self._db):
            if not make_room(self._db, self.limits, Newcomer.of(entry, size)):
                return False
            self._db.execute(
                f"INSERT OR IGNORE INTO entries ({_COLUMNS}, bytes) VALUES ({', '.join('?' * 18)})",
                (*_row(entry), size),
            )
            if entry.flagged:
                # What was passed over is due now; its inputs may have been dropped meanwhile.
                self._db.execute(
                    "UPDATE entries SET flagged = 1, bytes = ?, state = iif(state = ?, ?, state)"
                    " WHERE receipt = ? AND state IN (?, ?, ?)",
                    (size, State.PASSED, State.DUE, entry.receipt, State.PASSED, *WAITING),
                )
            self._db.executemany(
                "INSERT OR IGNORE INTO inputs VALUES (?, ?, ?, ?, ?, ?)",
                [_input_row(entry.receipt, *numbered) for numbered in enumerate(inputs)],
            )
        return True

    def inputs(self, receipt: bytes) -> list[Tensor]:
        """The inputs that came with a receipt, in the program's order; none once dropped."""
        rows = self._db.execute(
            "SELECT name, dtype, shape, data FROM inputs WHERE receipt = ? ORDER BY position",
            (receipt,),
        )
        found = []
        for name, dtype, shape, data in rows:
            array: np.ndarray[Any, Any] = np.frombuffer(data, numpy_dtype(DType[dtype]))
            found.append(Tensor(name, DType[dtype], array.reshape(json.loads(shape))))
        return found

    # --- what is to be done ----------------------------------------------------------------------

    def next_due(self, now: int) -> Entry | None:
        """The receipt to be re-executed next.

        The provider, then the source, for which least was spent in the last hour goes first, so
        that none is starved by the number of another's; flagged ones and early deadlines before
        others.
        """
        spent = "SELECT {0}, SUM(gas) AS gas FROM spent WHERE time > ? GROUP BY {0}"
        row = self._one(
            f"SELECT {_prefixed('e')} FROM entries e"
            f" LEFT JOIN ({spent.format('provider')}) p ON p.provider = e.provider"
            f" LEFT JOIN ({spent.format('source')}) s ON s.source = e.source"
            " WHERE e.state IN (?, ?) AND e.not_before <= ? AND e.deadline > ?"
            " ORDER BY e.state = ? DESC, COALESCE(p.gas, 0), COALESCE(s.gas, 0),"
            " e.flagged DESC, e.deadline LIMIT 1",
            *(now - HOUR, now - HOUR, *WAITING, now, now, State.SUSPECT),
        )
        return None if row is None else _entry(row)

    def passed_over(self, now: int, draw: int) -> Entry | None:
        """Some receipt that was not drawn and still could be: `draw` chooses its provider, then
        it, so that nobody hides behind the number of another's."""
        where = "WHERE state = ? AND bytes >= 0 AND deadline > ?"
        counts = self._db.execute(
            f"SELECT provider, COUNT(*) FROM entries {where} GROUP BY provider ORDER BY provider",
            (State.PASSED, now),
        ).fetchall()
        if not counts:
            return None
        draw, chosen = divmod(draw, len(counts))
        provider, count = counts[chosen]
        found = self._all(
            f"{where} AND provider = ? ORDER BY receipt LIMIT 1 OFFSET ?",
            *(State.PASSED, now, provider, draw % count),
        )
        return found[0]

    def begin(self, entry: Entry, now: int) -> None:
        """A run of this receipt starts: it is counted and paid for before it can go wrong."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE entries SET attempts = attempts + 1 WHERE receipt = ?", (entry.receipt,)
            )
            self._db.execute(
                "INSERT INTO spent VALUES (?, ?, ?, ?)",
                (now, entry.provider, entry.source, entry.gas),
            )

    def postpone(self, receipt: bytes, until: int, reason: str) -> None:
        """Try again later, and say what is in the way."""
        self._db.execute(
            "UPDATE entries SET not_before = ?, reason = ? WHERE receipt = ?",
            (until, reason, receipt),
        )

    def move(
        self,
        entry: Entry,
        state: State,
        *,
        reason: str = "",
        found: bytes | None = None,
        game: bytes | None = None,
        award: int | None = None,
    ) -> bool:
        """Change an entry's state; False if it is no longer in the state that `entry` shows."""
        cursor = self._db.execute(
            "UPDATE entries SET state = ?, reason = ?, not_before = 0, found = ?, game = ?,"
            " award = ?, attempts = 0 WHERE receipt = ? AND state = ?",
            (
                state,
                reason,
                entry.found if found is None else found,
                entry.game if game is None else game,
                str(entry.award if award is None else award),
                entry.receipt,
                entry.state,
            ),
        )
        return cursor.rowcount == 1

    def in_state(self, *states: State) -> list[Entry]:
        """Every entry in one of these states, the earliest deadline first."""
        marks = ", ".join("?" * len(states))
        return self._all(f"WHERE state IN ({marks}) ORDER BY deadline", *states)

    def with_game(self, since: int) -> list[Entry]:
        """Every entry with a game about it whose window closed after that time."""
        return self._all("WHERE game != x'' AND deadline > ? ORDER BY deadline", since)

    def tidy(self, now: int) -> None:
        """Forget what can no longer matter."""
        with transaction(self._db):
            settled = (State.HOLDS, State.UNCHECKED, State.LAPSED)
            # A game that is over may come back by a reorganisation, and wants the inputs again.
            played = (State.CONVICTED, State.ACQUITTED, State.VOIDED)
            ended = (*settled, *played)
            marks = ", ".join("?" * len(ended))
            rows = self._db.execute(
                "SELECT receipt FROM entries WHERE bytes > 0 AND (state IN (?, ?, ?)"
                " OR (state IN (?, ?, ?) AND deadline <= ?)"
                " OR (state IN (?, ?, ?) AND deadline <= ?))",
                (*settled, State.PASSED, *WAITING, now, *played, now - 24 * HOUR),
            ).fetchall()
            for (receipt,) in rows:
                drop_inputs(self._db, receipt)
            self._db.execute(
                "UPDATE entries SET state = ?, reason = 'its window closed first'"
                " WHERE state IN (?, ?) AND deadline <= ?",
                (State.UNCHECKED, *WAITING, now),
            )
            self._db.execute(
                f"DELETE FROM entries WHERE deadline < ? AND state IN ({marks}, ?)",
                (now - KEPT_SECONDS, *ended, State.PASSED),
            )
            self._db.execute("DELETE FROM spent WHERE time < ?", (now - 24 * HOUR,))

    # --- what is known ---------------------------------------------------------------------------

    def count(self, *states: State) -> int:
        marks = ", ".join("?" * len(states))
        row = self._one(f"SELECT COUNT(*) FROM entries WHERE state IN ({marks})", *states)
        return int(row[0])

    def counts(self) -> dict[str, int]:
        """Entries by state."""
        return dict(self._db.execute("SELECT state, COUNT(*) FROM entries GROUP BY state"))

    def held_bytes(self) -> int:
        """Bytes of inputs in the book."""
        return held_bytes(self._db)

    def spent(self, since: int) -> int:
        """Gas units of the runs begun after that time."""
        return int(self._one("SELECT COALESCE(SUM(gas), 0) FROM spent WHERE time > ?", since)[0])

    def record(self, provider: str) -> tuple[int, int]:
        """How many receipts of a provider were found right, and how many false."""
        right = self._one(
            "SELECT COUNT(*) FROM entries WHERE provider = ? AND state = ?", provider, State.HOLDS
        )
        marks = ", ".join("?" * len(FOUND_FALSE))
        false = self._one(
            f"SELECT COUNT(*) FROM entries WHERE provider = ? AND state IN ({marks})",
            *(provider, *FOUND_FALSE),
        )
        return int(right[0]), int(false[0])

    def at_risk(self, provider: str, now: int) -> int:
        """The prices of a provider's receipts that are open and were not checked."""
        rows = self._db.execute(
            "SELECT price FROM entries WHERE provider = ? AND state IN (?, ?) AND deadline > ?",
            (provider, State.PASSED, State.DUE, now),
        )
        return sum(int(price) for (price,) in rows)

    def awarded(self) -> int:
        """All that disputes have brought, beside the bonds that came back."""
        rows = self._db.execute("SELECT award FROM entries WHERE award != '0'")
        return sum(int(award) for (award,) in rows)

    # --- canaries --------------------------------------------------------------------------------

    def buy(self, now: int, price: int) -> None:
        """A canary was paid for."""
        self._db.execute("INSERT INTO bought VALUES (?, ?)", (now, str(price)))

    def bought(self, since: int) -> int:
        """What canaries cost after that time."""
        rows = self._db.execute("SELECT price FROM bought WHERE time > ?", (since,))
        return sum(int(price) for (price,) in rows)

    # --- parts -----------------------------------------------------------------------------------

    def _one(self, statement: str, *parameters: object) -> Any:
        return self._db.execute(statement, parameters).fetchone()

    def _all(self, rest: str, *parameters: object) -> list[Entry]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM entries {rest}", parameters)
        return [_entry(row) for row in rows]


def _input_row(receipt: bytes, position: int, tensor: Tensor) -> tuple[object, ...]:
    data = np.ascontiguousarray(tensor.array).tobytes()
    shape = json.dumps(tensor.array.shape)
    return receipt, position, tensor.name, tensor.dtype.name, shape, data


def _prefixed(table: str) -> str:
    return ", ".join(f"{table}.{column.strip()}" for column in _COLUMNS.split(","))


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.receipt,
        entry.job,
        entry.provider,
        entry.source,
        int(entry.flagged),
        str(entry.price),
        entry.gas,
        entry.deadline,
        entry.state,
        entry.seen,
        entry.signed.to_json(),
        entry.reason,
        entry.attempts,
        entry.not_before,
        entry.found,
        entry.game,
        str(entry.award),
    )


def _entry(row: Sequence[Any]) -> Entry:
    receipt, job, provider, source, flagged, price, gas, deadline, state, seen, document = row[:11]
    reason, attempts, not_before, found, game, award = row[11:]
    return Entry(
        receipt=bytes(receipt),
        job=bytes(job),
        provider=provider,
        source=source,
        flagged=bool(flagged),
        price=int(price),
        gas=gas,
        deadline=deadline,
        state=State(state),
        seen=seen,
        signed=parse_receipt(document),
        reason=reason,
        attempts=attempts,
        not_before=not_before,
        found=bytes(found),
        game=bytes(game),
        award=int(award),
    )
