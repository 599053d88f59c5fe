"""A provider made of HTTP and lies, and a client that calls it; no chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from aivm import host
from aivm.chain.account import Account
from aivm.commitments import bundle_root, program_root, tensor_root
from aivm.isa import Function, Map, Program, TensorType
from aivm.market.call import Caller, Order
from aivm.market.ledger import Ledger, OpenChannel
from aivm.market.openinference import (
    HEADER_LENGTH,
    RECEIPT_PARAMETER,
    VOUCHER_PARAMETER,
    Message,
    Tensor,
    decode_request,
    encode_response,
)
from aivm.numerics.dtypes import DType
from aivm.receipts import Domain, Receipt, SignedReceipt, Tier, parse_voucher, sign_receipt

F32 = TensorType(DType.F32, (2,))
DOUBLE = Program(
    inputs=(F32,), constants=(), instructions=(Map(Function.ADD, (0, 0), F32),), outputs=(1,)
)
MODEL = b"m" * 32
PRICE = 1000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeProvider:
    """Honest until told otherwise: `behave` takes the request and the honest answer's parts."""

    owner: Account = field(default_factory=lambda: Account(b"\x01" * 32))
    hot_key: Account = field(default_factory=lambda: Account(b"\x02" * 32))
    staking: Domain = field(default_factory=lambda: Domain(31337, "0x" + "57" * 20))
    client: str = ""
    url: str = ""
    handler: Handler | None = None
    bodies: list[bytes] = field(default_factory=list)
    jobs: list[bytes] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.bodies.append(body)
        message = decode_request(body, request.headers.get(HEADER_LENGTH), max_bytes=1 << 20)
        voucher = parse_voucher(message.parameters[VOUCHER_PARAMETER].encode()).voucher
        self.jobs.append(voucher.job)
        if self.handler is not None:
            return await self.handler(request)
        return self.respond(*self.honest(body, request.headers.get(HEADER_LENGTH)))

    def honest(self, body: bytes, length: str | None) -> tuple[Any, Receipt]:
        """The output, and a true receipt for it."""
        message = decode_request(body, length, max_bytes=1 << 20)
        voucher = parse_voucher(message.parameters[VOUCHER_PARAMETER].encode()).voucher
        (x,) = (tensor.array for tensor in message.tensors)
        y = x + x
        receipt = Receipt(
            job=voucher.job,
            model=MODEL,
            program=program_root(DOUBLE),
            inputs=bundle_root([tensor_root(x)]),
            outputs=bundle_root([tensor_root(y)]),
            client=self.client,
            provider=self.owner.address,
            channel=voucher.channel,
            sequence=voucher.sequence,
            tier=Tier.OPTIMISTIC,
            numerics=1,
            time=host.now(),
        )
        return y, receipt

    def respond(
        self, y: Any, receipt: Receipt, *, signer: Account | None = None, name: str = "y"
    ) -> web.Response:
        signed = sign_receipt(receipt, self.staking, signer or self.hot_key)
        return self.envelope(y, signed, name=name)

    def envelope(self, y: Any, signed: SignedReceipt, *, name: str = "y") -> web.Response:
        parameters = {RECEIPT_PARAMETER: signed.to_json().decode()}
        message = Message(tensors=[Tensor(name, DType.F32, y)], parameters=parameters)
        body, headers = encode_response(message)
        return web.Response(body=body, headers=headers)

    def lie(self, **changes: Any) -> None:
        """A receipt with these fields changed, properly signed; the job id fits them."""

        async def handler(request: web.Request) -> web.Response:
            y, receipt = self.honest(self.bodies[-1], request.headers.get(HEADER_LENGTH))
            false = replace(receipt, **changes)
            if "job" not in changes:
                false = replace(false, job=false.expected_job)
            return self.respond(y, false)

        self.handler = handler

    def say(self, make: Callable[[Any, Receipt], web.StreamResponse]) -> None:
        """Answer with whatever `make` makes of the honest output and receipt."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return make(*self.honest(self.bodies[-1], request.headers.get(HEADER_LENGTH)))

        self.handler = handler

    def report(self, status: int, code: str, message: str) -> None:
        """A proper error of the provider."""

        async def handler(_: web.Request) -> web.Response:
            error = {"code": code, "message": message, "hint": "h"}
            text = json.dumps({"error": message, "aivm": error})
            return web.Response(status=status, text=text, content_type="application/json")

        self.handler = handler


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/v2/models/{model}/infer", fake.serve)
    async with TestServer(app) as server:
        fake.url = str(server.make_url("/")).rstrip("/")
        yield fake


@dataclass
class Desk:
    """A client with one open channel for ten runs."""

    caller: Caller
    ledger: Ledger
    channel: OpenChannel
    account: Account
    provider: FakeProvider

    def order(self, first: float = 1.0) -> Order:
        return Order(
            model=MODEL,
            program=DOUBLE,
            program_root=program_root(DOUBLE),
            input_names=("x",),
            output_names=("y",),
            inputs=(np.array([first, 2], np.float32),),
            endpoint=self.provider.url,
            provider=self.provider.owner.address,
            hot_key=self.provider.hot_key.address,
            price=PRICE,
        )

    async def call(self, first: float = 1.0) -> Any:
        return await self.caller.call(self.order(first), self.channel)

    @property
    def owed(self) -> int:
        return self.ledger.get(self.channel.channel).owed


@pytest_asyncio.fixture
async def desk(provider: FakeProvider, tmp_path: Path) -> AsyncIterator[Desk]:
    account = Account(b"\x03" * 32)
    provider.client = account.address
    escrow = "0x" + "e5" * 20
    ledger = Ledger(tmp_path / "ledger.db")
    channel = OpenChannel(
        channel=b"c" * 32,
        chain_id=31337,
        escrow=escrow,
        client=account.address,
        provider=provider.owner.address,
        model=MODEL,
        deposit=10 * PRICE,
        expiry=host.now() + 86_400,
    )
    ledger.add(channel)
    async with aiohttp.ClientSession() as session:
        caller = Caller(
            session=session,
            signer=account,
            ledger=ledger,
            vouchers=Domain(31337, escrow),
            receipts=provider.staking,
            timeout_seconds=1.0,
        )
        yield Desk(caller, ledger, channel, account, provider)
    ledger.close()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses."""
    sleep = asyncio.sleep

    async def brief(_: float) -> None:
        await sleep(0)

    monkeypatch.setattr("aivm.market.call.asyncio.sleep", brief)
