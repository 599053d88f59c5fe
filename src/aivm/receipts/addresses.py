"""EVM addresses, held everywhere as EIP-55 checksummed text."""

from __future__ import annotations

import re
from functools import lru_cache

from eth_hash.auto import keccak

from aivm.errors import MalformedAddress

ZERO_ADDRESS = "0x" + "0" * 40
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def checked_address(text: str) -> str:
    """The address in EIP-55 spelling.

    All lower or all upper case digits are taken as they are; mixed case must be the right checksum.
    Raises MalformedAddress.
    """
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise MalformedAddress(f"{text!a} is not an EVM address (0x and 40 hexadecimal digits)")
    checksummed = _checksummed(text.lower())
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != checksummed:
        raise MalformedAddress(
            f"address {text} has a wrong checksum", hint="A digit or letter case was mistyped."
        )
    return checksummed


@lru_cache(maxsize=4096)
def _checksummed(lower: str) -> str:
    """EIP-55: a letter is upper case where the same nibble of the text's keccak256 is 8 or more."""
    nibbles = keccak(lower[2:].encode()).hex()
    pairs = zip(lower[2:], nibbles, strict=False)
    return "0x" + "".join(digit.upper() if nibble >= "8" else digit for digit, nibble in pairs)
