"""Reading submissions of strangers: what is refused, and that nothing else can happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.account import Account
from aivm.commitments.cid import Cid
from aivm.errors import AivmError, BadInput, BadSignature, MalformedReceipt, TooLarge
from aivm.market.openinference import HEADER_LENGTH
from aivm.receipts import Domain, Receipt, SignedReceipt, Tier, job_id, sign_receipt
from aivm.verifier.complaint import check_complaint, complain
from aivm.verifier.submission import decode_submission, encode_submission

CLIENT, HOT_KEY = Account(b"\x03" * 32), Account(b"\x02" * 32)
DOMAIN = Domain(31337, "0x" + "57" * 20)


def receipt() -> SignedReceipt:
    return sign_receipt(
        Receipt(
            job=job_id(b"c" * 32, 1, b"m" * 32, b"p" * 32, b"i" * 32),
            model=b"m" * 32,
            program=b"p" * 32,
            inputs=b"i" * 32,
            outputs=b"o" * 32,
            client=CLIENT.address,
            provider=HOT_KEY.address,
            channel=b"c" * 32,
            sequence=1,
            tier=Tier.OPTIMISTIC,
            numerics=1,
            time=1_800_000_000,
        ),
        DOMAIN,
        HOT_KEY,
    )


def test_what_was_encoded_is_what_is_read() -> None:
    arrays = {"x": np.array([[1.5, np.nan]], np.float16), "n": np.array([3, 4], np.int64)}
    body, headers = encode_submission(receipt(), arrays, complaint=complain(receipt(), CLIENT))
    found = decode_submission(body, headers[HEADER_LENGTH], "http:192.0.2.1")
    assert found.signed == receipt()
    assert (found.flagged, found.source) == (True, f"client:{CLIENT.address}")
    assert [tensor.name for tensor in found.tensors] == ["x", "n"]
    assert found.tensors[0].array.tobytes() == arrays["x"].tobytes()


def test_inputs_may_be_named_by_their_cid_instead() -> None:
    cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    body, headers = encode_submission(receipt(), {}, published=cid)
    found = decode_submission(body, headers[HEADER_LENGTH], "a")
    assert (found.published, found.tensors) == (Cid.parse(cid), [])
    both, headers = encode_submission(receipt(), {"x": np.zeros(1)[:0] > 0}, published=cid)
    with pytest.raises(BadInput, match="not both"):
        decode_submission(both, headers[HEADER_LENGTH], "a")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"inputs": []}',
        b'{"inputs": [], "parameters": {"aivm_receipt": 7}}',
        b'{"inputs": [], "parameters": {"aivm_receipt": "{}"}}',
        b'{"inputs": [], "parameters": {"aivm_receipt": "[[[["}}',
        b"{" * 100_000,
    ],
)
def test_nonsense_is_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput):
        decode_submission(body, None, "a")


@pytest.mark.parametrize("length", ["-1", "99999999999", "x", ""])
def test_lengths_that_do_not_fit(length: str) -> None:
    body, _ = encode_submission(receipt(), {})
    with pytest.raises(BadInput):
        decode_submission(body, length, "a")


def test_a_body_over_the_limit_is_too_large() -> None:
    body, headers = encode_submission(receipt(), {"x": np.zeros(1000, np.uint8)})
    with pytest.raises(TooLarge):
        decode_submission(body, headers[HEADER_LENGTH], "a", max_bytes=1000)


@pytest.mark.parametrize("place", ["aivm_complaint", "aivm_inputs"])
@pytest.mark.parametrize("value", ["7", "[]", '"{}"', '"nonsense"'])
def test_parameters_that_mean_nothing(place: str, value: str) -> None:
    text = receipt().to_json().decode().replace('"', '\\"')
    body = f'{{"inputs": [], "parameters": {{"aivm_receipt": "{text}", "{place}": {value}}}}}'
    with pytest.raises(AivmError):
        decode_submission(body.encode(), None, "a")


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    with pytest.raises(AivmError):
        decode_submission(data, None, "a")


def test_a_complaint_is_its_clients_and_about_this_claim() -> None:
    signed = receipt()
    check_complaint(complain(signed, CLIENT), signed)
    with pytest.raises(BadSignature, match="complaint is signed by"):
        check_complaint(complain(signed, HOT_KEY), signed)
    other = replace(signed, receipt=replace(signed.receipt, outputs=b"x" * 32))
    with pytest.raises(BadSignature):
        check_complaint(complain(signed, CLIENT), other)
    foreign = replace(signed, domain=Domain(1, DOMAIN.contract))
    with pytest.raises(BadSignature):
        check_complaint(complain(foreign, CLIENT), signed)
    for text in ('{"type":"aivm.complaint.v1","signature":"0xzz"}', "{}", "null"):
        with pytest.raises((MalformedReceipt, BadSignature)):
            check_complaint(text, signed)
