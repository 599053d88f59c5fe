"""Small SQLite files that survive the death of their process at any instruction.

Write-ahead logging: what a transaction wrote is there after SIGKILL, and readers do not wait.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_SECONDS = 30.0  # for another process that writes to the same file


def open_database(path: Path, schema: str, *, sync: bool) -> sqlite3.Connection:
    """The database at `path`, made with `schema` (idempotent SQL) if it is not there yet.

    With `sync` a transaction also survives the loss of power, for a disk write each.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_SECONDS)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
    database.executescript(schema)
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; other processes that write wait. Transactions do not nest."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
