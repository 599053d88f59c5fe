"""`receipt.json` and voucher documents: strict in, canonical out.

    {"type": "aivm.receipt.v1", "chain_id": 31337, "contract": "0x...", "receipt": {...},
     "signature": "0x..." | null}
    {"type": "aivm.receipt.v1", ..., "pipeline": {...}}      where modules took part: pipeline.py
    {"type": "aivm.receipt.v1", ..., "derived": "..."}       a program that the manifest lacks
    {"type": "aivm.voucher.v1", "chain_id": 31337, "contract": "0x...", "voucher": {...},
     "signature": "0x..."}

Byte strings and addresses are 0x-prefixed hexadecimal, integers are JSON integers; a voucher's
amount is a decimal string, because token units pass 2^53. A receipt without a signature is local.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aivm.commitments import canonical_json
from aivm.errors import MalformedAddress, MalformedReceipt, TooLarge
from aivm.receipts.eip712 import Domain
from aivm.receipts.fields import SignedStruct
from aivm.receipts.pipeline import Pipeline, pipeline_from_document
from aivm.receipts.receipt import Receipt, Tier
from aivm.receipts.signing import SIGNATURE_BYTES, Signer, recover_address
from aivm.receipts.voucher import Voucher

MAX_DOCUMENT_BYTES = 16 * 1024
_HEX = re.compile(r"0x[0-9a-f]*")
_COMPILER = re.compile(r"[0-9a-f]{16}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,38}")

Struct = TypeVar("Struct", bound=SignedStruct)


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt, the domain it counts in, and the provider's signature (None: a local run).

    `pipeline` says what `receipt.program` stands for where modules took part. `derived` marks a
    program that its package does not list: the version of the compiler that derived it from the
    package's source. It is not signed: whoever has the package can tell, and verification does.
    """

    domain: Domain
    receipt: Receipt
    signature: bytes | None
    pipeline: Pipeline | None = None
    derived: str | None = None

    def __post_init__(self) -> None:
        local = self.receipt.tier is Tier.LOCAL
        if local and self.signature is not None:
            raise MalformedReceipt("a local receipt carries no signature")
        if not local and self.signature is None:
            raise MalformedReceipt(f"a receipt of tier {self.receipt.tier.name} must be signed")
        _check_signature_length(self.signature)
        if self.derived is not None and not _COMPILER.fullmatch(self.derived):
            raise MalformedReceipt(f"derived: {self.derived[:40]!a} is no version of a compiler")

    def to_json(self) -> bytes:
        """The canonical bytes of `receipt.json`."""
        document = _document("receipt", self.domain, self.receipt, self.signature)
        if self.pipeline is not None:
            document["pipeline"] = self.pipeline.to_document()
        if self.derived is not None:
            document["derived"] = self.derived
        return canonical_json.spell(document)


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """A voucher, the domain it counts in, and the client's signature."""

    domain: Domain
    voucher: Voucher
    signature: bytes

    def __post_init__(self) -> None:
        _check_signature_length(self.signature)

    def signer(self) -> str:
        """The address that signed. Raises BadSignature."""
        return recover_address(self.voucher.digest(self.domain), self.signature)

    def to_json(self) -> bytes:
        """The canonical bytes of the document."""
        document = _document("voucher", self.domain, self.voucher, self.signature)
        return canonical_json.spell(document)


def sign_receipt(
    receipt: Receipt, domain: Domain, signer: Signer, *, derived: str | None = None
) -> SignedReceipt:
    """`receipt` signed by a provider's hot key."""
    signature = signer.sign_digest(receipt.digest(domain))
    return SignedReceipt(domain, receipt, signature, derived=derived)


def sign_voucher(voucher: Voucher, domain: Domain, signer: Signer) -> SignedVoucher:
    """`voucher` signed by the channel's client."""
    return SignedVoucher(domain, voucher, signer.sign_digest(voucher.digest(domain)))


def parse_receipt(data: bytes) -> SignedReceipt:
    """Reads `receipt.json`. Raises MalformedReceipt or TooLarge; checks form, not truth."""
    document = _read(data, "receipt")
    pipeline = document.pop("pipeline", None)
    derived = document.pop("derived", None)
    if derived is not None and not isinstance(derived, str):
        raise MalformedReceipt("derived is no version of a compiler")
    domain, receipt, signature = _parse(document, "receipt", Receipt)
    stages = None if pipeline is None else pipeline_from_document(pipeline)
    return SignedReceipt(domain, receipt, signature, stages, derived)


def parse_voucher(data: bytes) -> SignedVoucher:
    """Reads a voucher document. Raises MalformedReceipt or TooLarge; checks form, not truth."""
    domain, voucher, signature = _parse(_read(data, "voucher"), "voucher", Voucher)
    if signature is None:
        raise MalformedReceipt("a voucher must be signed")
    return SignedVoucher(domain, voucher, signature)


def _document(
    name: str, domain: Domain, struct: SignedStruct, signature: bytes | None
) -> dict[str, Any]:
    return {
        "type": f"aivm.{name}.v1",
        "chain_id": domain.chain_id,
        "contract": domain.contract,
        name: {
            field: _field_to_json(kind, getattr(struct, field)) for field, kind in struct.FIELDS
        },
        "signature": None if signature is None else "0x" + signature.hex(),
    }


def _read(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"a {name} document of {len(data)} bytes is over {MAX_DOCUMENT_BYTES}")
    document = canonical_json.parse(data, MalformedReceipt)
    if not isinstance(document, dict):
        raise MalformedReceipt("the document is not a JSON object")
    return document


def _parse(
    document: dict[str, Any], name: str, struct: type[Struct]
) -> tuple[Domain, Struct, bytes | None]:
    _check_keys(document, ("type", "chain_id", "contract", name, "signature"), "the document")
    if document["type"] != f"aivm.{name}.v1":
        raise MalformedReceipt(f"type is {document['type']!a}, not 'aivm.{name}.v1'")
    body = document[name]
    _check_keys(body, tuple(field for field, _ in struct.FIELDS), f"{name!r}")
    signature = document["signature"]
    try:
        domain = Domain(document["chain_id"], document["contract"])
        values = {field: _field_from_json(kind, body[field]) for field, kind in struct.FIELDS}
        parsed = struct(**values)
        return domain, parsed, None if signature is None else _bytes_from_json(signature)
    except (MalformedAddress, ValueError) as problem:
        raise MalformedReceipt(f"{name} document: {problem}") from None


def _check_keys(value: Any, expected: tuple[str, ...], where: str) -> None:
    if not isinstance(value, Mapping):
        raise MalformedReceipt(f"{where} is not a JSON object")
    for missing in expected:
        if missing not in value:
            raise MalformedReceipt(f"{where} lacks field {missing!r}")
    for unknown in value:
        if unknown not in expected:
            raise MalformedReceipt(f"{where} has an unknown field {unknown!a}")


def _field_to_json(kind: str, value: Any) -> str | int:
    if kind == "bytes32":
        return "0x" + str(value.hex())
    if kind == "uint128":
        return str(value)
    if not kind.startswith("uint"):
        return str(value)
    if value > canonical_json.MAX_INTEGER:
        raise MalformedReceipt(f"{value} is over 2^53 - 1, which JSON cannot carry")
    return int(value)


def _field_from_json(kind: str, value: Any) -> Any:
    if kind == "bytes32":
        return _bytes_from_json(value)
    if kind == "uint128":
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            raise ValueError(f"{value!a} is not a decimal amount")
        return int(value)
    return value


def _bytes_from_json(value: Any) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ValueError(f"{value!a} is not 0x and lower-case hexadecimal digits")
    return bytes.fromhex(value[2:])


def _check_signature_length(signature: bytes | None) -> None:
    if signature is not None and len(signature) != SIGNATURE_BYTES:
        raise MalformedReceipt(f"signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
