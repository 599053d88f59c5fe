"""The provider's memory: every accepted voucher and every finished job, in one SQLite file.

A voucher is written before its job runs and a receipt before it is sent, so a process killed at any
point loses neither money nor an acknowledged job: the client sends the same request again, gets the
stored answer, and pays once. WAL mode survives the death of the process at any instruction.

With a receipt its job's inputs are kept: until nobody can dispute it any more, the provider must be
able to run the job again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.database import open_database, transaction
from aivm.errors import InternalError, PaymentRefused
from aivm.isa import TensorType
from aivm.numerics.dtypes import DType

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job BLOB PRIMARY KEY,
    channel BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    amount TEXT NOT NULL,
    price TEXT NOT NULL,
    voucher_signature BLOB NOT NULL,
    state TEXT NOT NULL,
    receipt TEXT NOT NULL DEFAULT '',
    body BLOB NOT NULL DEFAULT x'',
    created INTEGER NOT NULL,
    UNIQUE (channel, sequence)
);
CREATE TABLE IF NOT EXISTS channels (
    channel BLOB PRIMARY KEY,
    owed TEXT NOT NULL DEFAULT '0',
    earned TEXT NOT NULL DEFAULT '0',
    promised TEXT NOT NULL DEFAULT '0',
    redeemed TEXT NOT NULL DEFAULT '0',
    closed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS inputs (
    job BLOB PRIMARY KEY,
    time INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    types TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS inputs_by_time ON inputs (time, bytes);
"""


_MAX_SEQUENCE = 2**63 - 1  # an SQLite integer; no client counts that far


class JobState(StrEnum):
    """accepted -> done | failed; only a done job is paid for."""

    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One paid inference as the provider remembers it; amounts are token base units."""

    job: bytes
    channel: bytes
    sequence: int
    amount: int
    price: int
    voucher_signature: bytes
    state: JobState
    receipt: str = ""
    body: bytes = b""
    created: int = 0


@dataclass(frozen=True)
class JobInputs:
    """What a job was run on: the inputs' types by name, in the program's order, and the bytes of
    all of them one after another. `time` is the receipt's."""

    types: Mapping[str, TensorType]
    data: bytes
    time: int

    def arrays(self) -> dict[str, Array]:
        """The inputs by name; F16 and BF16 as their bits."""
        arrays: dict[str, Array] = {}
        rest = memoryview(self.data)
        for name, kind in self.types.items():
            part, rest = rest[: kind.size_bytes], rest[kind.size_bytes :]
            arrays[name] = np.frombuffer(part, numpy_dtype(kind.dtype)).reshape(kind.shape)
        return arrays


@dataclass(frozen=True)
class Kept:
    """How many jobs' inputs are kept, and how large they are in all."""

    jobs: int
    bytes: int


@dataclass(frozen=True)
class ChannelAccount:
    """Where a channel stands, in token base units.

    `owed` sums the prices of running and finished jobs, `earned` of finished ones only. `promised`
    is the highest amount of a voucher held here, `redeemed` what the chain has paid, be it for
    these vouchers or for one that the client redeemed itself.
    """

    channel: bytes
    owed: int = 0
    earned: int = 0
    promised: int = 0
    redeemed: int = 0

    @property
    def covered(self) -> int:
        """The most that can be had: no job is accepted that would owe more."""
        return max(self.promised, self.redeemed)


class Journal:
    """Jobs and redemptions. Amounts are stored as text: SQLite integers end at 2^63."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, _SCHEMA, sync=False)

    def close(self) -> None:
        self._db.close()

    def find(self, job: bytes) -> Job | None:
        row = self._one("SELECT * FROM jobs WHERE job = ?", job)
        return None if row is None else _job(row)

    def account(self, channel: bytes) -> ChannelAccount:
        row = self._one(
            "SELECT owed, earned, promised, redeemed FROM channels WHERE channel = ?", channel
        )
        return ChannelAccount(channel) if row is None else ChannelAccount(channel, *map(int, row))

    def accept(self, job: Job) -> None:
        """Write the voucher down. Raises PaymentRefused if its sequence cannot be used (again)."""
        if job.sequence > _MAX_SEQUENCE:
            raise PaymentRefused(f"voucher sequence {job.sequence} is over {_MAX_SEQUENCE}")
        with transaction(self._db) as db:
            if self._one(
                "SELECT 1 FROM jobs WHERE channel = ? AND sequence = ?", job.channel, job.sequence
            ):
                raise PaymentRefused(f"voucher {job.sequence} of this channel was already used")
            db.execute(
                "INSERT INTO jobs (job, channel, sequence, amount, price, voucher_signature,"
                " state, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.job,
                    job.channel,
                    job.sequence,
                    str(job.amount),
                    str(job.price),
                    job.voucher_signature,
                    JobState.ACCEPTED,
                    job.created,
                ),
            )
            account = self.account(job.channel)
            db.execute("INSERT OR IGNORE INTO channels (channel) VALUES (?)", (job.channel,))
            db.execute(
                "UPDATE channels SET owed = ?, promised = ? WHERE channel = ?",
                (
                    str(account.owed + job.price),
                    str(max(account.promised, job.amount)),
                    job.channel,
                ),
            )

    def finish(self, job: Job, receipt: str, body: bytes, inputs: JobInputs) -> None:
        """The answer exists: keep it, and what it answers, before anybody sees it."""
        with transaction(self._db) as db:
            _move(db, job.job, JobState.DONE, receipt, body)
            kinds = inputs.types.items()
            types = json.dumps([[name, kind.dtype.name, kind.shape] for name, kind in kinds])
            db.execute(
                "INSERT INTO inputs (job, time, bytes, types, data) VALUES (?, ?, ?, ?, ?)",
                (job.job, inputs.time, len(inputs.data), types, inputs.data),
            )
            earned = self.account(job.channel).earned + job.price
            db.execute(
                "UPDATE channels SET earned = ? WHERE channel = ?", (str(earned), job.channel)
            )

    def fail(self, job: Job) -> None:
        """The job has no result: it is owed nothing, and its voucher counts for later jobs."""
        with transaction(self._db) as db:
            _move(db, job.job, JobState.FAILED, "", b"")
            owed = self.account(job.channel).owed - job.price
            db.execute("UPDATE channels SET owed = ? WHERE channel = ?", (str(owed), job.channel))

    def inputs(self, job: bytes) -> JobInputs | None:
        """What a finished job was run on; None once that is pruned."""
        row = self._one("SELECT types, data, time FROM inputs WHERE job = ?", job)
        if row is None:
            return None
        types = {
            name: TensorType(DType[dtype], tuple(shape))
            for name, dtype, shape in json.loads(row[0])
        }
        return JobInputs(types, bytes(row[1]), row[2])

    def prune(self, before: int) -> int:
        """Forget the inputs of receipts older than that time; returns how many were forgotten."""
        return self._db.execute("DELETE FROM inputs WHERE time < ?", (before,)).rowcount

    def kept(self) -> Kept:
        """What the inputs take up."""
        return Kept(*self._one("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM inputs"))

    def redeemable(self, channel: bytes) -> Job | None:
        """The job whose voucher is to be redeemed: the smallest one that covers what is earned.

        A voucher may promise more than is earned, because jobs before it failed or still run; an
        honest provider takes no more than it must. Larger vouchers stay good for what comes later.
        """
        account = self.account(channel)
        # Covered is less than earned only if a reorganisation undid what the client redeemed.
        due = min(account.earned, account.covered)
        if due <= account.redeemed:
            return None
        least = str(due)
        row = self._one(
            "SELECT * FROM jobs WHERE channel = ? AND (LENGTH(amount), amount) >= (?, ?)"
            " ORDER BY LENGTH(amount), amount LIMIT 1",
            *(channel, len(least), least),
        )
        return None if row is None else _job(row)

    def channels(self) -> list[bytes]:
        """Every channel that paid here and is not closed."""
        return [
            bytes(row[0])
            for row in self._db.execute("SELECT channel FROM channels WHERE NOT closed")
        ]

    def record_redemption(self, channel: bytes, amount: int) -> None:
        """What the chain says it has paid for this channel, in all."""
        with transaction(self._db) as db:
            db.execute("UPDATE channels SET redeemed = ? WHERE channel = ?", (str(amount), channel))

    def record_closing(self, channel: bytes) -> None:
        """The chain has closed the channel: it never pays again."""
        with transaction(self._db) as db:
            db.execute("UPDATE channels SET closed = 1 WHERE channel = ?", (channel,))

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        return dict(self._db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state"))

    def _one(self, statement: str, *parameters: object) -> Any:
        return self._db.execute(statement, parameters).fetchone()


def _move(db: sqlite3.Connection, job: bytes, state: JobState, receipt: str, body: bytes) -> None:
    cursor = db.execute(
        "UPDATE jobs SET state = ?, receipt = ?, body = ? WHERE job = ? AND state = ?",
        (state, receipt, body, job, JobState.ACCEPTED),
    )
    if cursor.rowcount != 1:
        raise InternalError(f"job {job.hex()} cannot become {state}: it is not accepted")


def _job(row: Any) -> Job:
    job, channel, sequence, amount, price, signature, state, receipt, body, created = row
    return Job(
        job=bytes(job),
        channel=bytes(channel),
        sequence=sequence,
        amount=int(amount),
        price=int(price),
        voucher_signature=bytes(signature),
        state=JobState(state),
        receipt=receipt,
        body=bytes(body),
        created=created,
    )
