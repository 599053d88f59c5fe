"""A host thread with a hostile floating-point mode changes nothing in the native kernels."""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="sets MXCSR by x86 code"
)

DEFAULT = 0x1F80
HOSTILE = {
    "flush results": 0x9F80,
    "flush operands": 0x1FC0,
    "round down": 0x3F80,
    "round up": 0x5F80,
    "truncate and flush": 0xFFC0,
}


class ControlRegister:
    """MXCSR of this thread, by eight bytes of machine code."""

    CODE = b"\x0f\xae\x17\xc3" + b"\x0f\xae\x1f\xc3"  # ldmxcsr [rdi]; ret; stmxcsr [rdi]; ret

    def __init__(self) -> None:
        self.page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.page.write(self.CODE)
        self.anchor = ctypes.c_char.from_buffer(self.page)
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self._load = function(ctypes.addressof(self.anchor))
        self._store = function(ctypes.addressof(self.anchor) + 4)

    def set(self, mode: int) -> None:
        self._load(ctypes.byref(ctypes.c_uint32(mode)))

    def get(self) -> int:
        mode = ctypes.c_uint32()
        self._store(ctypes.byref(mode))
        return mode.value


@pytest.fixture
def register() -> Iterator[ControlRegister]:
    register = ControlRegister()
    yield register
    register.set(DEFAULT)


@pytest.fixture
def guest(native_guest: object) -> object:
    """Only native code: in the sandbox the engine answers for the mode."""
    return native_guest


@pytest.mark.parametrize("mode", HOSTILE.values(), ids=HOSTILE)
def test_products_keep_their_bits(
    product: Callable[..., object], register: ControlRegister, mode: int
) -> None:
    rng = np.random.default_rng(8)
    a = np.ldexp(rng.standard_normal((9, 40)), -70).astype(np.float32)
    b = np.ldexp(rng.standard_normal((40, 35)), -68).astype(np.float32)
    p = product(a, b, packed=True)
    p.run()  # type: ignore[attr-defined]
    calm = p.result()  # type: ignore[attr-defined]
    register.set(mode)
    p.run()  # type: ignore[attr-defined]
    still_hostile = register.get()
    register.set(DEFAULT)
    assert still_hostile & 0xFFC0 == mode & 0xFFC0  # the caller's mode is the caller's again
    assert (p.result().view(np.uint32) == calm.view(np.uint32)).all()  # type: ignore[attr-defined]
