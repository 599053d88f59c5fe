"""Arweave's deep hash: a digest of nested lists of byte strings, which is what is signed.

Source: ANS-104, section 2.1; the same algorithm signs transactions of format 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha384

Node = bytes | Sequence["Node"]
"""A byte string, or a list of nodes."""


def deep_hash(node: Node) -> bytes:
    """48 bytes; every part is hashed with its length, so no two structures are hashed alike."""
    if isinstance(node, bytes):
        return _hash(_hash(b"blob%d" % len(node)) + _hash(node))
    digest = _hash(b"list%d" % len(node))
    for child in node:
        digest = _hash(digest + deep_hash(child))
    return digest


def _hash(data: bytes) -> bytes:
    return sha384(data).digest()
