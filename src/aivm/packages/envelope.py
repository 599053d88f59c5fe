"""The signature beside a manifest: a DSSE envelope, `manifest.sig.json`.

What is signed is the pre-authentication encoding of the manifest's exact bytes, so no parser stands
between signature and content. A key is an EVM address; the signature is 65 bytes (r || s || v) over
keccak256 of the encoding. Other keys than the publisher's may sign too; each must be right.
"""

from __future__ import annotations

import base64
from typing import Any

from eth_hash.auto import keccak

from aivm.commitments import canonical_json
from aivm.errors import BadSignature, MalformedPackage, TamperedContent, TooLarge
from aivm.receipts import Signer, recover_address

PAYLOAD_TYPE = "application/vnd.aivm.manifest.v1+json"
MAX_ENVELOPE_BYTES = 512 * 1024
MAX_SIGNATURES = 64


def pre_authentication_encoding(payload: bytes) -> bytes:
    """DSSE's PAE: type and payload, each with its length in front."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_manifest(manifest: bytes, signer: Signer) -> bytes:
    """The canonical bytes of the envelope, signed by the publisher."""
    envelope = {
        "payload": base64.b64encode(manifest).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [_signature(manifest, signer)],
    }
    return canonical_json.dumps(envelope, MalformedPackage)


def add_signature(envelope: bytes, manifest: bytes, signer: Signer) -> bytes:
    """The envelope with another signature, of a validator; unchanged where the key has signed.

    Raises what `verify_envelope` raises, and TooLarge for one signature too many.
    """
    signers = verify_envelope(envelope, manifest)
    if signer.address in signers:
        return envelope
    if len(signers) == MAX_SIGNATURES:
        raise TooLarge(f"the manifest has {MAX_SIGNATURES} signatures; no more are read")
    document = canonical_json.parse_canonical(envelope, MalformedPackage)
    document["signatures"].append(_signature(manifest, signer))
    return canonical_json.dumps(document, MalformedPackage)


def verify_envelope(envelope: bytes, manifest: bytes) -> tuple[str, ...]:
    """The addresses that signed `manifest`; every signature in the envelope has been verified.

    Raises MalformedPackage, TooLarge, TamperedContent (it signs another manifest), BadSignature.
    """
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise TooLarge(f"a signature of {len(envelope)} bytes is over {MAX_ENVELOPE_BYTES}")
    document = canonical_json.parse_canonical(envelope, MalformedPackage)
    _check_fields(document, {"payload": str, "payloadType": str, "signatures": list})
    if document["payloadType"] != PAYLOAD_TYPE:
        raise MalformedPackage(f"the envelope's payload type is not {PAYLOAD_TYPE}")
    if _decode(document["payload"]) != manifest:
        raise TamperedContent("the signature belongs to another manifest")
    if not 1 <= len(document["signatures"]) <= MAX_SIGNATURES:
        raise MalformedPackage(f"the envelope has not 1 to {MAX_SIGNATURES} signatures")
    digest = _digest(manifest)
    signers = tuple(_signer(item, digest) for item in document["signatures"])
    if len(set(signers)) != len(signers):
        raise MalformedPackage("one key signed the manifest twice")
    return signers


def _signature(manifest: bytes, signer: Signer) -> dict[str, str]:
    signature = signer.sign_digest(_digest(manifest))
    return {"keyid": signer.address, "sig": base64.b64encode(signature).decode()}


def _signer(item: Any, digest: bytes) -> str:
    _check_fields(item, {"keyid": str, "sig": str})
    signer = recover_address(digest, _decode(item["sig"]))
    if signer != item["keyid"]:
        raise BadSignature(
            f"the manifest's signature is not by {item['keyid'][:60]!a}",
            hint="The manifest or its signature was changed.",
        )
    return signer


def _digest(manifest: bytes) -> bytes:
    return bytes(keccak(pre_authentication_encoding(manifest)))


def _check_fields(value: Any, fields: dict[str, type]) -> None:
    if not isinstance(value, dict) or set(value) != set(fields):
        raise MalformedPackage(f"the envelope has not exactly the fields {', '.join(fields)}")
    for name, kind in fields.items():
        if not isinstance(value[name], kind):
            raise MalformedPackage(f"the envelope's field {name} is of the wrong kind")


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedPackage("the envelope has a field that is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedPackage("the envelope has base64 that is not canonical")
    return data
