"""CARv1: many blocks in one stream.

    header    varint length, then DAG-CBOR {"roots": [root], "version": 1}
    section   varint length, then the CID's 36 bytes and the block; repeated

`read_car` trusts nothing of it but the root it is told: it demands the blocks under that root in
depth-first order, each once, each hashed, and nothing before, between or behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from aivm.commitments import varint
from aivm.commitments.cid import CID_BYTES, Cid
from aivm.commitments.unixfs import MAX_BLOCK_BYTES
from aivm.errors import MalformedAddress, MalformedBlock
from aivm.storage.dag import walk

MEDIA_TYPE = "application/vnd.ipld.car"
# {"roots": [42(h'00...')], "version": 1} around the bytes of the one root
_HEADER_START = b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00"
_HEADER_END = b"\x67version\x01"
_MAX_VARINT_BYTES = 9


def header(root: Cid) -> bytes:
    """The start of a CAR with one root."""
    body = _HEADER_START + root.encode() + _HEADER_END
    return varint.encode(len(body)) + body


def section(cid: Cid, block: bytes) -> bytes:
    """One block of a CAR."""
    return varint.encode(CID_BYTES + len(block)) + cid.encode() + block


def write_car(root: Cid, blocks: Iterable[tuple[Cid, bytes]]) -> Iterator[bytes]:
    """A CAR in pieces; `blocks` must come as `walk(root, ...)` gives them."""
    yield header(root)
    for cid, block in blocks:
        yield section(cid, block)


def read_car(stream: BinaryIO, root: Cid) -> Iterator[tuple[Cid, bytes]]:
    """The blocks under `root`, verified as they come; memory does not grow with the blocks' sizes.

    Raises TamperedContent for a block that is not what its place demands, MalformedBlock for a
    stream that is cut off, goes on, or is no CAR of this root.
    """
    if stream.read(len(header(root))) != header(root):
        raise MalformedBlock(f"this is no CAR with root {root}")

    def next_block(wanted: Cid) -> bytes:
        cid, block = _read_section(stream)
        if cid != wanted:
            raise MalformedBlock(f"the CAR has block {cid} where {wanted} belongs")
        cid.verify(block)
        return block

    yield from walk(root, next_block)
    if stream.read(1):
        raise MalformedBlock("the CAR goes on behind its last block")


def _read_section(stream: BinaryIO) -> tuple[Cid, bytes]:
    length = _read_varint(stream)
    if not CID_BYTES <= length <= CID_BYTES + MAX_BLOCK_BYTES:
        raise MalformedBlock(f"a CAR section of {length} bytes is too short or too long")
    data = stream.read(length)
    if len(data) != length:
        raise MalformedBlock("the CAR is cut off inside a block")
    try:
        return Cid.decode(data[:CID_BYTES]), data[CID_BYTES:]
    except MalformedAddress as problem:
        raise MalformedBlock(f"the CAR has {problem.message}") from None


def _read_varint(stream: BinaryIO) -> int:
    data = bytearray()
    while len(data) < _MAX_VARINT_BYTES:
        byte = stream.read(1)
        if not byte:
            raise MalformedBlock("the CAR is cut off")
        data += byte
        if byte[0] < 0x80:
            break
    return varint.decode(bytes(data), 0)[0]
