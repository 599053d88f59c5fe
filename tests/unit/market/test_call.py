"""A client believes what a receipt proves and nothing else, and counts its money right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from aivm import host
from aivm.errors import (
    BadSignature,
    InvalidIndex,
    PaymentRefused,
    ProviderUnreachable,
    VerificationError,
)
from aivm.market.openinference import RECEIPT_PARAMETER, Message, Tensor, encode_response
from aivm.numerics.dtypes import DType
from aivm.receipts import Domain, Tier, job_id, sign_receipt

PRICE = 1000
pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_an_honest_answer_is_delivered_and_paid(desk: Any) -> None:
    delivery = await desk.call()
    assert delivery.outputs["y"].tolist() == [2.0, 4.0]
    assert delivery.receipt.receipt.job == desk.provider.jobs[0]
    assert desk.owed == PRICE


async def test_the_same_work_bought_again_later_is_a_new_job(desk: Any) -> None:
    await desk.call()
    await desk.call()
    assert len(set(desk.provider.jobs)) == 2
    assert desk.owed == 2 * PRICE


# --- lies: properly formed, paid for, and found out -----------------------------------------------


async def test_wrong_output_bytes_are_found(desk: Any) -> None:
    desk.provider.say(lambda y, receipt: desk.provider.respond(y + np.float32(1), receipt))
    with pytest.raises(VerificationError, match="outputs"):
        await desk.call()
    assert desk.owed == PRICE  # the provider holds the voucher


async def test_a_receipt_of_another_key_is_found(desk: Any) -> None:
    other = type(desk.account)(b"\x09" * 32)
    desk.provider.say(lambda y, receipt: desk.provider.respond(y, receipt, signer=other))
    with pytest.raises(BadSignature):
        await desk.call()
    assert desk.owed == PRICE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": b"i" * 32}, "inputs"),
        ({"program": b"p" * 32}, "program"),
        ({"model": b"n" * 32}, "model"),
        ({"outputs": b"o" * 32}, "outputs"),
        ({"numerics": 2}, "numerics"),
        ({"job": b"j" * 32}, "job"),
        ({"tier": Tier.ATTESTED}, "tier"),
        ({"time": host.now() - 3_600}, "time"),
        ({"time": host.now() + 3_600}, "time"),
        ({"client": "0x" + "11" * 20}, "another job, client or provider"),
        ({"provider": "0x" + "11" * 20}, "another job, client or provider"),
    ],
)
async def test_a_receipt_for_something_else_is_found(
    desk: Any, changes: dict[str, Any], reason: str
) -> None:
    desk.provider.lie(**changes)
    with pytest.raises(VerificationError, match=reason):
        await desk.call()
    assert desk.owed == PRICE


async def test_a_consistent_receipt_for_another_job_is_found(desk: Any) -> None:
    """Sequence and job id changed together: every check of the receipt itself holds."""

    def older(y: Any, receipt: Any) -> web.Response:
        fields = receipt.channel, 77, receipt.model, receipt.program, receipt.inputs
        return desk.provider.respond(y, replace(receipt, sequence=77, job=job_id(*fields)))

    desk.provider.say(older)
    with pytest.raises(VerificationError, match="another job"):
        await desk.call()


async def test_a_receipt_for_another_chain_is_found(desk: Any) -> None:
    def elsewhere(y: Any, receipt: Any) -> web.Response:
        signed = sign_receipt(receipt, Domain(1, "0x" + "57" * 20), desk.provider.hot_key)
        return desk.provider.envelope(y, signed)

    desk.provider.say(elsewhere)
    with pytest.raises(VerificationError, match="domain"):
        await desk.call()


async def test_after_a_lie_the_same_work_is_a_new_job(desk: Any) -> None:
    desk.provider.say(lambda y, receipt: desk.provider.respond(y + np.float32(1), receipt))
    with pytest.raises(VerificationError):
        await desk.call()
    desk.provider.handler = None
    assert (await desk.call()).outputs["y"].tolist() == [2.0, 4.0]
    assert desk.owed == 2 * PRICE


# --- nonsense: the promise stays open, and repeating the call pays nothing more -------------------


def answer(*tensors: Tensor, **parameters: Any) -> web.Response:
    body, headers = encode_response(Message(tensors=tensors, parameters=parameters))
    return web.Response(body=body, headers=headers)


Y = Tensor("y", DType.F32, np.array([2, 4], np.float32))
NONSENSE = {
    "garbage": lambda: web.Response(body=b"\x00\xff" * 50),
    "empty": lambda: web.Response(),
    "not an object": lambda: web.Response(text="[1]", content_type="application/json"),
    "deep": lambda: web.Response(text="[" * 50_000, content_type="application/json"),
    "no receipt": lambda: answer(Y),
    "receipt of another type": lambda: answer(Y, **{RECEIPT_PARAMETER: 7}),
    "malformed receipt": lambda: answer(Y, **{RECEIPT_PARAMETER: '{"type": "aivm.receipt.v1"}'}),
    "output missing": lambda: answer(Tensor("z", DType.F32, Y.array)),
    "wrong shape": lambda: answer(Tensor("y", DType.F32, np.zeros((1, 2), np.float32))),
    "wrong type": lambda: answer(Tensor("y", DType.I32, np.zeros(2, np.int32))),
    "huge": lambda: web.Response(body=bytes(1 << 20)),
    "redirect": lambda: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}),
    "error without a reason": lambda: web.Response(status=500, text="oops"),
    "error of another form": lambda: web.Response(
        status=500, text='{"aivm": "no"}', content_type="application/json"
    ),
    "not found, says a proxy": lambda: web.Response(status=404, text="<html>"),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_is_the_providers_fault_and_the_retry_is_paid_once(
    desk: Any, kind: str
) -> None:
    desk.provider.say(lambda _y, _receipt: NONSENSE[kind]())
    with pytest.raises(ProviderUnreachable):
        await desk.call()
    assert desk.owed == PRICE
    desk.provider.handler = None
    assert (await desk.call()).outputs["y"].tolist() == [2.0, 4.0]
    assert len(set(desk.provider.jobs)) == 1
    assert desk.owed == PRICE


async def test_a_body_without_end_is_cut_off(desk: Any) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 14))
        except ConnectionError:
            return response

    desk.provider.handler = endless
    with pytest.raises(ProviderUnreachable, match="more than"):
        await desk.call()


async def test_a_connection_that_closes_is_tried_again_with_the_same_voucher(desk: Any) -> None:
    async def close_twice(request: web.Request) -> web.StreamResponse:
        if len(desk.provider.bodies) == 2:
            desk.provider.handler = None
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    desk.provider.handler = close_twice
    assert (await desk.call()).outputs["y"].tolist() == [2.0, 4.0]
    assert len(desk.provider.bodies) == 3
    assert len(set(desk.provider.bodies)) == 1
    assert desk.owed == PRICE


async def test_a_slow_provider_is_given_up_and_the_promise_stays_open(desk: Any) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    desk.provider.handler = slow
    desk.caller._timeout = type(desk.caller._timeout)(total=0.1)
    with pytest.raises(ProviderUnreachable, match="did not answer"):
        await desk.call()
    assert len(set(desk.provider.bodies)) == 1
    assert desk.owed == PRICE
    assert desk.ledger.is_promised(desk.channel.channel, desk.order().work)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://[", "ftp://x", "", "http://"])
async def test_an_endpoint_where_nobody_listens(desk: Any, endpoint: str) -> None:
    with pytest.raises(ProviderUnreachable) as caught:
        await desk.caller.call(replace(desk.order(), endpoint=endpoint), desk.channel)
    assert "paid once" in caught.value.hint


# --- what the provider reports --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, "AIVM-E0110", InvalidIndex), (402, "AIVM-E0302", PaymentRefused)],
)
async def test_a_reported_error_arrives_as_itself_and_the_price_is_free_again(
    desk: Any, status: int, code: str, kind: type[Exception]
) -> None:
    desk.provider.report(status, code, "because")
    with pytest.raises(kind, match="because"):
        await desk.call()
    assert desk.owed == 0
    desk.provider.handler = None
    await desk.call()
    assert len(set(desk.provider.jobs)) == 2  # the failed job's sequence is not used again
    assert desk.owed == PRICE


async def test_an_unknown_error_code_is_the_providers_fault(desk: Any) -> None:
    desk.provider.report(418, "AIVM-E9999", "I am a teapot")
    with pytest.raises(ProviderUnreachable, match="teapot"):
        await desk.call()
    assert desk.owed == PRICE


# --- money ----------------------------------------------------------------------------------------


async def test_vouchers_ascend_and_never_pass_the_deposit(desk: Any) -> None:
    for number in range(10):
        await desk.call(float(number))
    with pytest.raises(PaymentRefused, match="used up"):
        await desk.call(99.0)
    assert len(desk.provider.jobs) == 10
    assert desk.owed == 10 * PRICE


async def test_concurrent_calls_have_their_own_sequences(desk: Any) -> None:
    found = await asyncio.gather(*(desk.call(float(number)) for number in range(10)))
    assert [delivery.outputs["y"][0] for delivery in found] == [2.0 * n for n in range(10)]
    sequences = {delivery.receipt.receipt.sequence for delivery in found}
    assert sequences == set(range(1, 11))


async def test_the_same_work_at_the_same_time_is_one_job(desk: Any) -> None:
    found = await asyncio.gather(*(desk.call() for _ in range(5)))
    assert {delivery.receipt.receipt.sequence for delivery in found} == {1}
    assert desk.owed == PRICE
