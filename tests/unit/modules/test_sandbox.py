from __future__ import annotations

import platform
from pathlib import Path

import pytest

from aivm.engines.wasm import compiled
from aivm.errors import EngineUnavailable, TooLarge
from aivm.modules import sandbox
from aivm.testing.float_mode import FLUSH_TO_ZERO, ROUND_UP, SUBNORMALS_ARE_ZERO, float_mode

from .conftest import entry, module, wat


def test_the_cache_is_keyed_by_everything_that_decides_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wasmtime loads code of another optimisation or NaN rule without complaint."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wasm = wat(entry("(i32.const 0)"))
    sandbox.compile_module(wasm)
    (stored,) = (tmp_path / "aivm" / "wasm").iterdir()
    assert stored.stem == compiled._key(wasm, sandbox._CONFIGURATION)
    assert stored.stem != compiled._key(wasm, compiled._CONFIGURATION)
    before = stored.stat().st_ino
    sandbox.compile_module(wasm)
    assert stored.stat().st_ino == before


def test_a_module_of_many_megabytes_is_not_even_looked_at() -> None:
    with pytest.raises(TooLarge, match="over"):
        sandbox.compile_module(bytes(sandbox.MAX_MODULE_BYTES + 1))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets MXCSR")
@pytest.mark.parametrize("bits", [FLUSH_TO_ZERO, SUBNORMALS_ARE_ZERO, ROUND_UP])
def test_a_thread_with_another_arithmetic_is_refused(bits: int) -> None:
    waiting = module(entry("(i32.const 0)"))
    with float_mode(bits), pytest.raises(EngineUnavailable, match="IEEE 754"):
        waiting.run([])
