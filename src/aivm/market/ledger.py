"""The client's memory of its channels: what was promised, so that no promise is made twice.

A promise is written down before its voucher leaves, and stays open until the answer is here or
the provider says that there is none. The same work asked for again meanwhile, also by a client that
died and came back, takes the same promise: it is the same job, so it is paid once. Amounts are
token base units, kept as text (SQLite integers end at 2^63).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivm import host
from aivm.database import open_database, transaction
from aivm.errors import InternalError, PaymentRefused

_SCHEMA = """
CREATE TABLE IF NOT EXISTS channels (
    channel BLOB PRIMARY KEY,
    chain_id INTEGER NOT NULL,
    escrow TEXT NOT NULL,
    client TEXT NOT NULL,
    provider TEXT NOT NULL,
    model BLOB NOT NULL,
    deposit TEXT NOT NULL,
    expiry INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    owed TEXT NOT NULL DEFAULT '0',
    closing INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS promises (
    channel BLOB NOT NULL,
    work BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    amount TEXT NOT NULL,
    price TEXT NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (channel, work)
);
"""
_COLUMNS = "channel, chain_id, escrow, client, provider, model, deposit, expiry, sequence, owed"


@dataclass(frozen=True)
class OpenChannel:
    """A channel that this client pays through; `owed` counts every job not known to have failed."""

    channel: bytes
    chain_id: int
    escrow: str
    client: str
    provider: str
    model: bytes
    deposit: int
    expiry: int
    sequence: int = 0
    owed: int = 0

    @property
    def left(self) -> int:
        """What can still be promised."""
        return self.deposit - self.owed


@dataclass(frozen=True)
class Promise:
    """What a voucher says: its sequence number, and the channel's total up to and with it.

    `made` is when the work was first asked for, in Unix seconds: no answer is older.
    """

    sequence: int
    amount: int
    made: int


class Ledger:
    """The channels of one client on this machine, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, _SCHEMA, sync=True)

    def close(self) -> None:
        self._db.close()

    def add(self, channel: OpenChannel) -> None:
        self._db.execute(
            f"INSERT INTO channels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                channel.channel,
                channel.chain_id,
                channel.escrow,
                channel.client,
                channel.provider,
                channel.model,
                str(channel.deposit),
                channel.expiry,
                channel.sequence,
                str(channel.owed),
            ),
        )

    def usable(
        self, *, escrow: tuple[int, str], client: str, provider: str, model: bytes
    ) -> list[OpenChannel]:
        """Channels on this chain and escrow that still take vouchers, fullest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM channels WHERE (chain_id, escrow) = (?, ?)"
            " AND client = ? AND provider = ? AND model = ? AND closing = 0",
            (*escrow, client, provider, model),
        )
        return sorted(map(_channel, rows), key=lambda found: -found.left)

    def all(self, *, escrow: tuple[int, str], client: str) -> list[OpenChannel]:
        """Every channel of this client that is not closed yet."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM channels WHERE (chain_id, escrow) = (?, ?)"
            " AND client = ? AND closing < 2",
            (*escrow, client),
        )
        return [_channel(row) for row in rows]

    def promise(self, channel: bytes, work: bytes, price: int) -> Promise:
        """The open promise for this work, or a new one with the next sequence number.

        `work` names model, program and inputs. Raises PaymentRefused if the deposit is used up.
        """
        with transaction(self._db) as db:
            known = db.execute(
                "SELECT sequence, amount, made FROM promises WHERE channel = ? AND work = ?",
                (channel, work),
            ).fetchone()
            if known is not None:
                return Promise(known[0], int(known[1]), known[2])
            found = self.get(channel)
            if found.left < price:
                raise PaymentRefused("the channel's deposit is used up", hint="Open a new channel.")
            new = Promise(found.sequence + 1, found.owed + price, host.now())
            db.execute(
                "UPDATE channels SET sequence = ?, owed = ? WHERE channel = ?",
                (new.sequence, str(new.amount), channel),
            )
            db.execute(
                "INSERT INTO promises VALUES (?, ?, ?, ?, ?, ?)",
                (channel, work, new.sequence, str(new.amount), str(price), new.made),
            )
        return new

    def is_promised(self, channel: bytes, work: bytes) -> bool:
        """Whether this work was asked for and not answered yet."""
        found = self._db.execute(
            "SELECT 1 FROM promises WHERE channel = ? AND work = ?", (channel, work)
        )
        return found.fetchone() is not None

    def keep(self, channel: bytes, work: bytes) -> None:
        """The answer is here: the promise counts for good, and asking again is a new job."""
        self._db.execute("DELETE FROM promises WHERE channel = ? AND work = ?", (channel, work))

    def release(self, channel: bytes, work: bytes) -> None:
        """The provider said that the job failed: its price is free for the next one."""
        with transaction(self._db) as db:
            known = db.execute(
                "DELETE FROM promises WHERE channel = ? AND work = ? RETURNING price",
                (channel, work),
            ).fetchone()
            if known is None:  # two callers shared the promise, and the other one released it
                return
            owed = self.get(channel).owed - int(known[0])
            db.execute("UPDATE channels SET owed = ? WHERE channel = ?", (str(owed), channel))

    def mark_closing(self, channel: bytes) -> None:
        """No voucher may be made for it any more."""
        self._db.execute("UPDATE channels SET closing = 1 WHERE channel = ?", (channel,))

    def mark_closed(self, channel: bytes) -> None:
        """The chain has paid it out and refunded the rest."""
        self._db.execute("UPDATE channels SET closing = 2 WHERE channel = ?", (channel,))

    def get(self, channel: bytes) -> OpenChannel:
        """The channel as it stands now."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM channels WHERE channel = ?", (channel,)
        ).fetchone()
        if row is None:
            raise InternalError(f"channel {channel.hex()} is not in the ledger")
        return _channel(row)


def _channel(row: Any) -> OpenChannel:
    channel, chain_id, escrow, client, provider, model, deposit, expiry, sequence, owed = row
    return OpenChannel(
        channel=bytes(channel),
        chain_id=chain_id,
        escrow=escrow,
        client=client,
        provider=provider,
        model=bytes(model),
        deposit=int(deposit),
        expiry=expiry,
        sequence=sequence,
        owed=int(owed),
    )
