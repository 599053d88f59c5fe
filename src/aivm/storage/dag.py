"""Walking what lies under a root, in depth-first order, each block once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aivm.commitments import unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.errors import MalformedBlock

MAX_BLOCKS = 1 << 24


def children_of(cid: Cid, block: bytes) -> list[Cid]:
    """The blocks that a block links to, in order. Raises MalformedBlock."""
    if cid.codec is Codec.RAW:
        return []
    node = unixfs.decode_node(block)
    if isinstance(node, dict):
        return [entry.cid for entry in node.values()]
    return list(node.children)


def walk(root: Cid, get: Callable[[Cid], bytes]) -> Iterator[tuple[Cid, bytes]]:
    """Every block under `root`, parents before children; `get` gives the block of a CID.

    A block that occurs twice is given once, where it is met first.
    """
    waiting, seen = [root], set[Cid]()
    while waiting:
        cid = waiting.pop()
        if cid in seen:
            continue
        seen.add(cid)
        block = get(cid)
        yield cid, block
        waiting.extend(reversed(children_of(cid, block)))
        if len(waiting) + len(seen) > MAX_BLOCKS:
            raise MalformedBlock(f"more than {MAX_BLOCKS} blocks lie under {root}")
