"""JSON-RPC against servers that behave badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from aivm.chain.devchain import DevChain
from aivm.chain.rpc import BATCH_LIMIT, Rpc, RpcError
from aivm.errors import AnswerTooLarge, BadInput, ChainUnreachable

Answer = Callable[[Any], Awaitable[web.Response]]


@asynccontextmanager
async def server(answer: Answer, **settings: Any) -> AsyncIterator[Rpc]:
    """A client of a server that gives `answer(request document)`."""

    async def handle(request: web.Request) -> web.Response:
        return await answer(await request.json())

    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/secret-key", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-key"
    try:
        async with Rpc(url, **settings) as rpc:
            yield rpc
    finally:
        await runner.cleanup()


def replies(*answers: web.Response | object) -> Answer:
    """The given answers in turn, then the last one for ever."""
    remaining = list(answers)

    async def answer(request: Any) -> web.Response:
        chosen = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(chosen, web.Response):
            return web.Response(body=chosen.body, status=chosen.status)
        return web.json_response({"jsonrpc": "2.0", "id": request["id"], "result": chosen})

    return answer


async def test_call_and_batch_on_a_real_chain(devchain: DevChain) -> None:
    assert await devchain.rpc.call("eth_chainId") == hex(31337)
    calls = [
        ("eth_chainId", []),
        ("no_such_method", []),
        ("eth_getBalance", ["0x" + "77" * 20, "latest"]),
    ]
    first, second, third = await devchain.rpc.batch(calls)
    assert first == hex(31337)
    assert isinstance(second, RpcError)
    assert second.code == -32601
    assert third == "0x0"


async def test_large_batches_go_in_parts_and_keep_their_order(devchain: DevChain) -> None:
    accounts = [f"0x{number:040x}" for number in range(1000, 1000 + 2 * BATCH_LIMIT + 3)]
    for number in (0, 150, 200):
        await devchain.fund(accounts[number], wei=number + 1)
    balances = await devchain.rpc.batch(
        [("eth_getBalance", [account, "latest"]) for account in accounts]
    )
    assert [int(balance, 16) for balance in balances if balance != "0x0"] == [1, 151, 201]
    assert len(balances) == len(accounts)


async def test_an_overloaded_node_is_asked_again() -> None:
    async with server(replies(web.Response(status=429), web.Response(status=503), "0x7")) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x7"


async def test_what_changes_the_node_is_tried_once() -> None:
    async with server(replies(web.Response(status=503), "0x7")) as rpc:
        with pytest.raises(ChainUnreachable, match="HTTP status 503"):
            await rpc.call("evm_mine")


async def test_a_head_that_moves_under_a_call_is_no_refusal() -> None:
    refusals = iter([True, False])

    async def answer(request: Any) -> web.Response:
        reply: dict[str, Any] = {"id": request["id"], "result": "0x1"}
        if next(refusals):
            reply = {"id": request["id"], "error": {"code": -1, "message": "header not found"}}
        return web.json_response(reply)

    async with server(answer) as rpc:
        assert await rpc.call("eth_call", {}, "latest") == "0x1"


async def test_answers_of_a_batch_are_matched_by_id() -> None:
    async def backwards(requests: Any) -> web.Response:
        return web.json_response(
            [{"id": one["id"], "result": one["method"]} for one in reversed(requests)]
        )

    async with server(backwards) as rpc:
        assert await rpc.batch([("eth_a", []), ("eth_b", []), ("eth_c", [])]) == [
            "eth_a",
            "eth_b",
            "eth_c",
        ]


async def test_a_batch_with_a_missing_answer_is_unreachable() -> None:
    async def first_only(requests: Any) -> web.Response:
        return web.json_response([{"id": requests[0]["id"], "result": 1}])

    async with server(first_only) as rpc:
        with pytest.raises(ChainUnreachable, match="does not answer eth_b"):
            await rpc.batch([("eth_a", []), ("eth_b", [])])


async def test_a_node_without_batches_is_named() -> None:
    async def refuse(_: Any) -> web.Response:
        return web.json_response({"id": None, "error": {"code": -32600, "message": "no batches"}})

    async with server(refuse) as rpc:
        with pytest.raises(ChainUnreachable, match="does not accept batches"):
            await rpc.batch([("eth_a", [])])


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[" * 100_000, b'"text"', b"{}", b'{"id":1}', b"null"]
)
async def test_what_is_no_json_rpc_is_refused(body: bytes) -> None:
    async with server(replies(web.Response(body=body))) as rpc:
        with pytest.raises(ChainUnreachable, match="JSON-RPC"):
            await rpc.call("eth_blockNumber")


async def test_an_answer_without_end_is_cut_off() -> None:
    async with server(replies(web.Response(body=b" " * 5000)), response_limit=4096) as rpc:
        with pytest.raises(AnswerTooLarge, match="exceeds 4096 bytes"):
            await rpc.call("eth_blockNumber")


async def test_a_silent_node_times_out_without_showing_the_url() -> None:
    released = asyncio.Event()

    async def hang(_: Any) -> web.Response:
        await released.wait()
        return web.Response()

    async with server(hang, timeout_seconds=0.05, attempts=2) as rpc:
        with pytest.raises(ChainUnreachable) as caught:
            await rpc.call("eth_blockNumber")
        released.set()
    assert "secret-key" not in str(caught.value)
    assert rpc.place in str(caught.value)


async def test_a_closed_connection_stays_closed(devchain: DevChain) -> None:
    rpc = Rpc(devchain.url)
    await rpc.call("eth_chainId")
    await rpc.close()
    with pytest.raises(ChainUnreachable, match="was closed"):
        await rpc.call("eth_chainId")


@pytest.mark.parametrize(
    "url", ["", "localhost:8545", "ws://localhost", "http://", "file:///etc/passwd"]
)
def test_an_endpoint_is_an_http_url(url: str) -> None:
    with pytest.raises(BadInput, match="http or https"):
        Rpc(url)


async def test_a_plain_question_that_is_refused_is_no_answer() -> None:
    refused = {"id": 1, "error": {"code": -32005, "message": "limit exceeded"}}
    async with server(replies(web.json_response(refused))) as rpc:
        with pytest.raises(ChainUnreachable, match=r"refuses a plain question.*limit exceeded"):
            await rpc.ask("eth_blockNumber")
