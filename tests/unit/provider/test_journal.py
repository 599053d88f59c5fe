"""The journal keeps what was acknowledged, across any death of the process."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aivm.errors import InternalError
from aivm.provider.journal import Job, JobState, Journal

CHANNEL = b"c" * 32


def a_job(sequence: int, *, amount: int, price: int = 10) -> Job:
    return Job(
        job=sequence.to_bytes(32, "big"),
        channel=CHANNEL,
        sequence=sequence,
        amount=amount,
        price=price,
        voucher_signature=b"s" * 65,
        state=JobState.ACCEPTED,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_finished_job_is_found_again_with_its_answer(path: Path) -> None:
    journal = Journal(path)
    job = a_job(1, amount=10)
    journal.accept(job)
    journal.finish(job.job, "receipt", b"body")
    journal.close()
    found = Journal(path).find(job.job)
    assert found is not None
    assert (found.state, found.receipt, found.body) == (JobState.DONE, "receipt", b"body")


def test_a_sequence_is_accepted_once(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    other = Job(**{**a_job(1, amount=20).__dict__, "job": b"x" * 32})
    with pytest.raises(sqlite3.IntegrityError):
        journal.accept(other)
    assert journal.account(CHANNEL).owed == 10


def test_a_failed_job_is_owed_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.accept(a_job(2, amount=20))
    journal.fail(a_job(1, amount=10))
    account = journal.account(CHANNEL)
    assert (account.owed, account.last_sequence) == (10, 2)
    assert journal.best_voucher(CHANNEL) is None


def test_best_voucher_is_the_highest_amount_not_the_highest_text(path: Path) -> None:
    journal = Journal(path)
    for sequence, amount in ((1, 9), (2, 10**20), (3, 10**19)):
        journal.accept(a_job(sequence, amount=amount))
        journal.finish(sequence.to_bytes(32, "big"), "r", b"")
    best = journal.best_voucher(CHANNEL)
    assert best is not None and best.amount == 10**20


def test_a_job_finishes_once(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.finish(a_job(1, amount=10).job, "r", b"")
    with pytest.raises(InternalError):
        journal.finish(a_job(1, amount=10).job, "again", b"")
    with pytest.raises(InternalError):
        journal.fail(a_job(1, amount=10))
    assert journal.account(CHANNEL).owed == 10


def test_what_was_written_survives_kill_9(path: Path) -> None:
    """A child accepts jobs for ever and says so; what it said must be there after SIGKILL."""
    program = (
        "import sys; from pathlib import Path;"
        "from aivm.provider.journal import *\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for n in range(1, 10**6):\n"
        "    journal.accept(Job(n.to_bytes(32,'big'), b'c'*32, n, n, 1, b'', JobState.ACCEPTED))\n"
        "    print(n, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = 0
    while acknowledged < 50:
        acknowledged = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    for line in child.stdout:
        acknowledged = int(line)
    child.stdout.close()
    child.wait()
    assert Journal(path).account(CHANNEL).last_sequence >= acknowledged
