"""A receipt with the inputs it is about, as somebody sends them: one format, over HTTP.

The body is a request of the Open Inference Protocol with the inputs as its tensors, binary or JSON;
its parameters carry the documents:

    aivm_receipt     the receipt document, as text
    aivm_complaint   optional: the client's signed doubt (`complaint.py`); such receipts come first
    aivm_inputs      instead of tensors: the CID of a safetensors file with the inputs

Nothing in it is believed: the receipt names its inputs by their root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivm.commitments.cid import Cid
from aivm.commitments.tensors import carried, dtype_of
from aivm.errors import BadInput, MalformedReceipt
from aivm.market.openinference import (
    RECEIPT_PARAMETER,
    Message,
    Tensor,
    decode_request,
    encode_request,
)
from aivm.receipts import SignedReceipt, parse_receipt
from aivm.verifier.complaint import check_complaint

COMPLAINT_PARAMETER = "aivm_complaint"
INPUTS_PARAMETER = "aivm_inputs"
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Submission:
    """A receipt, its inputs (or where they lie), who sent it, and whether its client doubts it."""

    signed: SignedReceipt
    tensors: Sequence[Tensor]
    source: str
    flagged: bool = False
    published: Cid | None = None


def decode_submission(
    body: bytes, header_length: str | None, source: str, *, max_bytes: int = MAX_BYTES
) -> Submission:
    """Reads a body. Raises BadInput or one of its leaves; BadSignature for a forged complaint."""
    message = decode_request(body, header_length, max_bytes=max_bytes)
    signed = parse_receipt(_text(message.parameters, RECEIPT_PARAMETER).encode())
    flagged = COMPLAINT_PARAMETER in message.parameters
    if flagged:
        check_complaint(_text(message.parameters, COMPLAINT_PARAMETER), signed)
        source = f"client:{signed.receipt.client}"  # it has proved who it is
    published = None
    if INPUTS_PARAMETER in message.parameters:
        published = Cid.parse(_text(message.parameters, INPUTS_PARAMETER))
        if message.tensors:
            raise BadInput(f"either tensors or {INPUTS_PARAMETER!r}, not both")
    return Submission(signed, message.tensors, source, flagged, published)


def encode_submission(
    signed: SignedReceipt,
    inputs: Mapping[str, Any],
    *,
    complaint: str | None = None,
    published: str | None = None,
) -> tuple[bytes, dict[str, str]]:
    """Body and HTTP headers of a submission; `inputs` are arrays by name, F16 as float16."""
    parameters = {RECEIPT_PARAMETER: signed.to_json().decode()}
    if complaint is not None:
        parameters[COMPLAINT_PARAMETER] = complaint
    if published is not None:
        parameters[INPUTS_PARAMETER] = published
    return encode_request(Message(tensors=named_tensors(inputs), parameters=parameters))


def named_tensors(arrays: Mapping[str, Any]) -> list[Tensor]:
    """Arrays as tensors. Raises WrongTensor for a dtype that AIVM does not have."""
    tensors = []
    for name, array in arrays.items():
        dtype = dtype_of(array)
        tensors.append(Tensor(name, dtype, carried(array, dtype)))
    return tensors


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str):
        raise MalformedReceipt(f"the parameter {name!r} is missing, or is no text")
    return value
