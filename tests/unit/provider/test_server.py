"""The provider's HTTP face, spoken to by a plain HTTP client and by Triton's own."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import tritonclient.http as triton
from aiohttp.test_utils import TestServer
from tests.unit.sessions.conftest import recurrent_model
from tritonclient.utils import InferenceServerException

from aivm.errors import InternalError
from aivm.market.openinference import (
    HEADER_LENGTH,
    RECEIPT_PARAMETER,
    VOUCHER_PARAMETER,
    Message,
    Tensor,
    decode_response,
    encode_request,
)
from aivm.numerics.dtypes import DType
from aivm.packages import open_package
from aivm.provider.server import make_app
from aivm.receipts import Expectation, parse_receipt, verify_receipt
from aivm.sessions import SessionPlan, pack_session

LIMIT = 1 << 16


@pytest_asyncio.fixture
async def bench(world: Any, run_agent: Any) -> AsyncIterator[Any]:
    async with run_agent(world.terms(max_request_bytes=LIMIT)) as running:
        yield running


@pytest_asyncio.fixture
async def server(bench: Any) -> AsyncIterator[TestServer]:
    async with TestServer(make_app(bench.agent)) as running:
        yield running


@pytest_asyncio.fixture
async def http(server: TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=server.make_url("/")) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, body: bytes, headers: dict[str, str], model: str = "demo/tiny"
) -> tuple[int, bytes, str | None]:
    async with http.post(f"/v2/models/{model}/infer", data=body, headers=headers) as response:
        return response.status, await response.read(), response.headers.get(HEADER_LENGTH)


async def send(
    http: aiohttp.ClientSession, message: Message, model: str = "demo/tiny"
) -> tuple[int, Any]:
    """Status, and the decoded answer or error document."""
    status, body, length = await post(http, *encode_request(message), model=model)
    if status != 200:
        return status, json.loads(body)
    return status, decode_response(body, length, max_bytes=LIMIT)


async def test_health_and_metadata(http: aiohttp.ClientSession, world: Any) -> None:
    model = world.package.model_id.hex()
    good = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/demo/tiny/ready"]
    for path in [*good, f"/v2/models/{model}", "/v2/models/demo/tiny"]:
        async with http.get(path) as response:
            assert response.status == 200, path
    async with http.get("/v2/models/demo/tiny") as response:
        found = await response.json()
    assert found == {
        "name": "demo/tiny",
        "versions": ["1.0.0"],
        "platform": "aivm",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "index", "datatype": "INT64", "shape": [1]},
        ],
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "row", "datatype": "FP32", "shape": [1, 3]},
        ],
    }


async def test_a_model_with_state_is_described_by_its_step(
    http: aiohttp.ClientSession, bench: Any, world: Any, tmp_path: Path
) -> None:
    about: Any = {"name": "demo/state", "version": "1.0.0", "license": "MIT", "created": 0}
    model = recurrent_model("GRU", ("*", "*_next"))
    plan, signer = SessionPlan(blocks=(3,)), world.owner
    pack_session(model, plan, out_dir=tmp_path / "state", signer=signer, **about)
    bench.agent.catalog.install(open_package(tmp_path / "state"))
    async with http.get("/v2/models/demo/state") as response:
        found = await response.json()
    assert found["inputs"] == [
        {"name": "tokens", "datatype": "INT64", "shape": [1, -1]},
        {"name": "h", "datatype": "FP32", "shape": [1, 1, 8]},
    ]
    assert [port["name"] for port in found["outputs"]] == ["logits", "h_next"]


async def test_terms_say_what_everything_costs(http: aiohttp.ClientSession, world: Any) -> None:
    async with http.get("/aivm/v1/provider") as response:
        terms = await response.json()
    assert (terms["provider"], terms["hot_key"]) == (world.owner.address, world.hot_key.address)
    (model,) = terms["models"]
    assert model["model"] == world.package.model_id.hex()
    roots = [entry.program.hex() for entry in world.package.manifest.entries]
    assert [program["program"] for program in model["programs"]] == roots
    assert {program["price"] for program in model["programs"]} == {str(world.price)}


@pytest.mark.parametrize("batch", [1, 2])
async def test_a_paid_request_gets_its_outputs_and_a_receipt_that_proves_them(
    http: aiohttp.ClientSession, world: Any, batch: int
) -> None:
    channel, given = world.open(), world.inputs(batch=batch)
    status, answer = await send(http, world.request(given, channel, 1, id="seven"))
    assert (status, answer.id, answer.model) == (200, "seven", "demo/tiny")
    arrays = {tensor.name: tensor.array for tensor in answer.tensors}
    for name, array in world.expected(given).items():
        assert arrays[name].tobytes() == array.tobytes()
    entry = world.package.manifest.entries[batch - 1]
    verdict = verify_receipt(
        parse_receipt(answer.parameters[RECEIPT_PARAMETER].encode()),
        Expectation(
            domain=world.staking,
            hot_key=world.hot_key.address,
            model=world.package.model_id,
            program=world.package.program(entry.name),
            inputs=[given["x"], given["index"]],
            outputs=[arrays["y"], arrays["row"]],
        ),
    )
    assert verdict.ok, verdict.checks
    receipt = parse_receipt(answer.parameters[RECEIPT_PARAMETER].encode()).receipt
    assert receipt.job == world.job(given, channel, 1)
    assert (receipt.client, receipt.provider) == (world.client.address, world.owner.address)


async def test_json_in_json_out(http: aiohttp.ClientSession, world: Any) -> None:
    channel, given = world.open(), world.inputs()
    message = world.request(given, channel, 1)
    body = {
        "inputs": [
            {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": given["x"].tolist()},
            {"name": "index", "shape": [1], "datatype": "INT64", "data": [1]},
        ],
        "outputs": [{"name": "y"}],
        "parameters": dict(message.parameters),
    }
    async with http.post("/v2/models/demo/tiny/infer", json=body) as response:
        assert response.status == 200
        found = await response.json()
    (y,) = found["outputs"]
    assert (y["name"], y["datatype"], y["shape"]) == ("y", "FP32", [1, 3])
    exact = np.array(y["data"], np.float32)
    assert exact.tobytes() == world.expected(given)["y"].tobytes()
    assert parse_receipt(found["parameters"][RECEIPT_PARAMETER].encode())


async def test_the_same_request_again_gets_the_same_answer_and_is_paid_once(
    http: aiohttp.ClientSession, world: Any, bench: Any
) -> None:
    channel = world.open()
    body, headers = encode_request(world.request(world.inputs(), channel, 1))
    answers = await asyncio.gather(*(post(http, body, headers) for _ in range(5)))
    answers.append(await post(http, body, headers))
    assert {status for status, _, _ in answers} == {200}
    assert len({content for _, content, _ in answers}) == 1
    account = bench.journal.account(channel)
    assert account.owed == account.earned == world.price
    assert bench.journal.counts() == {"done": 1}


async def test_concurrent_jobs_of_one_channel_may_arrive_in_any_order(
    http: aiohttp.ClientSession, world: Any, bench: Any
) -> None:
    channel = world.open()
    order = [4, 2, 6, 1, 5, 3]

    async def one(sequence: int) -> bytes:
        status, answer = await send(http, world.request(world.inputs(sequence), channel, sequence))
        assert status == 200, answer
        found = {tensor.name: tensor.array for tensor in answer.tensors}
        return found["y"].tobytes()

    got = await asyncio.gather(*map(one, order))
    assert got == [world.expected(world.inputs(sequence))["y"].tobytes() for sequence in order]
    assert bench.journal.account(channel).earned == 6 * world.price
    assert bench.journal.redeemable(channel).amount == 6 * world.price


async def test_unknown_models_outputs_and_paths(
    http: aiohttp.ClientSession, world: Any, bench: Any
) -> None:
    message = world.request(world.inputs(), world.open(), 1)
    status, error = await send(http, message, model="demo/other")
    assert (status, error["aivm"]["code"]) == (404, "AIVM-E0301")
    assert "demo/other" in error["error"]
    status, error = await send(http, replace(message, outputs=["z"]))
    assert (status, error["aivm"]["code"]) == (400, "AIVM-E0104")
    for path in ("/v2/models/demo/other", "/v2/models/demo/other/ready", "/nothing"):
        async with http.get(path) as response:
            assert response.status == 404, path
            assert (await response.json())["error"]
    async with http.get("/v2/models/demo/tiny/infer") as response:
        assert response.status in (404, 405)
    assert bench.journal.counts() == {}


@pytest.mark.parametrize(
    "tensors",
    [
        [("x", DType.F32, (1, 5))],
        [("x", DType.F32, (1, 4))],
        [("x", DType.F32, (3, 5)), ("index", DType.I64, (1,))],
        [("x", DType.F32, (3, 4)), ("index", DType.I64, (2,))],
        [("x", DType.I32, (1, 4)), ("index", DType.I64, (1,))],
        [("x", DType.F32, (1, 4)), ("index", DType.I32, (1,))],
        [("x", DType.F32, (1, 4)), ("index", DType.I64, (1,)), ("z", DType.F32, (1,))],
        [],
    ],
)
async def test_wrong_tensors_are_refused_with_what_would_fit(
    http: aiohttp.ClientSession, world: Any, bench: Any, tensors: list[Any]
) -> None:
    kinds = {DType.F32: np.float32, DType.I64: np.int64, DType.I32: np.int32}
    message = replace(
        world.request(world.inputs(), world.open(), 1),
        tensors=[Tensor(name, kind, np.zeros(shape, kinds[kind])) for name, kind, shape in tensors],
    )
    status, error = await send(http, message)
    assert (status, error["aivm"]["code"]) == (400, "AIVM-E0104")
    assert "x: F32[1, 4]" in error["aivm"]["hint"]
    assert bench.journal.counts() == {}


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 402, "AIVM-E0302"),
        ({VOUCHER_PARAMETER: 7}, 400, "AIVM-E0107"),
        ({VOUCHER_PARAMETER: "{}"}, 400, "AIVM-E0107"),
        ({VOUCHER_PARAMETER: "x" * 20_000}, 400, "AIVM-E0105"),
    ],
)
async def test_requests_without_a_voucher_are_refused(
    http: aiohttp.ClientSession,
    world: Any,
    parameters: dict[str, Any],
    status: int,
    code: str,
) -> None:
    message = replace(world.request(world.inputs(), world.open(), 1), parameters=parameters)
    got, error = await send(http, message)
    assert error["aivm"]["code"] == code
    assert got == (413 if code == "AIVM-E0105" else status)


async def test_refused_vouchers_are_http_402(http: aiohttp.ClientSession, world: Any) -> None:
    channel = world.open()
    status, error = await send(http, world.request(world.inputs(), channel, 1, 1))
    assert (status, error["aivm"]["code"]) == (402, "AIVM-E0302")
    assert "at least 1000" in error["error"]
    # The voucher of one request does not pay for other inputs.
    good = world.request(world.inputs(1), channel, 1)
    stolen = replace(world.request(world.inputs(2), channel, 1), parameters=good.parameters)
    status, error = await send(http, stolen)
    assert (status, error["aivm"]["code"]) == (402, "AIVM-E0302")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"inputs": 1}', b'{"inputs": [1]}', b"\xff\xfe", b"[" * 5000],
)
async def test_malformed_json_is_http_400(http: aiohttp.ClientSession, body: bytes) -> None:
    status, content, _ = await post(http, body, {"Content-Type": "application/json"})
    assert status == 400
    assert json.loads(content)["aivm"]["code"].startswith("AIVM-E01")


@pytest.mark.parametrize("length", ["-1", "abc", "999999", "1e3", "٣"])
async def test_a_wrong_header_length_is_http_400(
    http: aiohttp.ClientSession, world: Any, length: str
) -> None:
    body, headers = encode_request(world.request(world.inputs(), world.open(), 1))
    status, _, _ = await post(http, body, {**headers, HEADER_LENGTH: length})
    assert status == 400


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_oversized_body_is_http_413(http: aiohttp.ClientSession, chunked: bool) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield bytes(LIMIT // 16)

    body: Any = stream() if chunked else bytes(2 * LIMIT)
    async with http.post("/v2/models/demo/tiny/infer", data=body) as response:
        assert response.status == 413
        assert (await response.json())["aivm"]["code"] == "AIVM-E0105"


async def test_nan_and_infinity_give_defined_outputs(
    http: aiohttp.ClientSession, world: Any, bench: Any
) -> None:
    channel = world.open()
    odd_nan = struct.unpack("<f", struct.pack("<I", 0xFFC12345))[0]
    given = {
        "x": np.array([[odd_nan, 1, np.inf, -np.inf]], np.float32),
        "index": np.array([0], np.int64),
    }
    message = world.request(given, channel, 1)
    status, answer = await send(http, message)
    assert status == 200
    (y,) = (tensor.array for tensor in answer.tensors if tensor.name == "y")
    # relu is a maximum, and NaN propagates through it as the one canonical NaN.
    assert y.view(np.uint32).tolist() == [[0x7FC00000] * 3]
    # The result cannot be said in JSON: the same paid job is told so, and stays deliverable.
    body, headers = encode_request(message)
    length = int(headers[HEADER_LENGTH])
    document = json.loads(body[:length])
    del document["parameters"]["binary_data_output"]
    text = json.dumps(document).encode()
    headers = {**headers, HEADER_LENGTH: str(len(text))}
    status, content, _ = await post(http, text + body[length:], headers)
    assert status == 400
    assert "binary" in json.loads(content)["aivm"]["hint"]
    assert bench.journal.account(channel).owed == world.price


async def test_a_job_that_fails_is_reported_and_not_charged(
    http: aiohttp.ClientSession, world: Any, bench: Any
) -> None:
    channel = world.open()
    message = world.request(world.inputs(index=99), channel, 1)
    status, error = await send(http, message)
    assert (status, error["aivm"]["code"]) == (400, "AIVM-E0110")
    assert bench.journal.account(channel).owed == 0
    status, error = await send(http, message)
    assert (status, error["aivm"]["code"]) == (402, "AIVM-E0302")
    # The next sequence with the same amount is paid for by the price that came back.
    status, _ = await send(http, world.request(world.inputs(), channel, 2, world.price))
    assert status == 200
    assert bench.journal.redeemable(channel).amount == world.price


async def test_a_defect_tells_nothing_of_the_inside_and_charges_nothing(
    http: aiohttp.ClientSession, world: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> list[bytes]:
        raise RuntimeError("secret path /home/x")

    channel = world.open()
    monkeypatch.setattr(bench.workers, "run", broken)
    status, error = await send(http, world.request(world.inputs(), channel, 1))
    assert (status, error["aivm"]["code"]) == (500, InternalError.code)
    assert "secret" not in json.dumps(error)
    assert bench.journal.account(channel).owed == 0


async def test_a_worker_that_gives_too_few_outputs_is_a_defect_and_charges_nothing(
    http: aiohttp.ClientSession, world: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short(*_: object) -> list[bytes]:
        return [bytes(12)]

    channel = world.open()
    monkeypatch.setattr(bench.workers, "run", short)
    status, _ = await send(http, world.request(world.inputs(), channel, 1))
    assert status == 500
    assert bench.journal.counts() == {"failed": 1}


# --- Triton's own client -------------------------------------------------------------------------


def triton_inputs(given: dict[str, Any], *, binary: bool) -> list[Any]:
    x = triton.InferInput("x", list(given["x"].shape), "FP32")
    x.set_data_from_numpy(given["x"], binary_data=binary)
    index = triton.InferInput("index", [1], "INT64")
    index.set_data_from_numpy(given["index"], binary_data=binary)
    return [x, index]


def as_triton_user(url: str, world: Any, binary: bool) -> None:
    """What a program written for Triton does; blocking, so it runs in a thread."""
    given, channel = world.inputs(), world.open()
    parameters = dict(world.request(given, channel, 1).parameters)
    with triton.InferenceServerClient(url) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("demo/tiny")
        assert client.is_model_ready("demo/tiny", "1.0.0")
        assert not client.is_model_ready("demo/tiny", "2.0.0")
        assert not client.is_model_ready("demo/other")
        assert client.get_server_metadata()["name"] == "aivm"
        assert client.get_model_metadata("demo/tiny", "1.0.0")["platform"] == "aivm"
        for version in ("", "1.0.0"):
            result = client.infer(
                "demo/tiny",
                triton_inputs(given, binary=binary),
                model_version=version,
                outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                request_id="42",
                parameters=parameters,
            )
            assert result.as_numpy("y").tobytes() == world.expected(given)["y"].tobytes()
            assert result.as_numpy("row") is None
            found = result.get_response()
            assert (found["id"], found["model_name"]) == ("42", "demo/tiny")
            receipt = parse_receipt(found["parameters"][RECEIPT_PARAMETER].encode()).receipt
            assert receipt.job == world.job(given, channel, 1)
        with pytest.raises(InferenceServerException, match="no voucher"):
            client.infer("demo/tiny", triton_inputs(given, binary=binary))
        with pytest.raises(InferenceServerException, match="does not serve"):
            client.infer("demo/other", triton_inputs(given, binary=binary))
        wrong = triton.InferInput("x", [1, 3], "FP32")
        wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
        with pytest.raises(InferenceServerException, match="no program of demo/tiny"):
            client.infer("demo/tiny", [wrong], parameters=parameters)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_tritons_client_works_unchanged(
    server: TestServer, world: Any, bench: Any, binary: bool
) -> None:
    url = f"{server.host}:{server.port}"
    await asyncio.to_thread(as_triton_user, url, world, binary)
    assert bench.journal.counts() == {"done": 1}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_tritons_client_may_compress_its_request(server: TestServer, world: Any) -> None:
    def use() -> None:
        given = world.inputs()
        parameters = dict(world.request(given, world.open(), 1).parameters)
        with triton.InferenceServerClient(f"{server.host}:{server.port}") as client:
            result = client.infer(
                "demo/tiny",
                triton_inputs(given, binary=True),
                parameters=parameters,
                request_compression_algorithm="gzip",
            )
            assert result.as_numpy("y").tobytes() == world.expected(given)["y"].tobytes()

    await asyncio.to_thread(use)


async def test_no_secret_is_logged(
    http: aiohttp.ClientSession, world: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("DEBUG")
    message = world.request(world.inputs(), world.open(), 1)
    assert (await send(http, message))[0] == 200
    signature = json.loads(message.parameters[VOUCHER_PARAMETER])["signature"]
    assert signature not in caplog.text
    assert signature.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("*.log"))
