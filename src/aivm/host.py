"""The only door to the clock, to randomness and to the fate of processes.

Pure rooms never import this module; the others take time and randomness from here and from nowhere
else, so that a simulation can stand behind the door.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


def monotonic() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's secure generator."""
    return secrets.token_bytes(count)


def die_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: on Linux, what makes the kernel end a child when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    # Looked up here, because the child may only make simple calls between fork and exec.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before prctl
            os._exit(1)

    return ask_the_kernel


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
