"""One paid inference: promise, ask, and believe only what the receipt proves.

The same request may be sent again after a lost answer: its job id is the same, so it is paid once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from aivm import errors
from aivm.commitments import bundle_root, tensor_root
from aivm.errors import (
    BadSignature,
    MalformedReceipt,
    PaymentRefused,
    ProviderUnreachable,
    VerificationError,
    WrongTensor,
)
from aivm.isa import Program
from aivm.market.ledger import Ledger, OpenChannel
from aivm.market.openinference import (
    HEADER_LENGTH,
    RECEIPT_PARAMETER,
    VOUCHER_PARAMETER,
    Message,
    Tensor,
    decode_response,
    encode_request,
)
from aivm.receipts import (
    Domain,
    Expectation,
    SignedReceipt,
    Signer,
    Voucher,
    job_id,
    parse_receipt,
    sign_voucher,
    verify_receipt,
)

Array = np.ndarray[Any, Any]
MAX_RESPONSE_BYTES = 256 * 2**20
ATTEMPTS = 3


@dataclass(frozen=True)
class Order:
    """What is bought: a program of a model on these inputs, from this provider."""

    model: bytes
    program: Program
    program_root: bytes
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    inputs: tuple[Array, ...]
    endpoint: str
    provider: str
    hot_key: str
    price: int


@dataclass(frozen=True)
class Delivery:
    """What came back, with every check on the receipt passed (re-execution is not one of them)."""

    outputs: dict[str, Array]
    receipt: SignedReceipt
    price: int


class Caller:
    """Makes paid calls for one client account."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        signer: Signer,
        ledger: Ledger,
        vouchers: Domain,
        receipts: Domain,
        timeout_seconds: float = 120.0,
    ) -> None:
        self._session = session
        self._signer = signer
        self._ledger = ledger
        self._vouchers = vouchers
        self._receipts = receipts
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def call(self, order: Order, channel: OpenChannel) -> Delivery:
        """Pay and run. Raises PaymentRefused, ProviderUnreachable, VerificationError and what the
        provider reports; after a reported error the price is free again."""
        roots = (
            tensor_root(array, kind.dtype)
            for array, kind in zip(order.inputs, order.program.inputs, strict=True)
        )
        inputs_root = bundle_root(roots)
        sequence, amount = self._ledger.promise(channel.channel, order.price)
        if amount > channel.deposit:
            self._ledger.release(channel.channel, order.price)
            raise PaymentRefused("the channel's deposit is used up", hint="Top the channel up.")
        job = job_id(channel.channel, sequence, order.model, order.program_root, inputs_root)
        voucher = Voucher(channel=channel.channel, sequence=sequence, amount=amount, job=job)
        signed = sign_voucher(voucher, self._vouchers, self._signer)
        request = _request(order, signed.to_json().decode())
        try:
            answer = await self._send(order, request)
        except errors.AivmError as error:
            if not isinstance(error, ProviderUnreachable):
                self._ledger.release(channel.channel, order.price)
            raise
        return self._check(order, voucher, answer)

    async def _send(self, order: Order, request: tuple[bytes, dict[str, str]]) -> Message:
        body, headers = request
        url = f"{order.endpoint}/v2/models/{order.model.hex()}/infer"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._session.post(
                    url, data=body, headers=headers, timeout=self._timeout
                ) as response:
                    return await _read(response)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if attempt == ATTEMPTS:
                    raise ProviderUnreachable(
                        f"{order.endpoint} did not answer ({type(error).__name__})",
                        hint="The same call can be made again: it is paid once.",
                    ) from None
                await asyncio.sleep(0.2 * attempt)
        raise AssertionError("unreachable")

    def _check(self, order: Order, voucher: Voucher, answer: Message) -> Delivery:
        outputs = _outputs(order, answer.tensors)
        receipt = _receipt(answer.parameters)
        verdict = verify_receipt(
            receipt,
            Expectation(
                domain=self._receipts,
                hot_key=order.hot_key,
                model=order.model,
                program=order.program,
                inputs=order.inputs,
                outputs=list(outputs.values()),
            ),
        )
        for check in verdict.checks:
            if not check.ok:
                kind = BadSignature if check.name == "signature" else VerificationError
                raise kind(f"the receipt is wrong: {check.name}: {check.detail}")
        claimed = receipt.receipt
        if (claimed.job, claimed.client, claimed.provider) != (
            voucher.job,
            self._signer.address,
            order.provider,
        ):
            raise VerificationError("the receipt is for another job, client or provider")
        return Delivery(outputs, receipt, order.price)


def _request(order: Order, voucher: str) -> tuple[bytes, dict[str, str]]:
    tensors = [
        Tensor(name, kind.dtype, array)
        for name, kind, array in zip(
            order.input_names, order.program.inputs, order.inputs, strict=True
        )
    ]
    return encode_request(Message(tensors=tensors, parameters={VOUCHER_PARAMETER: voucher}))


async def _read(response: aiohttp.ClientResponse) -> Message:
    body = await response.content.read(MAX_RESPONSE_BYTES)
    while not response.content.at_eof() and len(body) < MAX_RESPONSE_BYTES:
        body += await response.content.read(MAX_RESPONSE_BYTES - len(body))
    if response.status == 200:
        return decode_response(
            body, response.headers.get(HEADER_LENGTH), max_bytes=MAX_RESPONSE_BYTES
        )
    try:
        document = json.loads(body).get("aivm")
    except (ValueError, AttributeError):
        document = None
    if document is None:
        raise ProviderUnreachable(f"the provider answered {response.status}")
    raise errors.from_json(document, ProviderUnreachable)


def _outputs(order: Order, tensors: Sequence[Tensor]) -> dict[str, Array]:
    by_name = {tensor.name: tensor.array for tensor in tensors}
    types = order.program.value_types
    outputs = {}
    for name, value in zip(order.output_names, order.program.outputs, strict=True):
        array = by_name.get(name)
        if array is None or array.shape != types[value].shape:
            raise WrongTensor(f"the provider's output {name!r} is missing or has a wrong shape")
        outputs[name] = array
    return outputs


def _receipt(parameters: Mapping[str, Any]) -> SignedReceipt:
    text = parameters.get(RECEIPT_PARAMETER)
    if not isinstance(text, str):
        raise MalformedReceipt("the provider's answer carries no receipt")
    return parse_receipt(text.encode())
