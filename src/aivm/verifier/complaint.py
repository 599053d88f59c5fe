"""A client's signed doubt about a receipt of its own: what makes a verifier look for certain.

    {"type": "aivm.complaint.v1", "signature": "0x..."}

The signature is over `Complaint(bytes32 job, bytes32 outputs)` in the domain of receipts, by the
account that the receipt names as its client: nobody else can have a verifier spend its hours on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aivm.commitments import canonical_json
from aivm.errors import BadSignature, MalformedReceipt
from aivm.receipts import SignedReceipt, Signer, eip712, recover_address
from aivm.receipts.fields import SignedStruct

TYPE = "aivm.complaint.v1"


@dataclass(frozen=True, slots=True)
class Complaint(SignedStruct):
    """Which claim is doubted: this output root of this job."""

    NAME: ClassVar[str] = "Complaint"
    FIELDS: ClassVar[eip712.Fields] = (("job", "bytes32"), ("outputs", "bytes32"))

    job: bytes
    outputs: bytes


def complain(signed: SignedReceipt, client: Signer) -> str:
    """The complaint document about a receipt, signed by its client."""
    receipt = signed.receipt
    complaint = Complaint(receipt.job, receipt.outputs)
    signature = client.sign_digest(complaint.digest(signed.domain))
    return canonical_json.spell({"type": TYPE, "signature": "0x" + signature.hex()}).decode()


def check_complaint(document: str, signed: SignedReceipt) -> None:
    """Raises MalformedReceipt, or BadSignature unless the receipt's own client signed it."""
    found = canonical_json.parse(document.encode(), MalformedReceipt)
    if not isinstance(found, dict) or set(found) != {"type", "signature"} or found["type"] != TYPE:
        raise MalformedReceipt(f"this is no document of type {TYPE}")
    text = found["signature"]
    try:
        signature = bytes.fromhex(text.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise MalformedReceipt("the complaint's signature is not hexadecimal") from None
    receipt = signed.receipt
    signer = recover_address(
        Complaint(receipt.job, receipt.outputs).digest(signed.domain), signature
    )
    if signer != receipt.client:
        raise BadSignature(
            f"the complaint is signed by {signer}, the receipt's client is {receipt.client}"
        )
