"""The gateway speaks OpenAI's embeddings format; purchases are fakes here, real in tests/e2e."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from aivm.chain.account import Account
from aivm.chain.registry import ModelInfo, ModelStatus
from aivm.errors import ChainUnreachable, NotFound, ProviderUnreachable, TooLarge
from aivm.gateway.app import MAX_INPUTS, RECEIPT_HEADER, make_app
from aivm.gateway.receipts import ReceiptStore
from aivm.receipts import Domain, Receipt, Tier, job_id, parse_receipt, sign_receipt

STAKING = Domain(31337, "0x" + "57" * 20)
HOT_KEY = Account(b"\x02" * 32)
MODEL = b"m" * 32


def a_receipt(sequence: int) -> Any:
    fields = b"c" * 32, sequence, MODEL, b"p" * 32, b"i" * 32
    receipt = Receipt(
        job=job_id(*fields),
        model=MODEL,
        program=b"p" * 32,
        inputs=b"i" * 32,
        outputs=b"o" * 32,
        client=HOT_KEY.address,
        provider=HOT_KEY.address,
        channel=b"c" * 32,
        sequence=sequence,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=1,
    )
    return sign_receipt(receipt, STAKING, HOT_KEY)


class FakeBuyer:
    """Sells the length of a text as its embedding; notes what was bought."""

    def __init__(self) -> None:
        self.bought: list[str] = []
        self.vector: Any = None
        self.info = ModelInfo(
            model=MODEL,
            name="demo/text",
            version="1.0.0",
            publisher=HOT_KEY.address,
            programs=b"r" * 32,
            royalty_bps=0,
            status=ModelStatus.ACTIVE,
            registered_at=1_700_000_000,
            uri="ipfs://x",
        )
        self.models = self
        self.chain = SimpleNamespace(block=self.block, registry=SimpleNamespace(models=self.infos))

    async def block(self) -> Any:
        return SimpleNamespace(number=7)

    async def infos(self) -> list[ModelInfo]:
        return [self.info]

    async def resolve(self, reference: str) -> tuple[bytes, ModelInfo]:
        if reference != "demo/text":
            raise NotFound(f"no model {reference!r} is registered on this network")
        return MODEL, self.info

    async def package(self, reference: str) -> str:
        await self.resolve(reference)
        return reference

    async def infer(self, model: str, inputs: dict[str, Any]) -> Any:
        text = inputs["text"]
        if text == "unlucky":
            raise ProviderUnreachable("nobody answers")
        if text == "defect":
            raise RuntimeError("secret")
        self.bought.append(text)
        vector = np.array([[len(text), 0.1]], np.float32) if self.vector is None else self.vector
        return SimpleNamespace(
            model=model, outputs={"embedding": vector}, receipt=a_receipt(len(self.bought))
        )


def encode(_: object, text: str) -> dict[str, Any]:
    if len(text) > 1000:
        raise TooLarge("the text has too many tokens", hint="Split the text.")
    return {"text": text, "attention_mask": np.ones((1, len(text.split())), np.int64)}


@pytest.fixture
def buyer(monkeypatch: pytest.MonkeyPatch) -> FakeBuyer:
    monkeypatch.setattr("aivm.gateway.app.encode_text", encode)
    return FakeBuyer()


@pytest_asyncio.fixture
async def http(buyer: Any, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    app = make_app(buyer, ReceiptStore(tmp_path / "receipts"))
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(base_url=server.make_url("/")) as session,
    ):
        yield session


async def embed(http: aiohttp.ClientSession, **body: Any) -> tuple[int, Any, list[str]]:
    body = {"model": "demo/text", **body}
    async with http.post("/v1/embeddings", json=body) as response:
        lines = response.headers.getall(RECEIPT_HEADER, [])
        jobs = [job for line in lines for job in line.split(",")]
        return response.status, await response.json(), jobs


async def test_one_text(http: aiohttp.ClientSession) -> None:
    status, answer, jobs = await embed(http, input="two words")
    assert status == 200
    assert answer == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [9.0, float(np.float32(0.1))]}],
        "model": "demo/text",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    assert len(jobs) == 1


async def test_many_texts_keep_their_order_and_each_has_a_receipt(
    http: aiohttp.ClientSession,
) -> None:
    texts = ["x" * (number + 1) for number in range(MAX_INPUTS)]
    status, answer, jobs = await embed(http, input=texts)
    assert status == 200
    assert [entry["index"] for entry in answer["data"]] == list(range(MAX_INPUTS))
    assert [entry["embedding"][0] for entry in answer["data"]] == [len(text) for text in texts]
    assert len(set(jobs)) == MAX_INPUTS
    for job in (jobs[0], jobs[-1]):
        async with http.get(f"/v1/receipts/{job}") as response:
            assert response.status == 200
            assert parse_receipt(await response.read()).receipt.job.hex() == job


async def test_base64_carries_the_exact_bits(http: aiohttp.ClientSession) -> None:
    status, answer, _ = await embed(http, input=["abc"], encoding_format="base64", user="me")
    assert status == 200
    raw = base64.b64decode(answer["data"][0]["embedding"])
    assert raw == np.array([3, 0.1], "<f4").tobytes()


async def test_a_result_that_json_cannot_carry(http: aiohttp.ClientSession, buyer: Any) -> None:
    buyer.vector = np.array([[np.nan, 1]], np.float32)
    status, answer, _ = await embed(http, input="x")
    assert (status, answer["error"]["code"]) == (400, "AIVM-E0100")
    status, answer, _ = await embed(http, input="x", encoding_format="base64")
    assert status == 200


async def test_a_model_that_gives_no_floats_is_refused(
    http: aiohttp.ClientSession, buyer: Any
) -> None:
    buyer.vector = np.array([[1, 2]], np.int64)
    status, answer, _ = await embed(http, input="x", encoding_format="base64")
    assert (status, answer["error"]["code"]) == (400, "AIVM-E0102")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": []},
        {"input": [1, 2]},
        {"input": [[1, 2]]},
        {"input": None},
        {"input": ["x"] * (MAX_INPUTS + 1)},
        {"input": "x", "encoding_format": "hex"},
        {"input": "x", "dimensions": 10},
        {"input": "x", "model": None},
        {"input": "x", "model": 7},
    ],
)
async def test_what_cannot_be_done_is_refused_as_openais_clients_expect(
    http: aiohttp.ClientSession, buyer: Any, body: dict[str, Any]
) -> None:
    status, answer, _ = await embed(http, **body)
    assert status == 400
    error = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "AIVM-E0100")
    assert buyer.bought == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 5000, b"\xff"])
async def test_malformed_json_is_http_400(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/v1/embeddings", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_an_oversized_body_is_http_413(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/embeddings", data=io.BytesIO(bytes(2 << 20))) as response:
        assert response.status == 413
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_is_http_404(http: aiohttp.ClientSession) -> None:
    status, answer, _ = await embed(http, input="x", model="demo/other")
    assert (status, answer["error"]["code"]) == (404, "AIVM-E0301")
    for path in ("/v1/models/demo/other", "/v1/receipts/" + "0" * 64, "/v1/nothing"):
        async with http.get(path) as response:
            assert response.status == 404, path
            assert (await response.json())["error"]["code"] == "AIVM-E0301"


async def test_a_text_that_is_too_long_costs_nothing(
    http: aiohttp.ClientSession, buyer: Any
) -> None:
    status, answer, _ = await embed(http, input=["a", "b", "x" * 2000])
    assert (status, answer["error"]["code"]) == (413, "AIVM-E0105")
    assert "Split the text." in answer["error"]["message"]
    assert buyer.bought == []


async def test_when_one_purchase_fails_the_receipts_of_the_others_are_kept(
    http: aiohttp.ClientSession, buyer: Any, tmp_path: Path
) -> None:
    status, answer, _ = await embed(http, input=["a", "unlucky", "b"])
    assert (status, answer["error"]["type"]) == (503, "server_error")
    assert sorted(buyer.bought) == ["a", "b"]
    assert len(list((tmp_path / "receipts").glob("*.json"))) == 2


async def test_a_defect_tells_nothing_of_the_inside(http: aiohttp.ClientSession) -> None:
    status, answer, _ = await embed(http, input="defect")
    assert (status, answer["error"]["type"]) == (500, "server_error")
    assert "secret" not in json.dumps(answer)


async def test_models_and_health(
    http: aiohttp.ClientSession, buyer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http.get("/v1/models") as response:
        listed = await response.json()
    assert [model["id"] for model in listed["data"]] == ["demo/text"]
    async with http.get("/v1/models/demo/text") as response:
        assert await response.json() == listed["data"][0]
    assert listed["data"][0]["object"] == "model"
    async with http.get("/healthz") as response:
        assert await response.json() == {"ok": True, "block": 7}

    async def away() -> Any:
        raise ChainUnreachable("no answer")

    monkeypatch.setattr(buyer.chain, "block", away)
    async with http.get("/healthz") as response:
        assert response.status == 503
