"""CARs: what is written is read back, and every change to one is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from aivm.commitments import unixfs, varint
from aivm.commitments.cid import Cid, Codec
from aivm.errors import AivmError, MalformedBlock
from aivm.storage.car import header, read_car, section, write_car
from aivm.storage.dag import walk

CHUNKS = [b"one", b"two", b"one", b"three"]


def some_dag() -> tuple[Cid, dict[Cid, bytes]]:
    """A directory with a file of four chunks, two of them equal, at three levels."""
    leaves = [unixfs.leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in CHUNKS]
    entry, nodes = unixfs.build_file(leaves, max_links=2)
    root, block = unixfs.build_directory({"file": entry, "one": leaves[0]})
    blocks = {Cid.of(Codec.RAW, chunk): chunk for chunk in CHUNKS}
    return root.cid, blocks | nodes | {root.cid: block}


ROOT, BLOCKS = some_dag()
CAR = b"".join(write_car(ROOT, walk(ROOT, BLOCKS.__getitem__)))


def read(data: bytes) -> dict[Cid, bytes]:
    return dict(read_car(io.BytesIO(data), ROOT))


def test_round_trip() -> None:
    assert read(CAR) == BLOCKS


def test_the_header_is_dag_cbor() -> None:
    body = header(ROOT)
    assert body[:1] == varint.encode(len(body) - 1)
    assert body[1:] == b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00" + ROOT.encode() + b"\x67version\x01"


def test_every_flipped_bit_is_refused() -> None:
    for position in range(len(CAR)):
        for bit in range(8):
            changed = bytearray(CAR)
            changed[position] ^= 1 << bit
            with pytest.raises(AivmError):
                read(bytes(changed))


def test_every_truncation_is_refused() -> None:
    for length in range(len(CAR)):
        with pytest.raises(MalformedBlock):
            read(CAR[:length])


def sections() -> Iterator[bytes]:
    for cid, block in walk(ROOT, BLOCKS.__getitem__):
        yield section(cid, block)


def test_trailing_extra_and_swapped_blocks_are_refused() -> None:
    parts = list(sections())
    extra = section(Cid.of(Codec.RAW, b"extra"), b"extra")
    for changed in (
        CAR + b"\0",
        CAR + extra,
        header(ROOT) + extra + b"".join(parts),
        header(ROOT) + parts[1] + parts[0] + b"".join(parts[2:]),
        header(ROOT) + b"".join(parts[:-2] + parts[:-3:-1]),
    ):
        with pytest.raises(MalformedBlock):
            read(changed)


def test_another_root_is_refused() -> None:
    other = Cid.of(Codec.RAW, b"other")
    with pytest.raises(MalformedBlock, match="root"):
        list(read_car(io.BytesIO(CAR), other))
    with pytest.raises(MalformedBlock):
        read(header(other) + b"".join(sections()))


@pytest.mark.parametrize("length", [0, 35, (1 << 21) + 37, 1 << 62])
def test_sections_of_a_wrong_size_are_refused(length: int) -> None:
    with pytest.raises(MalformedBlock, match="section"):
        read(header(ROOT) + varint.encode(length) + bytes(100))
