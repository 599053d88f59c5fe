"""Signatures over 32-byte digests: 65 bytes r || s || v, v 27 or 28, s in the lower half.

The low half of s and the two values of v leave one valid signature per key and digest that nobody
else can turn into a second one.
"""

from __future__ import annotations

from typing import Protocol

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from aivm.errors import BadSignature
from aivm.receipts.addresses import checked_address

SIGNATURE_BYTES = 65
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Signer(Protocol):
    """Holds a key; knows its EVM address."""

    @property
    def address(self) -> str: ...

    def sign_digest(self, digest: bytes) -> bytes:
        """A 65-byte signature over exactly these 32 bytes."""
        ...


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Deterministic (RFC 6979) signature by `key`; secp256k1 always gives the low s."""
    compact = key.sign_recoverable(digest, hasher=None)
    return compact[:64] + bytes([27 + compact[64]])


def address_of(key: PublicKey) -> str:
    """The EVM address of a public key."""
    return checked_address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())


def recover_address(digest: bytes, signature: bytes) -> str:
    """The address whose key made `signature` over `digest`. Raises BadSignature."""
    return address_of(_recover(digest, signature))


def recover_public_key(digest: bytes, signature: bytes) -> bytes:
    """The key that made `signature`: 65 bytes, uncompressed. Raises BadSignature."""
    return _recover(digest, signature).format(compressed=False)


def _recover(digest: bytes, signature: bytes) -> PublicKey:
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(f"a signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if signature[64] not in (27, 28):
        raise BadSignature(f"signature has v = {signature[64]}, not 27 or 28")
    if not (0 < r < _ORDER and 0 < s <= _ORDER // 2):
        raise BadSignature("signature has r or s outside its range (s must be in the lower half)")
    try:
        compact = signature[:64] + bytes([signature[64] - 27])
        return PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as problem:  # coincurve raises bare Exception: no point has this r
        raise BadSignature("no key can have made this signature") from problem
