"""Blocks over HTTP: the trustless gateway, raw blocks and CARs, which the client must verify.

    GET, HEAD /ipfs/{cid}?format=raw          one block
    GET, HEAD /ipfs/{cid}?format=car          a root and all under it (dag-scope=all, entity, block)
    PUT       /ipfs/{cid}                     store one block; only with the publisher's token

The `Accept` header may name the format instead; the query wins. This follows the IPFS trustless
gateway specification, without paths behind the CID and without byte ranges of entities.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import MAX_BLOCK_BYTES
from aivm.errors import AivmError, BadInput, NotAllowed, NotFound
from aivm.storage import car
from aivm.storage.blocks import BlockStore
from aivm.storage.dag import walk

RAW_MEDIA_TYPE = "application/vnd.ipld.raw"
CAR_CONTENT_TYPE = f"{car.MEDIA_TYPE}; version=1; order=dfs; dups=n"
PROBE = "bafkqaaa"
"""A CID that holds its own (empty) content; by answering it a gateway shows that it is one."""

_STORE = web.AppKey("store", BlockStore)
_TOKEN = web.AppKey("token", str)
_FORMATS = {RAW_MEDIA_TYPE: "raw", car.MEDIA_TYPE: "car"}
_SCOPES = ("all", "entity", "block")


def create_app(store: BlockStore, *, publish_token: str | None = None) -> web.Application:
    """An application to serve `store`, to be mounted or run as it is.

    PUT is refused unless a `publish_token` is given and the request bears it. Blocks are public:
    whoever knows a CID may read it.
    """
    app = web.Application(client_max_size=MAX_BLOCK_BYTES + 1, middlewares=[_errors_as_json])
    app[_STORE] = store
    app[_TOKEN] = publish_token or ""
    app.router.add_get("/ipfs/{cid}", _get)
    app.router.add_put("/ipfs/{cid}", _put)
    return app


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except AivmError as error:
        return web.json_response(error.as_json(), status=error.http_status)


async def _get(request: web.Request) -> web.StreamResponse:
    kind, text = _format(request), request.match_info["cid"]
    if text == PROBE and kind == "raw":
        return web.Response(headers=_headers(text, "bin", RAW_MEDIA_TYPE))
    cid = Cid.parse(text)
    etag = f'"{cid}.raw"' if kind == "raw" else f'W/"{cid}.{_scope(request)}.car"'
    if request.headers.get("If-None-Match") in (etag, "*"):
        return web.Response(status=304, headers={"Etag": etag})
    try:
        block = await asyncio.to_thread(request.app[_STORE].get, cid)
    except NotFound as missing:
        if "only-if-cached" in request.headers.get("Cache-Control", ""):
            return web.json_response(missing.as_json(), status=412)
        raise
    if kind == "raw":
        headers = _headers(text, "bin", RAW_MEDIA_TYPE) | {"Etag": etag}
        return web.Response(body=block, headers=headers)
    headers = _headers(text, "car", CAR_CONTENT_TYPE) | {"Etag": etag}
    return await _send_car(request, cid, headers)


async def _put(request: web.Request) -> web.Response:
    token = request.app[_TOKEN]
    if not token:
        raise NotAllowed("this gateway takes no blocks", hint="It was started without a token.")
    offered = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(offered, f"Bearer {token}".encode()):
        raise NotAllowed("the token to publish here is missing or wrong")
    cid = Cid.parse(request.match_info["cid"])
    await asyncio.to_thread(request.app[_STORE].put, cid, await request.read())
    return web.Response(status=201)


async def _send_car(request: web.Request, root: Cid, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    blocks = await asyncio.to_thread(_scoped, request.app[_STORE], root, _scope(request))
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(car.header(root))
    try:
        while found := await asyncio.to_thread(next, blocks, None):
            await response.write(car.section(*found))
    except AivmError:
        # A block is missing, and the status has been sent. The client sees a stream that breaks
        # off; it would have to prove completeness for itself in any case.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _scoped(store: BlockStore, root: Cid, scope: str) -> Iterator[tuple[Cid, bytes]]:
    whole = scope == "all" or (scope == "entity" and not _is_directory(store, root))
    return walk(root, store.get) if whole else iter([(root, store.get(root))])


def _is_directory(store: BlockStore, cid: Cid) -> bool:
    return cid.codec is Codec.DAG_PB and isinstance(unixfs.decode_node(store.get(cid)), dict)


def _format(request: web.Request) -> str:
    asked = request.query.get("format", "")
    if not asked:
        accepted = request.headers.get("Accept", "").split(",")
        kinds = (_FORMATS.get(entry.split(";")[0].strip()) for entry in accepted)
        asked = next(filter(None, kinds), "")
    if asked not in _FORMATS.values():
        raise BadInput(
            "no format that this gateway serves was asked for", hint="Add ?format=raw or car."
        )
    return asked


def _scope(request: web.Request) -> str:
    scope = request.query.get("dag-scope", "all")
    if scope not in _SCOPES or "entity-bytes" in request.query:
        raise BadInput(f"dag-scope must be one of {', '.join(_SCOPES)}; entity-bytes is not served")
    return scope


def _headers(text: str, suffix: str, media_type: str) -> dict[str, str]:
    return {
        "Content-Type": media_type,
        "Content-Disposition": f'attachment; filename="{text}.{suffix}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=29030400, immutable",
        "X-Ipfs-Path": f"/ipfs/{text}",
        "X-Ipfs-Roots": text,
    }
