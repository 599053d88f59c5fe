from __future__ import annotations

from hashlib import sha256

import pytest

from aivm.modules.wasi.randomness import RandomBytes

SEED = b"\x05" * 32


def test_the_stream_is_as_documented() -> None:
    stream = b"".join(sha256(SEED + i.to_bytes(8, "little")).digest() for i in range(4))
    assert RandomBytes(SEED).take(100) == stream[:100]


@pytest.mark.parametrize("sizes", [(0, 1, 31, 32, 33), (97,), (1,) * 97, (64, 0, 33)])
def test_how_it_is_taken_does_not_matter(sizes: tuple[int, ...]) -> None:
    pieces = RandomBytes(SEED)
    assert b"".join(map(pieces.take, sizes)) == RandomBytes(SEED).take(97)


def test_a_seed_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RandomBytes(b"")
