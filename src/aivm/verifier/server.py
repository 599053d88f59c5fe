"""The verifier's two HTTP faces: one for everybody, one for its operator on loopback.

    POST /v1/receipts          a receipt with its inputs (`submission.py`): 202 taken, 200 known
    GET  /v1/receipts/{job}    what is publicly known of a job's receipts
    GET  /healthz

    GET  /v1/status, /metrics, /healthz          the operator's

Whether a receipt was drawn is nobody's business: a provider that could find out would know which of
its receipts are safe. To everybody else, `passed`, `due`, `suspect` and `false` are all `seen`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from aivm.errors import AivmError, DeadlineExceeded, InternalError, NotFound, Unavailable
from aivm.market.openinference import HEADER_LENGTH
from aivm.verifier.book import Book, Entry
from aivm.verifier.gate import Gate, source_of
from aivm.verifier.intake import Intake
from aivm.verifier.metrics import Accounts, prometheus
from aivm.verifier.states import State
from aivm.verifier.submission import MAX_BYTES, decode_submission

log = logging.getLogger(__name__)
READ_SECONDS = 60.0
RETRY_SECONDS = 10
_JOB = "{job:[0-9a-f]{64}}"
_PUBLIC = {
    State.HOLDS: "holds",
    State.DISPUTED: "disputed",
    State.CONVICTED: "convicted",
    State.ACQUITTED: "acquitted",
    State.VOIDED: "convicted",
}


@dataclass(frozen=True)
class Face:
    """What the public face needs. Behind a proxy of the operator's own, the sender's address is the
    last one in X-Forwarded-For."""

    intake: Intake
    book: Book
    gate: Gate
    behind_proxy: bool = False


FACE = web.AppKey("face", Face)
ACCOUNTS = web.AppKey("accounts", Accounts)


def make_public_app(face: Face) -> web.Application:
    """The face for clients, providers and other verifiers."""
    app = web.Application(middlewares=[_errors_as_json], client_max_size=MAX_BYTES)
    app[FACE] = face
    app.add_routes(
        [
            web.post("/v1/receipts", _submit),
            web.get(f"/v1/receipts/{_JOB}", _receipt),
            web.get("/healthz", _alive),
        ]
    )
    return app


def make_operator_app(accounts: Accounts) -> web.Application:
    """The operator's face; never to be listened to from outside."""
    app = web.Application(middlewares=[_errors_as_json])
    app[ACCOUNTS] = accounts
    app.add_routes(
        [
            web.get("/v1/status", _status),
            web.get("/metrics", _metrics),
            web.get("/healthz", _alive),
        ]
    )
    return app


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every failure leaves as {"error": envelope}."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPRequestEntityTooLarge:
        return _failure(413, "AIVM-E0105", f"the body is larger than {MAX_BYTES} bytes")
    except web.HTTPException as error:
        return _failure(error.status, NotFound.code, error.reason)
    except AivmError as error:
        headers = {"Retry-After": str(RETRY_SECONDS)} if isinstance(error, Unavailable) else None
        return web.json_response(
            {"error": error.as_json()}, status=error.http_status, headers=headers
        )
    except Exception:  # nothing about the inside leaves the house
        log.exception("a request failed")
        return _failure(500, InternalError.code, "internal error")


def _failure(status: int, code: str, message: str) -> web.Response:
    return web.json_response(
        {"error": {"code": code, "message": message, "hint": ""}}, status=status
    )


async def _submit(request: web.Request) -> web.Response:
    face = request.app[FACE]
    source = source_of(_sender(request, face))
    async with face.gate.entered(source):
        try:
            async with asyncio.timeout(READ_SECONDS):
                body = await request.read()
        except TimeoutError:
            raise DeadlineExceeded("the body did not arrive in time") from None
        try:
            submission = decode_submission(body, request.headers.get(HEADER_LENGTH), source)
            entry, is_new = await face.intake.take(submission)
        except AivmError as error:
            if not isinstance(error, Unavailable):
                face.gate.refuse(source)
            raise
    return web.json_response(described(entry), status=202 if is_new else 200)


def _sender(request: web.Request, face: Face) -> str | None:
    if not face.behind_proxy:
        return request.remote
    return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()


async def _receipt(request: web.Request) -> web.Response:
    job = request.match_info["job"]
    entries = request.app[FACE].book.of_job(bytes.fromhex(job))
    if not entries:
        raise NotFound("this verifier has no receipt of that job")
    return web.json_response({"job": job, "receipts": [described(entry) for entry in entries]})


def described(entry: Entry) -> dict[str, Any]:
    """What everybody may know of an entry."""
    return {
        "job": entry.job.hex(),
        "receipt": entry.receipt.hex(),
        "provider": entry.provider,
        "state": _PUBLIC.get(entry.state, "seen"),
        "game": entry.game.hex() or None,
        "disputable_until": entry.deadline,
    }


async def _alive(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _status(request: web.Request) -> web.Response:
    return web.json_response(await request.app[ACCOUNTS].status())


async def _metrics(request: web.Request) -> web.Response:
    status = await request.app[ACCOUNTS].status()
    return web.Response(text=prometheus(status), content_type="text/plain")
