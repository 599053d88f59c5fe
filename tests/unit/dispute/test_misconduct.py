"""What receipts prove by themselves, and what the same contradiction looks like signed again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aivm.chain.account import Account
from aivm.dispute.misconduct import Offence, claim_hash, find_offence, order_id
from aivm.errors import MalformedReceipt, NotAllowed
from aivm.receipts import (
    NO_CHANNEL,
    Domain,
    Receipt,
    SignedReceipt,
    Tier,
    job_id,
    sign_receipt,
)

DOMAIN = Domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
HOT_KEY = Account(b"\x02" * 32)


def receipt_with(**changes: Any) -> Receipt:
    """A receipt that agrees with itself, unless `job` is among the changes."""
    channel, model, program, inputs = (bytes([i]) * 32 for i in (1, 2, 3, 4))
    fields: dict[str, Any] = {
        "model": model,
        "program": program,
        "inputs": inputs,
        "outputs": b"\x05" * 32,
        "client": "0x" + "11" * 20,
        "provider": "0x" + "22" * 20,
        "channel": channel,
        "sequence": 9,
        "tier": Tier.OPTIMISTIC,
        "numerics": 1,
        "time": 1_800_000_000,
    } | changes
    parts = (fields[name] for name in ("channel", "sequence", "model", "program", "inputs"))
    return Receipt(**{"job": job_id(*parts)} | fields)


def signed(**changes: Any) -> SignedReceipt:
    return sign_receipt(receipt_with(**changes), DOMAIN, HOT_KEY)


@pytest.mark.parametrize(
    "changes", [{"outputs": b"\x06" * 32}, {"numerics": 2}, {"client": "0x" + "33" * 20}]
)
def test_two_answers_to_one_job_equivocate(changes: dict[str, Any]) -> None:
    first, second = signed(), signed(**changes)
    report = find_offence([first, second])
    assert report.offence is Offence.EQUIVOCATION
    assert set(report.evidence) == {first, second}
    assert find_offence([second, first]) == report, "in whatever order they are found"


@pytest.mark.parametrize("field", ["channel", "model", "program", "inputs"])
def test_a_job_that_is_not_the_hash_of_its_parts_convicts_alone(field: str) -> None:
    fine = signed()
    wrong = signed(**{"job": fine.receipt.job, field: b"\x09" * 32})
    for given in ([wrong], [fine, wrong], [wrong, fine]):
        assert find_offence(given).evidence == (wrong,)
        assert find_offence(given).offence is Offence.INCONSISTENT


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tier": Tier.REDUNDANT, "time": 1, "attestation": b"\x01" * 32}, "the same"),
        ({"sequence": 10}, "one job"),
        ({"provider": "0x" + "33" * 20, "outputs": b"\x06" * 32}, "one provider"),
    ],
)
def test_what_contradicts_nothing(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotAllowed, match=why):
        find_offence([signed(), signed(**changes)])
    with pytest.raises(NotAllowed, match="agrees with itself"):
        find_offence([signed()])


def test_a_job_may_be_a_gift_to_many() -> None:
    first, second = (
        signed(channel=NO_CHANNEL, client="0x" + digits * 20) for digits in ("11", "33")
    )
    with pytest.raises(NotAllowed, match="the same"):
        find_offence([first, second])


def test_receipts_of_two_networks_contradict_nothing() -> None:
    other = sign_receipt(receipt_with(outputs=b"\x06" * 32), Domain(1, DOMAIN.contract), HOT_KEY)
    with pytest.raises(NotAllowed, match="chains"):
        find_offence([signed(), other])


def test_what_is_no_evidence() -> None:
    local = SignedReceipt(DOMAIN, receipt_with(tier=Tier.LOCAL), None)
    with pytest.raises(MalformedReceipt, match="nobody has signed"):
        find_offence([signed(), local])
    with pytest.raises(MalformedReceipt, match="3 receipts"):
        find_offence([signed()] * 3)


def test_a_seal_is_its_reporters_and_its_evidences() -> None:
    report = find_offence([signed(), signed(outputs=b"\x06" * 32)])
    other = find_offence([signed(), signed(outputs=b"\x07" * 32)])
    seals = {
        report.seal(who, salt)
        for who in ("0x" + "44" * 20, "0x" + "55" * 20)
        for salt in (b"\x01" * 32, b"\x02" * 32)
    }
    assert len(seals | {other.seal("0x" + "44" * 20, b"\x01" * 32)}) == 5


def test_an_order_is_named_by_parties_and_job() -> None:
    one = receipt_with()
    assert order_id(one) == order_id(replace(one, outputs=b"\x06" * 32, time=1))
    others = [
        receipt_with(sequence=10),
        receipt_with(client="0x" + "33" * 20),
        receipt_with(provider="0x" + "33" * 20),
    ]
    assert len({order_id(receipt) for receipt in (one, *others)}) == 4
    assert claim_hash(one) != claim_hash(replace(one, outputs=b"\x06" * 32))
