from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from aivm import cache
from aivm.cache import Cache, open_cache

KEY = "0" * 64


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIVM_CACHE_DIR", str(tmp_path / "caches"))
    return tmp_path / "caches" / "things"


def opened(*, max_bytes: int = 1 << 20) -> Cache:
    found = open_cache("things", max_bytes=max_bytes)
    assert found is not None
    return found


def writing(content: bytes) -> Callable[[BinaryIO], object]:
    return lambda file: file.write(content)


def test_what_was_published_is_found_and_private(folder: Path) -> None:
    things = opened()
    assert things.find(KEY) is None
    path = things.publish(KEY, writing(b"content"))
    assert path == things.find(KEY) == folder / KEY
    assert path.read_bytes() == b"content"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_content_takes_the_name_and_readers_keep_the_first(folder: Path) -> None:
    things = opened()
    things.publish(KEY, writing(b"first"))
    with (folder / KEY).open("rb") as reader:
        things.publish(KEY, writing(b"second"))
        assert reader.read() == b"first"
    assert (folder / KEY).read_bytes() == b"second"


def test_a_dropped_file_is_gone() -> None:
    things = opened()
    things.publish(KEY, writing(b"x"))
    things.drop(KEY)
    things.drop(KEY)
    assert things.find(KEY) is None


def test_an_error_of_the_writer_leaves_nothing_behind(folder: Path) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        opened().publish(KEY, fail)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(_: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert opened().publish(KEY, fill) is None
    assert list(folder.iterdir()) == []
    assert "No space left" in caplog.text


def test_a_folder_that_nobody_can_write_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    things = opened()

    def refuse(**_: object) -> None:  # root, who runs tests in containers, can write anywhere
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    assert things.publish(KEY, writing(b"x")) is None
    assert "Permission denied" in caplog.text


def test_no_cache_where_a_file_is_in_the_way(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.write_bytes(b"")
    assert open_cache("things", max_bytes=1) is None
    assert "not using the cache" in caplog.text


def test_no_cache_where_others_can_write(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert open_cache("things", max_bytes=1) is None
    assert "others can write" in caplog.text


def test_a_link_in_place_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(tmp_path)
    assert open_cache("things", max_bytes=1) is None


def test_a_file_that_others_could_have_written_is_not_found() -> None:
    things = opened()
    path = things.publish(KEY, writing(b"x"))
    assert path is not None
    path.chmod(0o666)
    assert things.find(KEY) is None


def test_a_link_is_not_found(folder: Path, tmp_path: Path) -> None:
    things = opened()
    (tmp_path / "elsewhere").write_bytes(b"x")
    (folder / KEY).symlink_to(tmp_path / "elsewhere")
    assert things.find(KEY) is None


def test_the_files_used_longest_ago_go_first(folder: Path) -> None:
    things = opened(max_bytes=30)
    for age, name in enumerate("cba"):
        path = things.publish(name, writing(bytes(10)))
        assert path is not None
        os.utime(path, (1000 - age, 1000 - age))
    things.find("a")  # used now
    things.publish("d", writing(bytes(10)))
    assert {path.name for path in folder.iterdir()} == {"a", "c", "d"}


def test_the_newest_file_stays_even_if_it_is_too_large(folder: Path) -> None:
    things = opened(max_bytes=5)
    things.publish("a", writing(bytes(4)))
    assert things.publish("b", writing(bytes(10))) is not None
    assert {path.name for path in folder.iterdir()} == {"b"}


def test_what_a_dead_process_left_is_swept_up(folder: Path) -> None:
    things = opened()
    for name in (".old", ".new"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / ".old", (1000, 1000))
    things.publish(KEY, writing(b"x"))
    assert {path.name for path in folder.iterdir()} == {".new", KEY}


WRITER = """
import sys
from aivm.cache import open_cache
for _ in range(200):
    open_cache("things", max_bytes=1 << 20).publish(sys.argv[1], lambda file: file.write(content))
"""


def test_two_processes_never_show_half_a_file(folder: Path) -> None:
    contents = [bytes([n]) * 10_000 for n in (1, 2)]
    writers = [
        subprocess.Popen([sys.executable, "-c", f"content = {content!r}{WRITER}", KEY])
        for content in contents
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        path = opened().find(KEY)
        if path is not None:
            assert path.read_bytes() in contents
            seen += 1
    for writer in writers:
        assert writer.wait() == 0
    assert seen
    assert [path.name for path in folder.iterdir()] == [KEY]
