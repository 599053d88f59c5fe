"""Transactions are whole or not there, and two processes do not trip over one another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from aivm.database import open_database, transaction

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT)"


def notes(path: Path) -> list[str]:
    database = open_database(path, SCHEMA, sync=False)
    try:
        return [text for (text,) in database.execute("SELECT text FROM notes")]
    finally:
        database.close()


def test_what_fails_half_way_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "notes.db"
    database = open_database(path, SCHEMA, sync=True)
    with transaction(database) as db:
        db.execute("INSERT INTO notes VALUES ('kept')")
    with pytest.raises(KeyError), transaction(database) as db:
        db.execute("INSERT INTO notes VALUES ('lost')")
        raise KeyError
    with transaction(database) as db:  # the failed one is over
        db.execute("INSERT INTO notes VALUES ('after')")
    database.close()
    assert notes(path) == ["kept", "after"]


@pytest.mark.parametrize(("sync", "level"), [(False, 1), (True, 2)])
def test_sync_is_what_it_says(tmp_path: Path, sync: bool, level: int) -> None:
    database = open_database(tmp_path / "notes.db", SCHEMA, sync=sync)
    assert database.execute("PRAGMA synchronous").fetchone() == (level,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    first = open_database(path, SCHEMA, sync=False)
    started = threading.Event()

    def write_second() -> None:
        second = open_database(path, SCHEMA, sync=False)
        started.set()
        with transaction(second) as db:
            db.execute("INSERT INTO notes VALUES ('second')")
        second.close()

    other = threading.Thread(target=write_second)
    with transaction(first) as db:
        other.start()
        assert started.wait(30)
        db.execute("INSERT INTO notes VALUES ('first')")
    other.join(30)
    first.close()
    assert notes(path) == ["first", "second"]
