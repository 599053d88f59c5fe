"""The provider's HTTP face: the Open Inference Protocol V2, and `/aivm/v1/provider` for its terms.

A model is addressed by its name ("owner/name") or by its model id in hexadecimal, so clients made
for Triton or KServe work unchanged; voucher and receipt travel as parameters.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from aiohttp import web

from aivm.errors import AivmError, InternalError, NotFound
from aivm.market.openinference import (
    DATATYPES,
    HEADER_LENGTH,
    decode_request,
    encode_response,
)
from aivm.provider.agent import Agent
from aivm.provider.catalog import ServedModel

log = logging.getLogger(__name__)
AGENT = web.AppKey("agent", Agent)
SERVER_NAME = "aivm"
EXTENSIONS = ["binary_tensor_data"]
# A name has a slash in it, so it ends where a version or the verb begins.
_MODEL = "/v2/models/{model:.+?}{version:(?:/versions/[^/]+)?}"


def make_app(agent: Agent) -> web.Application:
    """The routes of one agent."""
    app = web.Application(
        middlewares=[_errors_as_json], client_max_size=agent.terms.max_request_bytes
    )
    app[AGENT] = agent
    app.add_routes(
        [
            web.get("/v2", _server_metadata),
            web.get("/v2/health/live", _healthy),
            web.get("/v2/health/ready", _ready),
            web.get(f"{_MODEL}/ready", _model_ready),
            web.post(f"{_MODEL}/infer", _infer),
            web.get(_MODEL, _model_metadata),
            web.get("/aivm/v1/provider", _terms),
        ]
    )
    return app


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every failure leaves as {"error": sentence, "aivm": envelope}; V2 clients read the first."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPRequestEntityTooLarge:
        limit = request.app[AGENT].terms.max_request_bytes
        return _failure(413, f"the body is larger than {limit} bytes", code="AIVM-E0105")
    except web.HTTPException as error:
        return _failure(error.status, error.reason, code="AIVM-E0301")
    except AivmError as error:
        envelope = {"error": error.message, "aivm": error.as_json()}
        return web.json_response(envelope, status=error.http_status)
    except Exception:  # nothing about the inside leaves the house
        log.exception("a request failed")
        return _failure(500, "internal error", code=InternalError.code)


def _failure(status: int, message: str, *, code: str) -> web.Response:
    envelope = {"code": code, "message": message, "hint": ""}
    return web.json_response({"error": message, "aivm": envelope}, status=status)


async def _infer(request: web.Request) -> web.Response:
    agent = request.app[AGENT]
    body = await request.read()
    message = decode_request(
        body, request.headers.get(HEADER_LENGTH), max_bytes=agent.terms.max_request_bytes
    )
    answer = await agent.infer(_served(request), message)
    encoded, headers = encode_response(answer)
    return web.Response(body=encoded, headers=headers)


async def _server_metadata(_: web.Request) -> web.Response:
    return web.json_response({"name": SERVER_NAME, "version": "2", "extensions": EXTENSIONS})


async def _healthy(_: web.Request) -> web.Response:
    return web.Response()


async def _ready(request: web.Request) -> web.Response:
    if not request.app[AGENT].catalog.models:
        raise NotFound("no model is loaded")
    return web.Response()


async def _model_ready(request: web.Request) -> web.Response:
    _served(request)
    return web.Response()


async def _model_metadata(request: web.Request) -> web.Response:
    return web.json_response(_metadata(_served(request)))


def _served(request: web.Request) -> ServedModel:
    """The model that the path names. Raises NotFound."""
    version = request.match_info["version"].removeprefix("/versions/")
    return request.app[AGENT].catalog.find(request.match_info["model"], version)


def _metadata(served: ServedModel) -> dict[str, Any]:
    """V2 metadata; a dimension that differs between the model's programs is -1."""
    return {
        "name": served.name,
        "versions": [served.package.manifest.version],
        "platform": "aivm",
        "inputs": _ports(served, "input_names", "input_types"),
        "outputs": _ports(served, "output_names", "output_types"),
    }


def _ports(served: ServedModel, names: str, types: str) -> list[dict[str, Any]]:
    first = served.offers[0]
    # The programs of a session do not all take and give the same; the first is the model itself.
    alike = [o for o in served.offers if getattr(o, names) == getattr(first, names)]
    described = []
    for index, name in enumerate(getattr(first, names)):
        kinds = [getattr(offer, types)[index] for offer in alike]
        shapes = zip(*(kind.shape for kind in kinds), strict=True)
        described.append(
            {
                "name": name,
                "datatype": DATATYPES[kinds[0].dtype],
                "shape": [sizes[0] if len(set(sizes)) == 1 else -1 for sizes in shapes],
            }
        )
    return described


async def _terms(request: web.Request) -> web.Response:
    """What a client must know before it opens a channel."""
    agent = request.app[AGENT]
    document = {
        "provider": agent.identity.owner,
        "hot_key": agent.identity.hot_key.address,
        "chain_id": agent.identity.receipts.chain_id,
        "price_per_gas": str(agent.terms.price_per_gas),
        "minimum_price": str(agent.terms.minimum_price),
        "max_request_bytes": agent.terms.max_request_bytes,
        "expiry_margin_seconds": agent.terms.expiry_margin_seconds,
        "models": [_model_terms(agent, served) for served in agent.catalog.models.values()],
        "derived_programs": _derived_terms(agent),
    }
    return web.Response(text=json.dumps(document), content_type="application/json")


def _derived_terms(agent: Agent) -> dict[str, Any]:
    """At which price per gas programs run that packages do not list, up to how much gas."""
    models = agent.catalog.models.items()
    return {
        "models": [model.hex() for model, served in models if served.derives],
        "max_gas": str(agent.terms.max_derived_gas),
        "price_per_gas": str(agent.terms.price_per_gas),
        "minimum_price": str(agent.terms.minimum_price),
    }


def _model_terms(agent: Agent, served: ServedModel) -> dict[str, Any]:
    return {
        "model": served.package.model_id.hex(),
        "name": served.name,
        "version": served.package.manifest.version,
        "programs": [
            {
                "name": offer.name,
                "program": offer.root.hex(),
                "gas": offer.gas,
                "price": str(agent.terms.price(offer.gas)),
            }
            for offer in served.offers
        ],
    }
