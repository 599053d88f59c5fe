from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from aivm import kernels
from aivm.engines.wasm import compiled


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for this test, and a process that has compiled nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled._module.cache_clear()
    yield tmp_path / "aivm" / "wasm"
    compiled._module.cache_clear()


def test_the_guest_imports_nothing() -> None:
    _, module = compiled.guest_module()
    assert [item.name for item in module.imports] == []


def test_a_second_process_finds_the_code_on_disk(empty_cache: Path) -> None:
    compiled.guest_module()
    (stored,) = empty_cache.iterdir()
    assert empty_cache.stat().st_mode & 0o777 == 0o700
    assert stored.stat().st_mode & 0o077 == 0
    before = stored.stat().st_ino
    compiled._module.cache_clear()
    compiled.guest_module()
    assert stored.stat().st_ino == before


def test_code_that_others_could_have_written_is_not_used(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled.guest_module()
    (stored,) = empty_cache.iterdir()
    stored.chmod(0o666)
    compiled._module.cache_clear()
    used = []
    original = wasmtime.Module.deserialize_file
    monkeypatch.setattr(
        wasmtime.Module,
        "deserialize_file",
        lambda engine, path: used.append(path) or original(engine, path),
    )
    compiled.guest_module()
    assert used == []
    # It was compiled again, and what is on disk now is private.
    assert stored.stat().st_mode & 0o077 == 0


def test_a_link_in_place_of_the_folder_is_not_followed(empty_cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    empty_cache.parent.mkdir()
    empty_cache.symlink_to(elsewhere)
    compiled.guest_module()
    assert list(elsewhere.iterdir()) == []


def test_broken_code_is_compiled_again(empty_cache: Path) -> None:
    compiled.guest_module()
    (stored,) = empty_cache.iterdir()
    stored.write_bytes(b"no code")
    compiled._module.cache_clear()
    compiled.guest_module()
    assert stored.stat().st_size > 1000


def test_the_name_depends_on_the_guest_and_on_the_configuration() -> None:
    guest = kernels.wasm_path().read_bytes()
    keys = {compiled._key(guest, ["a"]), compiled._key(guest + b"\0", ["a"])}
    assert len(keys | {compiled._key(guest, ["b"])}) == 3
