"""NVIDIA's own matrix products, by ctypes: the peers of P15."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PACKAGE = "nvidia-cublas"  # of the same major version as the installed nvidia-cuda-nvrtc
_WORKSPACE_BYTES = 32 << 20
# cublasOperation_t, cudaDataType, cublasComputeType_t, attributes of cublasLt
_PLAIN, _TRANSPOSED = 0, 1
_R_8I, _R_32I, _COMPUTE_32I = 3, 10, 72
_DESC_TRANSA, _PREFERENCE_WORKSPACE = 3, 1
_DEFAULT_MATH = 0  # cublasMath_t: f32 stays f32, TF32 would have to be asked for
_HEURISTIC_BYTES, _ALGORITHM_BYTES = 96, 64  # cublasLtMatmulHeuristicResult_t


def library(name: str) -> ctypes.CDLL:
    """libcublas or libcublasLt of the installed wheel, else the system's; installs the wheel."""
    for attempt in ("as it is", "after installing"):
        for path in (*_in_wheels(name), f"lib{name}.so.13", f"lib{name}.so.12"):
            try:
                return ctypes.CDLL(path)
            except OSError:
                continue
        if attempt == "as it is":
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", PACKAGE], check=True)
    raise SystemExit(f"lib{name} is not to be found: pip install {PACKAGE}")


def _in_wheels(name: str) -> list[str]:
    spec = importlib.util.find_spec("nvidia")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return [str(p) for folder in folders for p in Path(folder).glob(f"*/lib/lib{name}.so.*")]


def _checked(status: int) -> None:
    if status:
        raise SystemExit(f"cuBLAS gave status {status}")


def _address(number: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(number)


class Cublas:
    """f32 products on one stream."""

    def __init__(self, stream: ctypes.c_void_p) -> None:
        library("cublasLt")  # libcublas needs it, and does not find it by itself in a wheel
        self._library = library("cublas")
        self._handle = ctypes.c_void_p()
        _checked(self._library.cublasCreate_v2(ctypes.byref(self._handle)))
        _checked(self._library.cublasSetStream_v2(self._handle, stream))
        _checked(self._library.cublasSetMathMode(self._handle, _DEFAULT_MATH))

    def product(self, m: int, n: int, k: int, a: int, b: int, c: int) -> Callable[[], None]:
        """Queues C = A B, all row-major: for a column-major library, C' = B' A'."""
        one, zero = ctypes.c_float(1.0), ctypes.c_float(0.0)

        def run() -> None:
            _checked(
                self._library.cublasSgemm_v2(
                    *(self._handle, _PLAIN, _PLAIN, n, m, k, ctypes.byref(one)),
                    *(_address(b), n, _address(a), k, ctypes.byref(zero), _address(c), n),
                )
            )

        return run


class CublasLt:
    """Products of bytes on one stream; A is (m, k), B is (n, k), both with k contiguous."""

    def __init__(self, stream: ctypes.c_void_p, workspace: int) -> None:
        self._library = library("cublasLt")
        self._stream = stream
        self._workspace = _address(workspace)
        self._handle = ctypes.c_void_p()
        _checked(self._library.cublasLtCreate(ctypes.byref(self._handle)))

    workspace_bytes = _WORKSPACE_BYTES

    def _layout(self, kind: int, rows: int, columns: int) -> ctypes.c_void_p:
        layout = ctypes.c_void_p()
        sizes = (ctypes.c_uint64(rows), ctypes.c_uint64(columns), ctypes.c_int64(rows))
        create = self._library.cublasLtMatrixLayoutCreate
        _checked(create(ctypes.byref(layout), kind, *sizes))
        return layout

    def product(self, m: int, n: int, k: int, a: int, b: int, c: int) -> Callable[[], None]:
        """Queues the row-major C = A B', by the algorithm that cuBLASLt itself ranks first."""
        work, preference = ctypes.c_void_p(), ctypes.c_void_p()
        create = self._library.cublasLtMatmulDescCreate
        _checked(create(ctypes.byref(work), _COMPUTE_32I, _R_32I))
        transposed, size = ctypes.c_int32(_TRANSPOSED), ctypes.c_uint64(_WORKSPACE_BYTES)
        _checked(
            self._library.cublasLtMatmulDescSetAttribute(
                work, _DESC_TRANSA, ctypes.byref(transposed), ctypes.c_size_t(4)
            )
        )
        _checked(self._library.cublasLtMatmulPreferenceCreate(ctypes.byref(preference)))
        _checked(
            self._library.cublasLtMatmulPreferenceSetAttribute(
                preference, _PREFERENCE_WORKSPACE, ctypes.byref(size), ctypes.c_size_t(8)
            )
        )
        # Column-major: C' (n, m) = (B as (k, n))' times A as (k, m).
        first, second = self._layout(_R_8I, k, n), self._layout(_R_8I, k, m)
        result = self._layout(_R_32I, n, m)
        best = ctypes.create_string_buffer(_HEURISTIC_BYTES)
        found = ctypes.c_int()
        layouts = (first, second, result, result)
        _checked(
            self._library.cublasLtMatmulAlgoGetHeuristic(
                self._handle, work, *layouts, preference, 1, best, ctypes.byref(found)
            )
        )
        if not found.value:
            raise SystemExit(f"cuBLASLt has no algorithm for {m}x{k}x{n} of bytes")
        algorithm = ctypes.create_string_buffer(best.raw[:_ALGORITHM_BYTES], _ALGORITHM_BYTES)
        one, zero = ctypes.c_int32(1), ctypes.c_int32(0)

        def run() -> None:
            _checked(
                self._library.cublasLtMatmul(
                    *(self._handle, work, ctypes.byref(one), _address(b), first),
                    *(_address(a), second, ctypes.byref(zero), _address(c), result),
                    *(_address(c), result, algorithm, self._workspace, size, self._stream),
                )
            )

        return run
