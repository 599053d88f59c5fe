"""CIDs have one spelling; every other is refused."""

from __future__ import annotations

import base64

import pytest

from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedAddress, TamperedContent

TEXT = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
BINARY = bytes([1, 0x55, 0x12, 32]) + bytes(range(32))


def multibase(data: bytes) -> str:
    return "b" + base64.b32encode(data).decode().rstrip("=").lower()


def test_round_trip() -> None:
    cid = Cid.of(Codec.RAW, b"hello world")
    assert str(cid) == TEXT and Cid.parse(TEXT) == cid and Cid.decode(cid.encode()) == cid
    node = Cid(Codec.DAG_PB, cid.digest)
    assert str(node).startswith("bafybei") and Cid.parse(str(node)) == node


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "bafkqaaa",  # identity hash
        TEXT.upper(),
        TEXT[:1] + TEXT[1:].upper(),
        "B" + TEXT[1:],
        TEXT + "=",
        TEXT + "a",
        TEXT[:-1],
        TEXT[:-1] + "f",  # set bits behind the last byte
        TEXT[:-1] + "1",  # no base32 digit
        TEXT[:-1] + "é",
        " " + TEXT[1:],
        "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",  # version 0
        "z" + TEXT[1:],
        multibase(bytes([2]) + BINARY[1:]),
        multibase(bytes([1, 0x71]) + BINARY[2:]),  # dag-cbor
        multibase(bytes([1, 0x55, 0x11]) + BINARY[3:]),  # sha1
        multibase(bytes([1, 0x55, 0x12, 31]) + BINARY[4:]),
        multibase(bytes([0x81, 0x00]) + BINARY[1:-1]),  # over-long version
    ],
)
def test_other_spellings_and_kinds_are_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        Cid.parse(text)


@pytest.mark.parametrize("data", [b"", BINARY[:-1], BINARY + b"\0", bytes(36)])
def test_other_binary_forms_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedAddress):
        Cid.decode(data)


def test_verify_compares_content() -> None:
    cid = Cid.parse(TEXT)
    cid.verify(b"hello world")
    with pytest.raises(TamperedContent):
        cid.verify(b"hello worle")
