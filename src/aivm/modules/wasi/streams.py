"""The open files of an app: standard input, output and error, and no others."""

from __future__ import annotations

from aivm.errors import TooLarge

MAX_STREAM_BYTES = 16 << 20


class Input:
    """Standard input: bytes that can be read, and read again from any place."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def read(self, size: int) -> bytes:
        piece = self.data[self.position : self.position + size]
        self.position += len(piece)
        return piece


class Output:
    """Standard output or error. Raises TooLarge over MAX_STREAM_BYTES."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, piece: bytes) -> None:
        if len(self.data) + len(piece) > MAX_STREAM_BYTES:
            raise TooLarge(f"the app wrote more than {MAX_STREAM_BYTES} bytes")
        self.data += piece
