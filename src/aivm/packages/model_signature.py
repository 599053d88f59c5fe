"""OpenSSF model signatures (OMS 1.0): `model.sig` beside the manifest, for tools that know no AIVM.

    Sigstore bundle 0.3 { DSSE envelope { in-toto statement {
        subject    SHA-256 over all files' SHA-256, in order of their names
        predicate  https://model_signing/signature/v1.0: how files were listed, and their digests
    } } }

The key is an EC key on P-256 in PEM; the bundle holds a hash of its public half only. Everything in
the package is signed except the two signatures: validators may add theirs to `manifest.sig.json`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.PublicKey.ECC import EccKey
from Crypto.Signature import DSS

from aivm.commitments import canonical_json
from aivm.errors import BadInput, BadSignature, MalformedPackage, TamperedContent, TooLarge
from aivm.packages.paths import MODEL_SIGNATURE, SIGNATURE

PREDICATE = "https://model_signing/signature/v1.0"
STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE_BYTES = 4 << 20
_CURVE = "NIST P-256"
_SERIALIZATION = {
    "method": "files",
    "hash_type": "sha256",
    "allow_symlinks": False,
    "ignore_paths": [SIGNATURE, MODEL_SIGNATURE],
}


def sign_model(name: str, digests: Mapping[str, bytes], private_key: bytes) -> bytes:
    """The bundle over files (SHA-256 by path), signed with a PEM key. Raises BadInput."""
    key = read_key(private_key)
    if not key.has_private():
        raise BadInput("this is a public key; signing needs the private one")
    payload = json.dumps(_statement(name, digests), separators=(",", ":")).encode()
    signature = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(_encoded(payload)))
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": _hint(key)}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode()


def verify_model(
    bundle: bytes, digests: Mapping[str, bytes], public_key: bytes | None = None
) -> None:
    """Checks that the bundle is about exactly these files and, given a PEM key, signed by it.

    Raises MalformedPackage, TooLarge, TamperedContent (other files), BadSignature, BadInput.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"{MODEL_SIGNATURE} has {len(bundle)} bytes, over {MAX_BUNDLE_BYTES}")
    document = canonical_json.parse(bundle, MalformedPackage)
    try:
        if document["mediaType"] != BUNDLE_TYPE:
            raise ValueError("its media type is another")
        envelope = document["dsseEnvelope"]
        (signed,) = envelope["signatures"]
        payload, signature = _decoded(envelope["payload"]), _decoded(signed["sig"])
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("its payload is no in-toto statement")
        stated = _stated(canonical_json.parse(payload, MalformedPackage))
        hint = document["verificationMaterial"]["publicKey"].get("hint")
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise MalformedPackage(
            f"{MODEL_SIGNATURE} is no OpenSSF model signature: {problem}"
        ) from None
    _compare(stated, digests)
    if public_key is not None:
        _check_signature(read_key(public_key), hint, payload, signature)


def _statement(name: str, digests: Mapping[str, bytes]) -> dict[str, Any]:
    ordered = sorted(digests.items())
    whole = sha256(b"".join(digest for _, digest in ordered)).hexdigest()
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": _SERIALIZATION,
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": digest.hex()}
                for path, digest in ordered
            ],
        },
    }


def _stated(statement: Any) -> dict[str, bytes]:
    """The files that a statement is about. Raises ValueError, KeyError, TypeError."""
    if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
        raise ValueError("its statement is of another type")
    (subject,) = statement["subject"]
    resources = statement["predicate"]["resources"]
    if any(resource["algorithm"] != "sha256" for resource in resources):
        raise ValueError("it names files by another hash than SHA-256")
    if not all(isinstance(resource["name"], str) for resource in resources):
        raise ValueError("the name of a file is no text")
    stated = {resource["name"]: bytes.fromhex(resource["digest"]) for resource in resources}
    if len(stated) != len(resources):
        raise ValueError("it names a file twice")
    whole = sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in resources))
    if whole.hexdigest() != subject["digest"]["sha256"]:
        raise ValueError("its subject is not the digest of its files")
    return stated


def _compare(stated: Mapping[str, bytes], digests: Mapping[str, bytes]) -> None:
    """Whoever signs with other tools may have signed the publisher's signature too."""
    for path in sorted(digests.keys() | stated.keys() - {SIGNATURE}):
        if stated.get(path) != digests.get(path):
            raise TamperedContent(f"{MODEL_SIGNATURE} is not about this file {path[:120]!a}")


def _check_signature(key: EccKey, hint: Any, payload: bytes, signature: bytes) -> None:
    if hint != _hint(key):
        raise BadSignature(f"{MODEL_SIGNATURE} was made with another key")
    try:
        verifier = DSS.new(key, "fips-186-3", encoding="der")
        verifier.verify(SHA256.new(_encoded(payload)), signature)
    except ValueError:
        raise BadSignature(f"the signature in {MODEL_SIGNATURE} is not by this key") from None


def _encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_key(pem: bytes) -> EccKey:
    """A private or public key. Raises BadInput."""
    try:
        key = ECC.import_key(pem)
    except (ValueError, IndexError, TypeError):
        raise BadInput(
            "the key for model signatures is not an unencrypted EC key in PEM",
            hint="Make one: openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        ) from None
    if key.curve != _CURVE:
        raise BadInput(f"the key for model signatures is on {key.curve}, not on P-256")
    return key


def _hint(key: EccKey) -> str:
    pem = key.public_key().export_key(format="PEM")
    return sha256(f"{pem}\n".encode()).hexdigest()


def _decoded(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)
