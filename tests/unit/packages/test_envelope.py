"""DSSE: the signature covers the exact bytes and their type, and has one spelling."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import rfc8785

from aivm.errors import BadSignature, MalformedPackage, TamperedContent, TooLarge
from aivm.packages.envelope import (
    PAYLOAD_TYPE,
    add_signature,
    pre_authentication_encoding,
    sign_manifest,
    verify_envelope,
)

MANIFEST = b'{"a":1}'


@pytest.fixture
def envelope(publisher) -> dict[str, Any]:
    return json.loads(sign_manifest(MANIFEST, publisher))


def verify(envelope: dict[str, Any]) -> tuple[str, ...]:
    return verify_envelope(rfc8785.dumps(envelope), MANIFEST)


def test_the_encoding_is_dsses() -> None:
    expected = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} 7 ".encode() + MANIFEST
    assert pre_authentication_encoding(MANIFEST) == expected


def test_the_signer_is_found(envelope, publisher) -> None:
    assert verify(envelope) == (publisher.address,)


def test_others_may_sign_too(envelope, publisher, stranger) -> None:
    other = json.loads(sign_manifest(MANIFEST, stranger))
    envelope["signatures"] += other["signatures"]
    assert verify(envelope) == (publisher.address, stranger.address)
    envelope["signatures"] += other["signatures"]
    with pytest.raises(MalformedPackage, match="twice"):
        verify(envelope)


def test_another_payload_is_refused(envelope, publisher) -> None:
    with pytest.raises(TamperedContent):
        verify_envelope(sign_manifest(b'{"a":2}', publisher), MANIFEST)
    envelope["payload"] = base64.b64encode(b'{"a":2}').decode()
    with pytest.raises(TamperedContent):
        verify(envelope)


def test_another_keys_name_is_refused(envelope, stranger) -> None:
    envelope["signatures"][0]["keyid"] = stranger.address
    with pytest.raises(BadSignature):
        verify(envelope)
    envelope["signatures"][0]["keyid"] = envelope["signatures"][0]["keyid"].lower()
    with pytest.raises(BadSignature):
        verify(envelope)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"extra": 1},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": [1]},
        {"signatures": [{"keyid": "x"}]},
        {"signatures": [{"keyid": 1, "sig": "AA=="}]},
        {"signatures": [{"keyid": "x", "sig": "AA"}]},
        {"signatures": [{"keyid": "x", "sig": "AB=="}]},
        {"signatures": [{"keyid": "x", "sig": "!!!!"}]},
        {"payload": "é"},
        {"payload": None},
    ],
)
def test_envelopes_out_of_form_are_refused(envelope, change: dict[str, Any]) -> None:
    with pytest.raises(MalformedPackage):
        verify(envelope | change)


def test_other_spellings_are_refused(envelope) -> None:
    with pytest.raises(MalformedPackage):
        verify_envelope(json.dumps(envelope).encode(), MANIFEST)
    with pytest.raises(TooLarge):
        verify_envelope(bytes(600_000), MANIFEST)


def test_a_signature_is_added_once(publisher, stranger) -> None:
    first = sign_manifest(MANIFEST, publisher)
    both = add_signature(first, MANIFEST, stranger)
    assert verify_envelope(both, MANIFEST) == (publisher.address, stranger.address)
    assert add_signature(both, MANIFEST, stranger) == both
    with pytest.raises(TamperedContent):
        add_signature(first, b"{}", stranger)
