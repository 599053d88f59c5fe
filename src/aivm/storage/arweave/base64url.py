"""Base64url without padding: how Arweave writes every byte string in JSON."""

from __future__ import annotations

import base64
import binascii
import re

from aivm.errors import MalformedBlock

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
ID_LENGTH = 43  # characters of 32 bytes


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: object, what: str) -> bytes:
    """The bytes; raises MalformedBlock unless `text` is exactly what `encode` gives for them."""
    if isinstance(text, str) and _ALPHABET.fullmatch(text):
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            pass
        else:
            if encode(data) == text:
                return data
    raise MalformedBlock(f"{what} is not base64url: {str(text)[:60]!a}")


def decode_id(text: object, what: str) -> bytes:
    """A 32-byte identifier; raises MalformedBlock."""
    data = decode(text, what)
    if len(data) != 32:
        raise MalformedBlock(f"{what} has {len(data)} bytes, not 32")
    return data
