"""What is said where there is no GPU, or none that fits; libcuda is played by a stand-in."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from aivm.engines.cuda import driver
from aivm.engines.cuda.driver import Driver, NvidiaGpu, _check_fit
from aivm.engines.cuda.products import GpuTarget
from aivm.errors import AivmError, EngineUnavailable, TooLarge


class Library:
    """A libcuda whose calls return a chosen status and write a chosen number."""

    def __init__(self, status: int = 0, version: int = 13000) -> None:
        self.status = status
        self.version = version

    def cuGetErrorString(self, _: int, text: Any) -> int:
        text._obj.value = b"it went wrong"
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self.version
        return 0

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.status


def stand_in(**settings: int) -> Driver:
    return Driver(Library(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [
        (2, TooLarge, "smaller batch"),
        (100, EngineUnavailable, "driver"),
        (222, EngineUnavailable, "older compiler"),
        (209, EngineUnavailable, "older compiler"),
        (700, EngineUnavailable, "native"),
    ],
)
def test_a_failed_call_says_why_and_what_to_do(
    status: int, error: type[AivmError], hint: str
) -> None:
    with pytest.raises(error, match=r"cuInit: it went wrong \(\d+\)") as refusal:
        stand_in(status=status)("cuInit", 0)
    assert hint in refusal.value.hint


def test_a_missing_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_LIBRARY", "libnothing-of-the-kind.so")
    with pytest.raises(EngineUnavailable, match="driver is not installed"):
        driver._driver.__wrapped__()


def compiler(major: int) -> Any:
    return SimpleNamespace(version=(major, 0))


def test_an_old_gpu_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match=r"Old GPU has compute capability 6\.1, 7\.5"):
        _check_fit(stand_in(), compiler(13), GpuTarget((6, 1), 20), "Old GPU")


def test_a_compiler_newer_than_the_driver_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match="for CUDA 12, the compiler") as refusal:
        _check_fit(stand_in(version=12040), compiler(13), GpuTarget((9, 0), 132), "GPU")
    assert "nvidia-cuda-nvrtc-cu12" in refusal.value.hint


def test_an_older_compiler_is_fine() -> None:
    _check_fit(stand_in(version=13000), compiler(12), GpuTarget((9, 0), 132), "GPU")


def test_addresses_are_not_cut_to_32_bits() -> None:
    """What ctypes would do to a bare int."""
    seen: list[object] = []

    class Recorder(Library):
        def cuMemFree_v2(self, address: ctypes.c_uint64) -> int:
            seen.append(address)
            return 0

    gpu = NvidiaGpu(
        Driver(Recorder()),  # type: ignore[arg-type]
        compiler(13),
        0,
        "GPU",
        GpuTarget((9, 0), 132),
        "sm_90",
    )
    device = driver.NvidiaDevice(gpu)
    device.release(1 << 40)
    device.close()
    device.close()
    (address,) = seen
    assert isinstance(address, ctypes.c_uint64)
    assert address.value == 1 << 40


def test_what_fails_while_giving_back_is_not_an_error() -> None:
    """The failure before it was; a second one would hide it."""
    library = Library()
    gpu = NvidiaGpu(
        Driver(library),  # type: ignore[arg-type]
        compiler(13),
        0,
        "GPU",
        GpuTarget((9, 0), 132),
        "sm_90",
    )
    device = driver.NvidiaDevice(gpu)
    library.status = 700
    with pytest.raises(EngineUnavailable, match="the GPU failed"):
        device.allocate(1)
    device.release(1)
    device.close()
