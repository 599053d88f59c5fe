"""SHA-256 and the data tree against hashlib, at every size where something changes."""

from __future__ import annotations

import hashlib

import numpy as np

LEAF = 256


def tree_root(data: bytes) -> bytes:
    """The definition, as RFC 6962 words it."""
    leaves = [data[i : i + LEAF] for i in range(0, len(data), LEAF)] or [b""]
    return _root([hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves])


def _root(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(hashes[:split]) + _root(hashes[split:])).digest()


class Hasher:
    def __init__(self, guest: object, size: int) -> None:
        self.guest = guest
        self.data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
        self.at = guest.place(self.data)  # type: ignore[attr-defined]
        self.out = np.zeros(32, np.uint8)
        self.out_at = guest.place(self.out)  # type: ignore[attr-defined]

    def __call__(self, name: str, size: int) -> bytes:
        self.guest.call(name, self.at, size, self.out_at)  # type: ignore[attr-defined]
        return self.guest.read(self.out_at, self.out).tobytes()  # type: ignore[attr-defined]


def test_messages_of_every_length_up_to_four_blocks_and_around_more(guest: object) -> None:
    digest = Hasher(guest, 5000)
    for size in [*range(257), *(64 * k + d for k in range(5, 78) for d in (-9, -8, -1, 0, 1))]:
        expected = hashlib.sha256(digest.data[:size].tobytes()).digest()
        assert digest("aivm_sha256", size) == expected, size


def test_trees_of_every_shape_up_to_forty_leaves_and_around_more(guest: object) -> None:
    digest = Hasher(guest, 70_000)
    borders = {LEAF * k + d for k in [*range(1, 41), 63, 64, 65, 127, 128, 255, 256, 257, 273]
               for d in (-1, 0, 1)}  # fmt: skip
    for size in sorted(borders | {0, 1, 55, 56, 119, 120}):
        assert digest("aivm_tree_root", size) == tree_root(digest.data[:size].tobytes()), size
