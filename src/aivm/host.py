"""The only door to the clock and to randomness.

Pure rooms never import this module; the others take time and randomness from here and from nowhere
else, so that a simulation can stand behind the door.
"""

from __future__ import annotations

import secrets
import time


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


def monotonic() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's secure generator."""
    return secrets.token_bytes(count)
