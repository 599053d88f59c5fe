"""Tags: names and values beside the data. In a data item they are an Avro array of two strings."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.errors import MalformedBlock

Tags = Sequence[tuple[bytes, bytes]]

MAX_TAGS = 128
MAX_NAME = 1024  # bytes
MAX_VALUE = 3072  # bytes


def encode_tags(tags: Tags) -> bytes:
    """Avro: one block of all tags, and the end; without tags nothing. Raises MalformedBlock."""
    check_tags(tags)
    if not tags:
        return b""
    body = b"".join(_string(name) + _string(value) for name, value in tags)
    return _long(len(tags)) + body + _long(0)


def decode_tags(data: bytes, count: int) -> tuple[tuple[bytes, bytes], ...]:
    """The tags; raises MalformedBlock unless `data` is what `encode_tags` gives for them.

    Avro allows other encodings of the same array (several blocks, sizes of blocks); nobody writes
    them, and what is signed is these bytes.
    """
    if not data:
        tags: tuple[tuple[bytes, bytes], ...] = ()
    else:
        reader = _Reader(data)
        number = reader.long()
        if not 0 < number <= MAX_TAGS:
            raise MalformedBlock(f"{number} tags are not 1 to {MAX_TAGS}")
        tags = tuple((reader.string(), reader.string()) for _ in range(number))
    if len(tags) != count or encode_tags(tags) != data:
        raise MalformedBlock("the tags are not as many as said, or not encoded as usual")
    return tags


def check_tags(tags: Tags) -> None:
    """Raises MalformedBlock for too many tags, and for empty or long names and values."""
    if len(tags) > MAX_TAGS:
        raise MalformedBlock(f"{len(tags)} tags are more than {MAX_TAGS}")
    for name, value in tags:
        if not 0 < len(name) <= MAX_NAME or not 0 < len(value) <= MAX_VALUE:
            raise MalformedBlock(
                f"tag {name[:40]!a}: a name has 1 to {MAX_NAME} bytes, a value 1 to {MAX_VALUE}"
            )


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def long(self) -> int:
        number = shift = 0
        while True:
            if self._at >= len(self._data) or shift > 63:
                raise MalformedBlock("the tags end early, or hold a number that is too long")
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)

    def string(self) -> bytes:
        length = self.long()
        if not 0 <= length <= len(self._data) - self._at:
            raise MalformedBlock("a tag is longer than all tags")
        self._at += length
        return self._data[self._at - length : self._at]


def _string(text: bytes) -> bytes:
    return _long(len(text)) + text


def _long(number: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    rest, encoded = number << 1, bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])
