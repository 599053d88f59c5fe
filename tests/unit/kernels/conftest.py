"""The shipped kernels behind one small interface, native or in the sandbox: arrays in and out."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pytest
import wasmtime

from aivm import kernels
from aivm.errors import EngineUnavailable

Array = np.ndarray
PAGE = 1 << 16  # of wasm
PROT_NONE = 0  # of mprotect(2)


class Guest(Protocol):
    """Calls an exported function; arrays are passed by address, and read back where written to."""

    word: np.dtype

    def place(self, array: Array) -> int: ...
    def call(self, name: str, *arguments: int) -> int: ...
    def read(self, address: int, like: Array) -> Array: ...


def _guarded(size: int) -> np.ndarray:
    """Zeroed bytes that end where an unreadable page begins: one step beyond them is a crash."""
    pages = -(-size // mmap.PAGESIZE)
    mapping = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    whole = np.frombuffer(mapping, np.uint8)
    guard = ctypes.c_void_p(whole.ctypes.data + pages * mmap.PAGESIZE)
    assert ctypes.CDLL(None).mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), PROT_NONE) == 0
    end = pages * mmap.PAGESIZE
    return whole[end - size : end]


class NativeGuest:
    word = np.dtype("<i8")

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.kept: dict[int, Array] = {}

    def place(self, array: Array) -> int:
        room = _guarded(array.nbytes)
        room[:] = np.ascontiguousarray(array).view(np.uint8).ravel()
        self.kept[room.ctypes.data] = room
        return room.ctypes.data

    def call(self, name: str, *arguments: int) -> int:
        function = getattr(self.library, name)
        if function.argtypes is not None:
            return int(function(*arguments) or 0)
        return int(function(*(ctypes.c_ssize_t(argument) for argument in arguments)))

    def read(self, address: int, like: Array) -> Array:
        return self.kept[address].view(like.dtype).reshape(like.shape)


Compiled = tuple[wasmtime.Engine, wasmtime.Module]


def _compile(opt_level: str) -> Compiled:
    config = wasmtime.Config()
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = True
    config.cranelift_opt_level = opt_level
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, str(kernels.wasm_path()))


@pytest.fixture(scope="session")
def compiled() -> dict[str, Compiled]:
    return {f"wasm-{level}": _compile(level) for level in ("none", "speed")}


class WasmGuest:
    word = np.dtype("<i4")

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module) -> None:
        self.store = wasmtime.Store(engine)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]
        self.free = self.exports["__heap_base"].value(self.store)

    def place(self, array: Array) -> int:
        address = -(-self.free // 64) * 64
        self.free = address + array.nbytes
        missing = self.free - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, -(-missing // PAGE))
        self.memory.write(self.store, np.ascontiguousarray(array).tobytes(), address)
        return address

    def call(self, name: str, *arguments: int) -> int:
        return int(self.exports[name](self.store, *arguments) or 0)

    def read(self, address: int, like: Array) -> Array:
        data = self.memory.read(self.store, address, address + like.nbytes)
        return np.frombuffer(bytes(data), like.dtype).reshape(like.shape)


def _native_targets() -> list[str]:
    """The builds that this CPU can run."""
    try:
        return list(kernels.native_targets())
    except EngineUnavailable:
        return []


@pytest.fixture(params=_native_targets())
def native_library(request: pytest.FixtureRequest) -> ctypes.CDLL:
    return kernels.library(request.param)


@pytest.fixture
def native_guest(native_library: ctypes.CDLL) -> NativeGuest:
    return NativeGuest(native_library)


@pytest.fixture(params=[*_native_targets(), "wasm-none", "wasm-speed"])
def guest(request: pytest.FixtureRequest, compiled: dict[str, Compiled]) -> Guest:
    if request.param in compiled:
        return WasmGuest(*compiled[request.param])
    return NativeGuest(kernels.library(request.param))


@dataclass(frozen=True)
class Windows:
    """A as the kernel reads windows: where the places of `image` and the taps of a window are."""

    image: Array
    row: int
    width: int
    line: int
    offsets: Array


class Product:
    """C = A x B by the kernel: operands as any strided views of their base arrays."""

    def __init__(
        self, guest: Guest, a: Array, b: Array, packed: bool, windows: Windows | None
    ) -> None:
        self.guest, self.shape = guest, (a.shape[0], b.shape[1])
        depth = a.shape[1]
        self.c = np.full((a.shape[0] + 1, b.shape[1] + 3), np.float32(7.5))  # with a border
        self.c_at = guest.place(self.c)
        a_at, b_at = self._place(a if windows is None else windows.image), self._place(b)
        panel = guest.call("aivm_panel_columns")
        room = np.zeros(max(-(-b.shape[1] // panel) * panel * depth, 16), np.float32)
        packed_at = guest.place(room) if packed else 0
        a_strides = self._strides(a) if windows is None else (windows.row, 0)
        fields: Sequence[int] = (a_at, *a_strides, packed_at, b_at, *self._strides(b))
        fields = (*fields, self.c_at, self.c.shape[1], depth, b.shape[1])
        if windows is None:
            fields = (*fields, 0, 0, 0)  # all rows in one line, no table of columns
        else:
            fields = (*fields, windows.width, windows.line, guest.place(windows.offsets))
        self.at = guest.place(np.array(fields, guest.word))
        scratch_bytes = guest.call("aivm_matmul_scratch_bytes")
        self.scratch_at = guest.place(np.full(scratch_bytes // 4, np.float32(np.nan)))
        if packed:
            guest.call("aivm_gemm_pack", packed_at, self.at)

    def _place(self, view: Array) -> int:
        """The address of the view's first element; its base array is copied whole."""
        base = view
        while isinstance(base.base, np.ndarray):
            base = base.base
        offset = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return self.guest.place(base) + offset

    @staticmethod
    def _strides(view: Array) -> tuple[int, int]:
        return view.strides[0] // 4, view.strides[1] // 4

    def run(self, rows: range | None = None, columns: range | None = None) -> None:
        rows = rows if rows is not None else range(self.shape[0])
        columns = columns if columns is not None else range(self.shape[1])
        bounds = (rows.start, rows.stop, columns.start, columns.stop)
        self.guest.call("aivm_gemm", self.at, *bounds, self.scratch_at)

    def result(self) -> Array:
        """C; asserts that nothing around it was written."""
        whole = self.guest.read(self.c_at, self.c).copy()
        rows, columns = self.shape
        assert (whole[rows:] == 7.5).all()
        assert (whole[:, columns:] == 7.5).all()
        return whole[:rows, :columns]


@pytest.fixture
def product(guest: Guest) -> object:
    def build(a: Array, b: Array, *, packed: bool, windows: Windows | None = None) -> Product:
        return Product(guest, a, b, packed, windows)

    return build
