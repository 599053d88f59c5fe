"""Content identifiers: CIDv1 over SHA-256, raw or dag-pb, written in base32.

That is all AIVM writes and all it reads. CIDv0, other hashes, other codecs, other bases, upper case
and padding are refused, so equal content has exactly one name.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from aivm.errors import MalformedAddress, TamperedContent

CID_BYTES = 36
_SHA2_256 = bytes([0x12, 32])
_VERSION = 1
_TEXT_LENGTH = 59  # "b" and 58 base32 digits


class Codec(IntEnum):
    """How a block is to be read."""

    RAW = 0x55
    DAG_PB = 0x70


@dataclass(frozen=True, slots=True)
class Cid:
    """The name of one block."""

    codec: Codec
    digest: bytes

    @classmethod
    def of(cls, codec: Codec, block: bytes | memoryview) -> Cid:
        """The CID of a block."""
        return cls(codec, sha256(block).digest())

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Reads the text form. Raises MalformedAddress."""
        if len(text) != _TEXT_LENGTH or not text.startswith("b") or not text.isascii():
            raise MalformedAddress(
                f"{text[:80]!a} is not a CID of version 1 in base32",
                hint="AIVM reads CIDs that begin with bafkrei or bafybei.",
            )
        try:
            cid = cls.decode(base64.b32decode(text[1:].upper() + "======"))
        except ValueError:
            raise MalformedAddress(f"{text!a} is not base32") from None
        if str(cid) != text:  # upper case, or set bits behind the last byte
            raise MalformedAddress(f"{text!a} is not the canonical spelling of its CID")
        return cid

    @classmethod
    def decode(cls, data: bytes) -> Cid:
        """Reads the 36-byte form. Raises MalformedAddress."""
        if len(data) != CID_BYTES or data[0] != _VERSION or data[2:4] != _SHA2_256:
            raise MalformedAddress(f"{data[:40].hex()} is not a CID of version 1 with SHA-256")
        if data[1] not in (Codec.RAW, Codec.DAG_PB):
            raise MalformedAddress(f"codec {data[1]:#04x} of a CID is neither raw nor dag-pb")
        return cls(Codec(data[1]), data[4:])

    def encode(self) -> bytes:
        """The 36-byte form."""
        return bytes([_VERSION, self.codec]) + _SHA2_256 + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.encode()).decode().rstrip("=").lower()

    def verify(self, block: bytes | memoryview) -> None:
        """Raises TamperedContent unless `block` is the content that this CID names."""
        if sha256(block).digest() != self.digest:
            raise TamperedContent(f"block does not hash to {self}")
