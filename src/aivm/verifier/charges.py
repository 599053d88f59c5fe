"""What receipts convict by themselves: two answers to one job, or a job id that is not its own.

A report is announced first and made minutes later, so that nobody can copy it from the pool of
transactions. Charges stand in one SQLite file from the moment they are found, and making a report
twice changes nothing, so a verifier killed at any point goes on where it was.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.database import open_database
from aivm.dispute.misconduct import Report, find_offence
from aivm.errors import AivmError, ChainRejected, Denied
from aivm.receipts import SignedReceipt, parse_receipt

log = logging.getLogger(__name__)
_FINAL = frozenset({"AlreadyConvicted", "OutsideWindow"})  # another was first, or it is too late
_EARLY = "NotYetReportable"  # the chain's clock is behind ours
_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    digest BLOB PRIMARY KEY,
    evidence TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    award TEXT NOT NULL DEFAULT '0'
);
"""


class ChargeState(StrEnum):
    """open -> reported | dropped."""

    OPEN = "open"
    REPORTED = "reported"
    DROPPED = "dropped"  # another was first, or the window closed


@dataclass(frozen=True)
class Charge:
    """An offence that receipts prove, and what became of its report; `award` in base units."""

    report: Report
    state: ChargeState
    reason: str
    award: int


class Charges:
    """All charges of one verifier, and their way to the chain."""

    def __init__(self, path: Path, chain: Chain, account: Account) -> None:
        self._db = open_database(path, _SCHEMA, sync=True)
        self._chain = chain
        self._account = account

    def close(self) -> None:
        self._db.close()

    def add(self, receipts: Sequence[SignedReceipt]) -> bool:
        """Write down what one or two signed receipts prove; False if they prove nothing."""
        try:
            report = find_offence(receipts)
        except AivmError:
            return False
        evidence = json.dumps([signed.to_json().decode() for signed in report.evidence])
        self._db.execute(
            "INSERT OR IGNORE INTO charges (digest, evidence, state) VALUES (?, ?, ?)",
            (report.digest, evidence, ChargeState.OPEN),
        )
        return True

    def all(self) -> list[Charge]:
        rows = self._db.execute("SELECT evidence, state, reason, award FROM charges ORDER BY rowid")
        return [_charge(row) for row in rows]

    def awarded(self) -> int:
        """What reports have brought."""
        return sum(charge.award for charge in self.all())

    async def step(self) -> None:
        """Announce what is new and report what was announced long enough ago."""
        for charge in self.all():
            if charge.state is not ChargeState.OPEN:
                continue
            try:
                await self._pursue(charge.report)
            except ChainRejected as refused:
                if refused.error in _FINAL:
                    self._end(charge.report, ChargeState.DROPPED, refused.message)
                elif refused.error != _EARLY:
                    log.warning("a report waits: %s", refused.message)
            except Denied as error:  # no money for gas, say: later perhaps
                log.warning("a report waits: %s", error.message)

    async def _pursue(self, report: Report) -> None:
        misconduct, account = self._chain.misconduct, self._account
        since = await misconduct.announce(account, report)
        # By the last block or, where blocks are made for transactions only, by our clock.
        if max((await self._chain.block()).time, host.now()) < since:
            return
        before = await self._chain.token.balance_of(account.address)
        taken = await misconduct.report(account, report)
        award = await self._chain.token.balance_of(account.address) - before
        log.warning("reported %s: %d base units of the stake are taken", report.offence, taken)
        self._end(report, ChargeState.REPORTED, "", award)

    def _end(self, report: Report, state: ChargeState, reason: str, award: int = 0) -> None:
        self._db.execute(
            "UPDATE charges SET state = ?, reason = ?, award = ? WHERE digest = ?",
            (state, reason, str(award), report.digest),
        )


def _charge(row: Any) -> Charge:
    evidence, state, reason, award = row
    receipts = [parse_receipt(text.encode()) for text in json.loads(evidence)]
    return Charge(find_offence(receipts), ChargeState(state), reason, int(award))
