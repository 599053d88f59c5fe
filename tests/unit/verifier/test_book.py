"""The book: fair to every provider and source, whatever is thrown at it, and never forgetful."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.market.openinference import Tensor
from aivm.numerics.dtypes import DType
from aivm.receipts import Domain, Receipt, Tier, job_id, sign_receipt
from aivm.verifier.book import HOUR, Book, Entry
from aivm.verifier.room import Limits
from aivm.verifier.states import State

NOW = 1_800_000_000
DOMAIN = Domain(31337, "0x" + "57" * 20)
KEY = Account(b"\x02" * 32)


def provider(number: int) -> str:
    return Account(bytes([number + 1]) * 32).address


def entry(number: int, *, owner: int = 0, source: str = "a", **changes: Any) -> Entry:
    receipt = Receipt(
        job=job_id(b"c" * 32, number, b"m" * 32, b"p" * 32, b"i" * 32),
        model=b"m" * 32,
        program=b"p" * 32,
        inputs=b"i" * 32,
        outputs=number.to_bytes(32, "big"),
        client=provider(9),
        provider=provider(owner),
        channel=b"c" * 32,
        sequence=number,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=NOW,
    )
    made = Entry(
        receipt=number.to_bytes(32, "big"),
        job=receipt.job,
        provider=provider(owner),
        source=source,
        flagged=False,
        price=10**30 + number,
        gas=100,
        deadline=NOW + HOUR,
        state=State.DUE,
        seen=NOW + number,
        signed=sign_receipt(receipt, DOMAIN, KEY),
    )
    return replace(made, **changes)


def tensors(size: int = 4) -> list[Tensor]:
    return [Tensor("x", DType.U8, np.zeros(size, np.uint8))]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book(tmp_path / "book.db", Limits(waiting=10, passed=20, input_bytes=1000))
    yield opened
    opened.close()


def test_what_was_taken_comes_back_as_it_was(book: Book, tmp_path: Path) -> None:
    array = np.array([[1.5, -2]], np.float16).view(np.uint16)
    given = [Tensor("x", DType.F16, array), Tensor("n", DType.I64, np.array(7, np.int64))]
    assert book.add(entry(1), given)
    book.close()
    reopened = Book(tmp_path / "book.db")
    assert reopened.find(entry(1).receipt) == entry(1)
    found = reopened.inputs(entry(1).receipt)
    assert [(t.name, t.dtype, t.array.shape) for t in found] == [
        ("x", DType.F16, (1, 2)),
        ("n", DType.I64, ()),
    ]
    assert found[0].array.tobytes() == array.tobytes()
    reopened.close()


def test_a_state_is_left_only_by_who_saw_it(book: Book) -> None:
    book.add(entry(1), tensors())
    assert book.move(entry(1), State.SUSPECT, found=b"f" * 32)
    assert not book.move(entry(1), State.HOLDS)  # it is not due any more
    found = book.find(entry(1).receipt)
    assert found is not None
    assert (found.state, found.found) == (State.SUSPECT, b"f" * 32)


def test_a_flood_from_one_source_makes_room_for_a_single_receipt(book: Book) -> None:
    for number in range(10):
        assert book.add(entry(number, source="flood"), tensors())
    assert not book.add(entry(10, source="flood"), tensors())
    assert book.find(entry(10).receipt) is None
    assert book.add(entry(11, source="honest"), tensors())
    assert book.counts() == {"due": 10, "passed": 1}
    newest = book.find(entry(9).receipt)
    assert newest is not None
    assert newest.state is State.PASSED


def test_many_sources_with_receipts_of_one_provider_are_one_crowd(book: Book) -> None:
    for number in range(10):
        assert book.add(entry(number, source=f"address {number}"), tensors())
    assert book.add(entry(20, owner=1, source="honest"), tensors())
    assert book.add(entry(21, owner=2, source="honest"), tensors())
    assert book.counts() == {"due": 10, "passed": 2}
    for number, owner in ((20, 1), (21, 2)):
        found = book.find(entry(number, owner=owner).receipt)
        assert found is not None
        assert found.state is State.DUE


def test_within_a_crowd_flagged_receipts_stay_longest(book: Book) -> None:
    for number in range(10):
        book.add(entry(number, source="flood", flagged=number > 7), tensors())
    assert book.add(entry(10, source="flood", flagged=True), tensors())
    kept = {e.signed.receipt.sequence for e in book.in_state(State.DUE)}
    assert {8, 9, 10} < kept


def test_inputs_of_receipts_that_were_passed_over_go_first(book: Book) -> None:
    book.add(entry(1, state=State.PASSED, source="a"), tensors(300))
    book.add(entry(2, state=State.PASSED, source="b"), tensors(400))
    assert book.add(entry(3, source="c"), tensors(600))
    assert book.inputs(entry(2).receipt) == []
    assert book.inputs(entry(1).receipt)
    assert book.held_bytes() == 900
    assert not book.add(entry(4, source="c"), tensors(600))
    assert book.inputs(entry(3).receipt)


def test_what_was_passed_over_is_bounded_too(book: Book) -> None:
    for number in range(50):
        assert book.add(entry(number, state=State.PASSED), tensors(1))
    assert book.counts() == {"passed": 20}
    assert book.find(entry(49).receipt) is not None


def test_the_provider_for_whom_least_was_spent_is_next(book: Book) -> None:
    for number in range(5):
        book.add(entry(number, owner=0, source="flood"), tensors())
    book.add(entry(7, owner=1, source="honest"), tensors())
    order = []
    for _ in range(3):
        following = book.next_due(NOW)
        assert following is not None
        order.append(following.provider)
        book.begin(following, NOW)
        book.move(following, State.HOLDS)
    assert order.count(provider(1)) == 1
    assert provider(1) in order[:2]


def test_suspects_then_flags_then_deadlines(book: Book) -> None:
    book.add(entry(1, deadline=NOW + 10), tensors())
    book.add(entry(2, flagged=True), tensors())
    book.add(entry(3), tensors())
    book.move(entry(3), State.SUSPECT)
    book.add(entry(4, deadline=NOW), tensors())  # too late
    order = []
    while (following := book.next_due(NOW)) is not None:
        order.append(following.signed.receipt.sequence)
        book.move(following, State.HOLDS)
    assert order == [3, 2, 1]


def test_what_is_postponed_waits(book: Book) -> None:
    book.add(entry(1), tensors())
    book.postpone(entry(1).receipt, NOW + 5, "no worker")
    assert book.next_due(NOW) is None
    following = book.next_due(NOW + 5)
    assert following is not None
    assert following.reason == "no worker"


def test_passed_over_receipts_are_chosen_by_the_draw(book: Book) -> None:
    for number in range(3):
        book.add(entry(number, state=State.PASSED), tensors())
    chosen = {book.passed_over(NOW, draw).receipt for draw in range(6)}  # type: ignore[union-attr]
    assert len(chosen) == 3
    book.add(entry(9, owner=1, state=State.PASSED), tensors())
    alone = [book.passed_over(NOW, draw).provider for draw in range(100)]  # type: ignore[union-attr]
    assert alone.count(provider(1)) == 50
    assert book.passed_over(NOW + HOUR, 0) is None


def test_tidying_drops_what_cannot_matter_and_nothing_else(book: Book) -> None:
    states = [State.PASSED, State.DUE, State.HOLDS, State.FALSE, State.DISPUTED, State.CONVICTED]
    for number, state in enumerate(states):
        book.add(entry(number, state=state), tensors())
    book.tidy(NOW)
    kept = {e.state for e in book.in_state(*State) if book.inputs(e.receipt)}
    assert kept == {*states} - {State.HOLDS}
    book.tidy(NOW + HOUR)
    assert book.count(State.UNCHECKED) == 1  # its window closed first
    kept = {e.state for e in book.in_state(*State) if book.inputs(e.receipt)}
    assert kept == {State.FALSE, State.DISPUTED, State.CONVICTED}
    book.tidy(NOW + 40 * 24 * HOUR)
    assert {e.state for e in book.in_state(*State)} == {State.FALSE, State.DISPUTED}


def test_records_and_risks_are_counted_by_provider(book: Book) -> None:
    for number, state in enumerate([State.HOLDS, State.HOLDS, State.CONVICTED, State.PASSED]):
        book.add(entry(number, state=state), tensors())
    book.add(entry(9, owner=1, state=State.FALSE), tensors())
    assert book.record(provider(0)) == (2, 1)
    assert book.record(provider(1)) == (0, 1)
    assert book.at_risk(provider(0), NOW) == 10**30 + 3
    assert book.at_risk(provider(0), NOW + HOUR) == 0
