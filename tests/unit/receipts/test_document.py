"""receipt.json and voucher documents: round trip, and a refusal for everything out of form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aivm.errors import MalformedReceipt, TooLarge
from aivm.receipts import (
    Domain,
    SignedReceipt,
    SignedVoucher,
    local_receipt,
    parse_receipt,
    parse_voucher,
    sign_receipt,
    sign_voucher,
)


@pytest.fixture
def document(receipt, domain, signer) -> dict[str, Any]:
    return json.loads(sign_receipt(receipt, domain, signer).to_json())


def refused(document: Any, match: str) -> None:
    with pytest.raises(MalformedReceipt, match=match):
        parse_receipt(json.dumps(document).encode())


def test_receipt_round_trip(receipt, domain, signer) -> None:
    signed = sign_receipt(receipt, domain, signer)
    assert parse_receipt(signed.to_json()) == signed
    pretty = json.dumps(json.loads(signed.to_json()), indent=2).encode()
    assert parse_receipt(pretty) == signed


def test_voucher_round_trip(voucher, domain, signer) -> None:
    signed = sign_voucher(voucher, domain, signer)
    assert parse_voucher(signed.to_json()) == signed
    assert signed.signer() == signer.address


def test_local_receipt_has_no_signature() -> None:
    receipt = local_receipt(
        model=b"m" * 32, program=b"p" * 32, inputs=b"i" * 32, outputs=b"o" * 32, time=5
    )
    signed = SignedReceipt(Domain(0, "0x" + "00" * 20), receipt, None)
    assert parse_receipt(signed.to_json()) == signed
    with pytest.raises(MalformedReceipt, match="no signature"):
        SignedReceipt(signed.domain, receipt, bytes(65))


def test_a_paid_receipt_or_voucher_must_be_signed(receipt, voucher, domain, document) -> None:
    with pytest.raises(MalformedReceipt, match="must be signed"):
        SignedReceipt(domain, receipt, None)
    refused(document | {"signature": None}, "must be signed")
    unsigned = json.loads(SignedVoucher(domain, voucher, bytes(65)).to_json())
    with pytest.raises(MalformedReceipt, match="must be signed"):
        parse_voucher(json.dumps(unsigned | {"signature": None}).encode())


@pytest.mark.parametrize("field", ["type", "chain_id", "contract", "receipt", "signature"])
def test_a_missing_field_is_refused(document, field: str) -> None:
    del document[field]
    refused(document, f"lacks field '{field}'")


def test_unknown_fields_are_refused(document) -> None:
    refused(document | {"extra": 1}, "unknown field 'extra'")
    document["receipt"]["note"] = "x"
    refused(document, "unknown field 'note'")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("job", "0x12", "32 bytes"),
        ("job", "0x" + "AB" * 32, "lower-case"),
        ("job", "0x" + "a" * 63, "hexadecimal"),
        ("job", "ab" * 32, "0x"),
        ("job", None, "0x"),
        ("client", "0x12", "EVM address"),
        ("client", "0x70997970C51812DC3A010C7d01b50e0d17dc79C8", "checksum"),
        ("client", 7, "EVM address"),
        ("sequence", "9", "uint64"),
        ("sequence", -1, "uint64"),
        ("sequence", True, "uint64"),
        ("sequence", 2**53, "2\\^53"),
        ("time", 1.5, "not an integer"),
        ("tier", 9, "not a tier"),
        ("tier", 256, "uint8"),
        ("numerics", 2**32, "uint32"),
    ],
)
def test_a_field_out_of_form_is_refused(document, field: str, value: Any, match: str) -> None:
    document["receipt"][field] = value
    refused(document, match)


@pytest.mark.parametrize("signature", ["0x", "0x" + "00" * 64, 5, "0x" + "00" * 66, "0xzz"])
def test_a_signature_out_of_form_is_refused(document, signature: Any) -> None:
    refused(document | {"signature": signature}, "signature|hexadecimal")


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_a_body_that_is_no_object_is_refused(document, body: Any) -> None:
    refused(document | {"receipt": body}, "not a JSON object")
    refused(body, "not a JSON object")


def test_duplicate_keys_are_refused(document) -> None:
    text = json.dumps(document).replace('"chain_id"', '"chain_id": 1, "chain_id"', 1)
    with pytest.raises(MalformedReceipt, match="twice"):
        parse_receipt(text.encode())


def test_another_document_type_is_refused(document, voucher, domain, signer) -> None:
    refused(document | {"type": "aivm.receipt.v2"}, "type is")
    with pytest.raises(MalformedReceipt):
        parse_receipt(sign_voucher(voucher, domain, signer).to_json())


def test_a_huge_document_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_receipt(b" " * 20_000)


@pytest.mark.parametrize("amount", [12, "012", "-1", "1e3", "", "9" * 40, str(2**128)])
def test_an_amount_out_of_form_is_refused(voucher, domain, signer, amount: Any) -> None:
    document = json.loads(sign_voucher(voucher, domain, signer).to_json())
    document["voucher"]["amount"] = amount
    with pytest.raises(MalformedReceipt):
        parse_voucher(json.dumps(document).encode())


def test_the_mark_of_a_derived_program(receipt, domain, signer) -> None:
    plain = sign_receipt(receipt, domain, signer)
    marked = sign_receipt(receipt, domain, signer, derived="0123456789abcdef")
    assert parse_receipt(marked.to_json()) == marked
    assert marked.signature == plain.signature
    assert "derived" not in json.loads(plain.to_json())


@pytest.mark.parametrize("mark", [True, 7, "", "0123456789ABCDEF", "0123456789abcdef0", "x" * 16])
def test_a_mark_that_names_no_compiler_is_refused(document, mark: Any) -> None:
    refused({**document, "derived": mark}, "derived")
