"""The random bytes of an app: SHA-256(seed || counter u64 little-endian), block after block."""

from __future__ import annotations

from hashlib import sha256

SEED_BYTES = 32


class RandomBytes:
    """A stream that the seed (32 bytes, the job's id) determines."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._seed = seed
        self._counter = 0
        self._rest = b""

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        blocks = [self._rest]
        missing = count - len(self._rest)
        for _ in range(-(-missing // 32) if missing > 0 else 0):
            blocks.append(sha256(self._seed + self._counter.to_bytes(8, "little")).digest())
            self._counter += 1
        stream = b"".join(blocks)
        self._rest = stream[count:]
        return stream[:count]
