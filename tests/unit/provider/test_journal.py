"""The journal keeps what was acknowledged, across any death of the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.provider.conftest import NO_INPUTS

from aivm.errors import InternalError, PaymentRefused
from aivm.isa import TensorType
from aivm.numerics.dtypes import DType
from aivm.provider.journal import Job, JobInputs, JobState, Journal, Kept

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
    journal.finish(job, "receipt", b"body", NO_INPUTS)
    journal.close()
    found = Journal(path).find(job.job)
    assert found is not None
    assert (found.state, found.receipt, found.body) == (JobState.DONE, "receipt", b"body")


def test_a_sequence_is_accepted_once(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    other = Job(**{**a_job(1, amount=20).__dict__, "job": b"x" * 32})
    with pytest.raises(PaymentRefused):
        journal.accept(other)
    assert journal.account(CHANNEL).owed == 10


def test_a_failed_job_is_owed_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.accept(a_job(2, amount=20))
    journal.fail(a_job(1, amount=10))
    account = journal.account(CHANNEL)
    assert (account.owed, account.covered) == (10, 20)


def test_the_smallest_voucher_that_covers_the_debt_is_redeemed(path: Path) -> None:
    journal = Journal(path)
    for sequence, amount in ((1, 10), (2, 20), (3, 30)):
        journal.accept(a_job(sequence, amount=amount))
    assert journal.redeemable(CHANNEL) is None  # nothing is earned yet
    journal.fail(a_job(3, amount=30))
    journal.finish(a_job(2, amount=20), "r", b"", NO_INPUTS)
    journal.finish(a_job(1, amount=10), "r", b"", NO_INPUTS)
    best = journal.redeemable(CHANNEL)
    assert best is not None and best.amount == 20
    journal.record_redemption(CHANNEL, 20)
    assert journal.redeemable(CHANNEL) is None


def test_a_job_that_never_ended_is_not_charged(path: Path) -> None:
    """Accepted, then the process died, and the client never asked again."""
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.finish(a_job(1, amount=10), "r", b"", NO_INPUTS)
    journal.accept(a_job(2, amount=20))
    journal.close()
    best = Journal(path).redeemable(CHANNEL)
    assert best is not None and best.amount == 10


def test_the_order_of_sequences_does_not_matter(path: Path) -> None:
    """The later, smaller voucher does for what is earned; the earlier, larger one stays good."""
    journal = Journal(path)
    journal.accept(a_job(1, amount=100))
    journal.accept(a_job(2, amount=10))
    journal.finish(a_job(1, amount=100), "r", b"", NO_INPUTS)
    best = journal.redeemable(CHANNEL)
    assert best is not None and best.sequence == 2
    journal.record_redemption(CHANNEL, 10)
    assert journal.redeemable(CHANNEL) is None
    journal.finish(a_job(2, amount=10), "r", b"", NO_INPUTS)
    best = journal.redeemable(CHANNEL)
    assert best is not None and best.sequence == 1


def test_what_the_client_redeemed_itself_leaves_the_rest_to_be_had(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.finish(a_job(1, amount=10), "r", b"", NO_INPUTS)
    journal.record_redemption(CHANNEL, 1)
    best = journal.redeemable(CHANNEL)
    assert best is not None and best.amount == 10
    journal.record_redemption(CHANNEL, 25)
    assert journal.redeemable(CHANNEL) is None
    assert journal.account(CHANNEL).covered == 25


def test_a_payment_that_a_reorganisation_undid_covers_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.finish(a_job(1, amount=10), "r", b"", NO_INPUTS)
    journal.record_redemption(CHANNEL, 25)
    journal.accept(a_job(2, amount=0))
    journal.finish(a_job(2, amount=0), "r", b"", NO_INPUTS)
    journal.record_redemption(CHANNEL, 0)
    account, best = journal.account(CHANNEL), journal.redeemable(CHANNEL)
    assert (account.earned, account.covered) == (20, 10)
    assert best is not None and best.amount == 10  # not all, but all that there is


def test_a_closed_channel_is_forgotten(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    assert journal.channels() == [CHANNEL]
    journal.record_closing(CHANNEL)
    assert journal.channels() == []


def test_amounts_are_compared_as_numbers_not_as_text(path: Path) -> None:
    journal = Journal(path)
    for sequence, amount in ((1, 9), (2, 10**20), (3, 5 * 10**19)):
        journal.accept(a_job(sequence, amount=amount, price=amount))
        journal.fail(a_job(sequence, amount=amount, price=amount))
    last = a_job(4, amount=10**19, price=10**19)
    journal.accept(last)
    journal.finish(last, "r", b"", NO_INPUTS)
    best = journal.redeemable(CHANNEL)
    assert best is not None and best.amount == 10**19


def test_a_job_finishes_once(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.finish(a_job(1, amount=10), "r", b"", NO_INPUTS)
    with pytest.raises(InternalError):
        journal.finish(a_job(1, amount=10), "again", b"", NO_INPUTS)
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
    assert Journal(path).account(CHANNEL).owed >= acknowledged


INPUTS = JobInputs(
    {
        "x": TensorType(DType.F32, (1, 2)),
        "empty": TensorType(DType.I64, (0,)),
        "n": TensorType(DType.I8, ()),
    },
    np.float32([1.5, np.nan]).tobytes() + b"\xff",
    time=500,
)


def test_the_inputs_of_a_finished_job_are_kept_until_they_are_pruned(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    assert journal.inputs(a_job(1, amount=10).job) is None
    assert journal.kept() == Kept(0, 0)
    journal.finish(a_job(1, amount=10), "r", b"", INPUTS)
    found = journal.inputs(a_job(1, amount=10).job)
    assert found == INPUTS
    arrays = found.arrays()
    assert {name: array.shape for name, array in arrays.items()} == {
        "x": (1, 2),
        "empty": (0,),
        "n": (),
    }
    assert b"".join(array.tobytes() for array in arrays.values()) == INPUTS.data
    assert journal.kept() == Kept(1, 9)
    assert journal.prune(before=500) == 0
    assert journal.prune(before=501) == 1
    assert journal.inputs(a_job(1, amount=10).job) is None
    assert journal.kept() == Kept(0, 0)
    assert journal.find(a_job(1, amount=10).job) is not None


def test_a_failed_job_keeps_no_inputs(path: Path) -> None:
    journal = Journal(path)
    journal.accept(a_job(1, amount=10))
    journal.fail(a_job(1, amount=10))
    assert journal.kept() == Kept(0, 0)
