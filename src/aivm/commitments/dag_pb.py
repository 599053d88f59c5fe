"""dag-pb: IPLD's protobuf node, a list of named links and some bytes.

The canonical form writes the links (field 2) before the data (field 1), and inside a link hash,
name, size in that order, the name present even when empty. The decoder refuses all other forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aivm.commitments import varint
from aivm.commitments.cid import Cid
from aivm.errors import MalformedAddress, MalformedBlock

_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class Link:
    """One child: its CID, its name (empty in files), the serialized size of everything under it."""

    cid: Cid
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Node:
    """One dag-pb block."""

    links: tuple[Link, ...]
    data: bytes


def encode(node: Node) -> bytes:
    """The canonical bytes."""
    links = b"".join(bytes_field(2, _encode_link(link)) for link in node.links)
    return links + bytes_field(1, node.data)


def decode(block: bytes) -> Node:
    """Reads a block. Raises MalformedBlock for anything but the canonical bytes of a node."""
    links: list[Link] = []
    data = b""
    for number, value in fields(block):
        if number == 2 and isinstance(value, bytes):
            links.append(_decode_link(value))
        elif number == 1 and isinstance(value, bytes):
            data = value
        else:
            raise MalformedBlock(f"a dag-pb node has an unknown field {number}")
    node = Node(tuple(links), data)
    if encode(node) != block:
        raise MalformedBlock("a dag-pb node is not in its canonical form")
    return node


def bytes_field(number: int, value: bytes) -> bytes:
    """A protobuf field with bytes in it."""
    return bytes([number << 3 | _BYTES]) + varint.encode(len(value)) + value


def varint_field(number: int, value: int) -> bytes:
    """A protobuf field with an integer in it."""
    return bytes([number << 3 | _VARINT]) + varint.encode(value)


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message that has integers and bytes only."""
    position = 0
    while position < len(message):
        tag, position = varint.decode(message, position)
        number, kind = tag >> 3, tag & 7
        value, position = varint.decode(message, position)
        if kind == _VARINT:
            yield number, value
        elif kind == _BYTES and value <= len(message) - position:
            yield number, message[position : position + value]
            position += value
        else:
            raise MalformedBlock("a protobuf field is cut off or of an unknown kind")


def _encode_link(link: Link) -> bytes:
    return (
        bytes_field(1, link.cid.encode())
        + bytes_field(2, link.name.encode())
        + varint_field(3, link.size)
    )


def _decode_link(message: bytes) -> Link:
    found = list(fields(message))
    if [number for number, _ in found] != [1, 2, 3]:
        raise MalformedBlock("a dag-pb link does not have exactly hash, name and size")
    (_, hash_), (_, name), (_, size) = found
    if not isinstance(hash_, bytes) or not isinstance(name, bytes) or not isinstance(size, int):
        raise MalformedBlock("a dag-pb link has a field of the wrong kind")
    try:
        return Link(Cid.decode(hash_), name.decode(), size)
    except (MalformedAddress, UnicodeDecodeError) as problem:
        raise MalformedBlock(f"a dag-pb link is malformed: {problem}") from None
