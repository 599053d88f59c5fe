"""One paid inference: promise, ask, and believe only what the receipt proves.

The same request may be sent again after a lost answer: its job id is the same, so it is paid once.
A price is free again only where the provider itself reports that there is no result; whatever else
goes wrong, it holds a voucher that it can redeem, and the ledger goes on counting it.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import aiohttp
import numpy as np

from aivm import errors, host
from aivm.commitments import bundle_root, shown, tensor_root
from aivm.errors import (
    BadInput,
    BadSignature,
    MalformedReceipt,
    ProviderUnreachable,
    VerificationError,
    WrongTensor,
)
from aivm.isa import Program
from aivm.market.body import read_body
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
    NO_CHANNEL,
    Domain,
    Expectation,
    SignedReceipt,
    Signer,
    Tier,
    Voucher,
    job_id,
    parse_receipt,
    sign_voucher,
    verify_receipt,
)

Array = np.ndarray[Any, Any]
HEADER_BYTES = 64 * 1024  # receipt and names of an answer, or an error
ATTEMPTS = 3
CLOCKS_DIFFER = 120  # seconds that a provider's clock may be wrong by, or a chain's


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
    derived: bool = False  # the package does not list the program
    tier: Tier = Tier.OPTIMISTIC

    @cached_property
    def inputs_root(self) -> bytes:
        """The bundle root of the inputs."""
        return bundle_root(
            tensor_root(array, kind.dtype)
            for array, kind in zip(self.inputs, self.program.inputs, strict=True)
        )

    @property
    def work(self) -> bytes:
        """What is to be computed, whoever does it and whatever it costs (32 bytes)."""
        return job_id(NO_CHANNEL, 0, self.model, self.program_root, self.inputs_root)

    @property
    def most_answer_bytes(self) -> int:
        """The outputs as binary, a receipt, and what describes them."""
        types = self.program.value_types
        return HEADER_BYTES + sum(types[value].size_bytes for value in self.program.outputs)


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
        """Pay and run.

        Raises PaymentRefused, ProviderUnreachable (silence or nonsense: the promise stays open),
        VerificationError (a lie: paid), and what the provider reports (then nothing is paid).
        """
        work = order.work
        promise = self._ledger.promise(channel.channel, work, order.price)
        job = job_id(
            channel.channel,
            promise.sequence,
            order.model,
            order.program_root,
            order.inputs_root,
        )
        voucher = Voucher(channel.channel, promise.sequence, promise.amount, job)
        signed = sign_voucher(voucher, self._vouchers, self._signer)
        request = _request(order, signed.to_json().decode())
        try:
            answer = await self._send(order, request)
        except ProviderUnreachable:
            raise
        except errors.AivmError:
            self._ledger.release(channel.channel, work)
            raise
        try:
            delivery = self._check(order, voucher, promise.made, answer)
        except VerificationError:  # asking again would bring the same lie
            self._ledger.keep(channel.channel, work)
            raise
        self._ledger.keep(channel.channel, work)
        return delivery

    async def _send(self, order: Order, request: tuple[bytes, dict[str, str]]) -> Message:
        body, headers = request
        url = f"{order.endpoint}/v2/models/{order.model.hex()}/infer"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._session.post(
                    url,
                    data=io.BytesIO(body),
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as response:
                    return await _read(response, order.most_answer_bytes)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if attempt == ATTEMPTS:
                    raise ProviderUnreachable(
                        f"{order.endpoint} did not answer ({type(error).__name__})",
                        hint="Make the same call to the same provider again: it is paid once.",
                    ) from None
                await asyncio.sleep(0.2 * attempt)
        raise AssertionError("unreachable")

    def _check(self, order: Order, voucher: Voucher, asked: int, answer: Message) -> Delivery:
        try:
            outputs = _outputs(order, answer.tensors)
            receipt = _receipt(answer.parameters)
        except BadInput as error:  # not the caller's input: what the provider sent
            raise _broken(order.endpoint, error) from None
        verdict = verify_receipt(
            receipt,
            Expectation(
                domain=self._receipts,
                hot_key=order.hot_key,
                model=order.model,
                program=order.program,
                derived=order.derived,
                inputs=order.inputs,
                outputs=list(outputs.values()),
                tier=order.tier,
                between=(asked - CLOCKS_DIFFER, host.now() + CLOCKS_DIFFER),
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


async def _read(response: aiohttp.ClientResponse, limit: int) -> Message:
    """The answer, or the error that the provider reports. Raises ProviderUnreachable for others."""
    body = await read_body(response, limit)
    place = str(response.url.origin())
    if response.status == 200:
        try:
            return decode_response(body, response.headers.get(HEADER_LENGTH), max_bytes=limit)
        except BadInput as error:
            raise _broken(place, error) from None
    try:
        document = json.loads(body).get("aivm")
    except (ValueError, AttributeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderUnreachable(f"{place} answered {response.status} without saying why")
    raise errors.from_json(document, ProviderUnreachable)


def _broken(place: str, error: errors.AivmError) -> ProviderUnreachable:
    return ProviderUnreachable(f"{place} breaks the protocol: {error.message}")


def _outputs(order: Order, tensors: Sequence[Tensor]) -> dict[str, Array]:
    by_name = {tensor.name: tensor for tensor in tensors}
    types = order.program.value_types
    outputs = {}
    for name, value in zip(order.output_names, order.program.outputs, strict=True):
        tensor, kind = by_name.get(name), types[value]
        if tensor is None or (tensor.dtype, tensor.array.shape) != (kind.dtype, kind.shape):
            raise WrongTensor(f"output {name!r} is missing, or has a wrong type or shape")
        outputs[name] = shown(tensor.array, kind.dtype)
    return outputs


def _receipt(parameters: Mapping[str, Any]) -> SignedReceipt:
    text = parameters.get(RECEIPT_PARAMETER)
    if not isinstance(text, str):
        raise MalformedReceipt("the provider's answer carries no receipt")
    return parse_receipt(text.encode())
