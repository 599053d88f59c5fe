"""The kernels with every undefined behaviour turned into a trap (clang's sanitizer)."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from aivm import kernels

KERNELS = Path(__file__).parents[3] / "kernels"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def build(monkeypatch_module: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch_module.syspath_prepend(str(KERNELS))
    spec = importlib.util.spec_from_file_location("kernels_build", KERNELS / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch_module.setitem(sys.modules, "kernels_build", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def monkeypatch_module() -> object:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def trapping(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The build for this CPU, from the same sources, with traps."""
    target = build.TARGETS[kernels.native_targets()[0]]
    flags = (*target.flags, "-fsanitize=undefined", "-fsanitize-trap=undefined")
    path = build.compile_target(replace(target, flags=flags), tmp_path_factory.mktemp("trapping"))
    library = ctypes.CDLL(str(path))
    for name in ("aivm_sha256", "aivm_tree_root"):
        getattr(library, name).argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
    return library


@pytest.fixture
def native_library(trapping: ctypes.CDLL) -> ctypes.CDLL:
    return trapping


@pytest.fixture
def guest(native_guest: object) -> object:
    return native_guest


def test_products_of_every_size(product: Callable[..., object]) -> None:
    rng = np.random.default_rng(6)
    for m in [*range(1, 20), 130]:
        for k, n in [(0, 5), (1, 33), (37, 64), (801, 19)]:
            a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((n, k), np.float32)
            for packed in (True, False):
                product(a, b.T, packed=packed).run()  # type: ignore[attr-defined]
                product(a, np.ascontiguousarray(b.T), packed=packed).run()  # type: ignore[attr-defined]


def test_hashes_of_every_size(trapping: ctypes.CDLL) -> None:
    data, out = np.zeros(3000, np.uint8), np.zeros(32, np.uint8)
    for size in range(0, 3000, 7):
        trapping.aivm_sha256(data.ctypes.data, size, out.ctypes.data)
        trapping.aivm_tree_root(data.ctypes.data, size, out.ctypes.data)
