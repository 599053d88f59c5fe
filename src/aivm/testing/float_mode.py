"""Sets the floating-point mode of the calling thread, as careless libraries do. x86-64 only."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

FLUSH_TO_ZERO = 0x8000
SUBNORMALS_ARE_ZERO = 0x0040
ROUND_DOWN = 0x2000
ROUND_UP = 0x4000
ROUND_TO_ZERO = 0x6000
DEFAULT = 0x1F80

_LDMXCSR = bytes.fromhex("0fae17c3")  # ldmxcsr [rdi]; ret
_STMXCSR = bytes.fromhex("0fae1fc3")  # stmxcsr [rdi]; ret
_ROOM = 16

_code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_code.write(_LDMXCSR.ljust(_ROOM, b"\x90") + _STMXCSR)
_address = ctypes.addressof(ctypes.c_char.from_buffer(_code))
_Call = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint32))
_load, _store = _Call(_address), _Call(_address + _ROOM)


def mxcsr() -> int:
    """The control bits of the calling thread, without the sticky exception flags."""
    value = ctypes.c_uint32()
    _store(ctypes.byref(value))
    return value.value & ~0x3F


@contextmanager
def float_mode(bits: int) -> Iterator[None]:
    """The default mode with `bits` added, until the end of the block."""
    _load(ctypes.byref(ctypes.c_uint32(DEFAULT | bits)))
    try:
        yield
    finally:
        _load(ctypes.byref(ctypes.c_uint32(DEFAULT)))
