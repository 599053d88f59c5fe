"""Messages between a node and its own worker process, over pipes: a JSON header, then raw bytes.

u32 big-endian length of the header | header | blobs, whose sizes the header lists
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")


def pack(header: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """One frame; `header` must not use the key `sizes`."""
    text = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *blobs])


def read(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """The next frame of a blocking stream; EOFError when the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    header = json.loads(_exactly(stream, length))
    return header, [_exactly(stream, size) for size in header.pop("sizes")]


async def read_async(stream: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The same for an `asyncio.StreamReader`; raises asyncio.IncompleteReadError at its end."""
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    header = json.loads(await stream.readexactly(length))
    return header, [await stream.readexactly(size) for size in header.pop("sizes")]


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("the other side closed the pipe")
    return data
