"""The gateway's HTTP face: OpenAI-compatible embeddings, paid from the gateway's own account.

Every answer names its receipts in `X-AIVM-Receipts`; `/v1/receipts/{job}` returns one, which
anybody can check with `aivm verify`. What a model cannot do is refused.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiohttp import web

from aivm.chain.registry import ModelInfo, ModelStatus
from aivm.config import Config
from aivm.errors import AivmError, BadInput, InternalError, NotFound, UnsupportedModel
from aivm.gateway.receipts import ReceiptStore
from aivm.market.buyer import Buyer, Inference
from aivm.market.text import encode_text

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
BUYER = web.AppKey("buyer", Buyer)
RECEIPTS = web.AppKey("receipts", ReceiptStore)
MAX_BODY_BYTES = 1 << 20
MAX_INPUTS = 256
CONCURRENT_CALLS = 4
RECEIPT_HEADER = "X-AIVM-Receipts"
JOBS_A_LINE = 100  # the header is repeated: many clients refuse a line over 8 KiB


def make_app(buyer: Buyer, receipts: ReceiptStore) -> web.Application:
    """The routes of a gateway that buys through `buyer`."""
    app = web.Application(middlewares=[_errors_as_json], client_max_size=MAX_BODY_BYTES)
    app[BUYER] = buyer
    app[RECEIPTS] = receipts
    app.add_routes(
        [
            web.get("/healthz", _healthz),
            web.get("/v1/models", _models),
            web.get("/v1/models/{model:.+}", _model),
            web.post("/v1/embeddings", _embeddings),
            web.get("/v1/receipts/{job:[0-9a-f]{64}}", _receipt),
        ]
    )
    return app


@asynccontextmanager
async def run_gateway(config: Config, port: int = 0) -> AsyncIterator[str]:
    """A gateway on loopback with the configured account; yields its URL."""
    receipts = ReceiptStore(config.state_dir / "gateway" / "receipts")
    async with Buyer.connect(config) as buyer:
        runner = web.AppRunner(make_app(buyer, receipts), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every failure as the envelope that OpenAI's clients turn into their exceptions."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPException as error:
        return _failure(error.status, error.reason, "invalid_request_error", "AIVM-E0301")
    except AivmError as error:
        kind = "invalid_request_error" if error.http_status < 500 else "server_error"
        message = f"{error.message} {error.hint}".strip()
        return _failure(error.http_status, message, kind, error.code)
    except Exception:  # nothing about the inside leaves the house
        log.exception("a request failed")
        return _failure(500, "internal error", "server_error", InternalError.code)


def _failure(status: int, message: str, kind: str, code: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


async def _healthz(request: web.Request) -> web.Response:
    block = await request.app[BUYER].chain.block()
    return web.json_response({"ok": True, "block": block.number})


async def _models(request: web.Request) -> web.Response:
    infos = await request.app[BUYER].chain.registry.models()
    listed = [_described(info) for info in infos if info.status is ModelStatus.ACTIVE]
    return web.json_response({"object": "list", "data": listed})


async def _model(request: web.Request) -> web.Response:
    _, info = await request.app[BUYER].models.resolve(request.match_info["model"])
    return web.json_response(_described(info))


def _described(info: ModelInfo) -> dict[str, Any]:
    return {
        "id": info.name,
        "object": "model",
        "created": info.registered_at,
        "owned_by": info.publisher,
        "aivm": {"model": info.model.hex(), "version": info.version, "uri": info.uri},
    }


async def _embeddings(request: web.Request) -> web.Response:
    """One paid inference a text; the texts of a request may go to different providers."""
    body = await _json_object(request)
    model, texts, as_base64 = _embedding_request(body)
    buyer = request.app[BUYER]
    package = await buyer.models.package(model)
    gate = asyncio.Semaphore(CONCURRENT_CALLS)

    async def one(inputs: dict[str, Array]) -> Inference:
        async with gate:
            found = await buyer.infer(model, inputs)
        request.app[RECEIPTS].add(found.receipt)
        return found

    # All texts before the first purchase: one that does not fit costs nothing.
    encoded = [encode_text(package, text) for text in texts]
    tokens = sum(int(inputs["attention_mask"].sum()) for inputs in encoded)
    # All purchases to their end, so that none goes on unseen when one of them fails.
    outcomes = await asyncio.gather(*map(one, encoded), return_exceptions=True)
    answers = [_bought(outcome) for outcome in outcomes]
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(found, as_base64)}
        for index, found in enumerate(answers)
    ]
    document = {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    jobs = [found.receipt.receipt.job.hex() for found in answers]
    response = web.json_response(document)
    for start in range(0, len(jobs), JOBS_A_LINE):
        response.headers.add(RECEIPT_HEADER, ",".join(jobs[start : start + JOBS_A_LINE]))
    return response


def _bought(outcome: Inference | BaseException) -> Inference:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise BadInput("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadInput("the body is not a JSON object")
    return body


def _embedding_request(body: dict[str, Any]) -> tuple[str, list[str], bool]:
    model, given = body.get("model"), body.get("input")
    if not isinstance(model, str):
        raise BadInput("'model' must be a string")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise BadInput("'input' must be a text or a list of texts")
    if len(texts) > MAX_INPUTS:
        raise BadInput(f"{len(texts)} inputs; the limit is {MAX_INPUTS}")
    if body.get("dimensions") is not None:
        raise BadInput("'dimensions' is not supported: an embedding is what the model computes")
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise BadInput("'encoding_format' must be 'float' or 'base64'")
    return model, texts, form == "base64"


def _vector(found: Inference, as_base64: bool) -> Any:
    """The embedding's exact bits: as base64 little-endian binary32, or as JSON numbers."""
    if len(found.outputs) != 1:
        raise UnsupportedModel(f"{found.model} has {len(found.outputs)} outputs, not one embedding")
    (output,) = found.outputs.values()
    if output.dtype != np.float32:
        raise UnsupportedModel(f"the output of {found.model} is {output.dtype}, not float32")
    vector = np.ascontiguousarray(output.reshape(-1), "<f4")
    if as_base64:
        return base64.b64encode(vector.tobytes()).decode()
    if not np.isfinite(vector).all():
        raise BadInput(
            "the embedding holds NaN or infinity, which JSON cannot carry",
            hint="Ask for encoding_format base64.",
        )
    return vector.tolist()


async def _receipt(request: web.Request) -> web.Response:
    receipt = request.app[RECEIPTS].get(request.match_info["job"])
    if receipt is None:
        raise NotFound("this gateway has no receipt of that job")
    return web.Response(body=receipt, content_type="application/json")
