from __future__ import annotations

import struct

import pytest

from aivm.errors import OutOfFuel, TooLarge
from aivm.modules import Limits
from aivm.modules.wasi.preview1 import (
    _ABSENT,
    BADF,
    FAULT,
    INVAL,
    NOTSOCK,
    NOTSUP,
    SPIPE,
    SUCCESS,
)

from .conftest import app_wat, escaped, parameters, run, words

VECTOR = f'(data (i32.const 64) "{escaped(words(1024, 8))}")'


def status(name: str, letters: str, *arguments: object, rest: str = "") -> int:
    """The error number of one call."""
    values = " ".join(
        f"({'i32' if letter == 'i' else 'i64'}.const {value})"
        for letter, value in zip(letters, arguments, strict=True)
    )
    wasm = app_wat(f"(call $exit (call ${name} {values}))", {name: parameters(letters)}, rest)
    return run(wasm, b"0123456789").status


def written(code: str, functions: dict[str, str], size: int, **options: object) -> bytes:
    """What `code` leaves in the first `size` bytes at 1024, through standard output."""
    vector = f'(data (i32.const 32) "{escaped(words(1024, size))}")'
    show = "(drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 16)))"
    functions = {**functions, "fd_write": parameters("iiii")}
    return run(app_wat(code + show, functions, vector + VECTOR), **options).stdout  # type: ignore[arg-type]


def test_an_app_that_does_nothing_ends_well() -> None:
    ended = run(app_wat("", {}))
    assert (ended.status, ended.stdout, ended.stderr) == (0, b"", b"")


def test_the_exit_status_is_the_apps() -> None:
    assert run(app_wat("(call $exit (i32.const 300)) (unreachable)", {})).status == 300
    assert run(app_wat("(call $exit (i32.const -1))", {})).status == 2**32 - 1


@pytest.mark.parametrize("name", sorted(_ABSENT))
def test_what_an_app_cannot_have_answers_so(name: str) -> None:
    letters, answer = _ABSENT[name]
    assert answer in (BADF, NOTSOCK, NOTSUP, 52)
    assert status(name, letters, *[3] * len(letters)) == answer


@pytest.mark.parametrize(
    ("name", "letters", "arguments", "answer"),
    [
        ("fd_read", "iiii", (1, 64, 1, 16), BADF),
        ("fd_read", "iiii", (3, 64, 1, 16), BADF),
        ("fd_read", "iiii", (0, 64, 1025, 16), INVAL),
        ("fd_read", "iiii", (0, -8, 1, 16), FAULT),
        ("fd_read", "iiii", (0, 64, 1, -2), FAULT),
        ("fd_write", "iiii", (0, 64, 1, 16), BADF),
        ("fd_write", "iiii", (1, 64, 1025, 16), INVAL),
        ("fd_write", "iiii", (1, 131068, 1, 16), FAULT),
        ("fd_close", "i", (9,), BADF),
        ("fd_close", "i", (1,), SUCCESS),
        ("fd_seek", "iIii", (1, 0, 0, 16), SPIPE),
        ("fd_seek", "iIii", (5, 0, 0, 16), BADF),
        ("fd_seek", "iIii", (0, -1, 0, 16), INVAL),
        ("fd_seek", "iIii", (0, 0, 3, 16), INVAL),
        ("fd_seek", "iIii", (0, -3, 2, 16), SUCCESS),
        ("fd_tell", "ii", (0, 16), SUCCESS),
        ("fd_fdstat_get", "ii", (4, 16), BADF),
        ("fd_fdstat_set_flags", "ii", (1, 4), SUCCESS),
        ("fd_filestat_get", "ii", (4, 16), BADF),
        ("clock_time_get", "iIi", (4, 1, 16), INVAL),
        ("clock_time_get", "iIi", (0, 1, -1), FAULT),
        ("clock_res_get", "ii", (4, 16), INVAL),
        ("random_get", "ii", (16, 1 << 21), INVAL),
        ("random_get", "ii", (131072, 1), FAULT),
        ("args_get", "ii", (-4, 16), FAULT),
        ("environ_get", "ii", (16, 16), SUCCESS),
        ("sched_yield", "", (), SUCCESS),
    ],
)
def test_answers(name: str, letters: str, arguments: tuple[int, ...], answer: int) -> None:
    assert status(name, letters, *arguments, rest=VECTOR) == answer


def test_standard_input_is_read_in_pieces_and_again() -> None:
    read = "(drop (call $fd_read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 16)))"
    back = "(drop (call $fd_seek (i32.const 0) (i64.const 1) (i32.const 0) (i32.const 24)))"
    functions = {"fd_read": parameters("iiii"), "fd_seek": parameters("iIii")}
    given = b"0123456789"
    assert written(read, functions, 8, stdin=given) == b"01234567"
    assert written(read + read, functions, 8, stdin=given) == b"89234567"
    assert written(read + back + read, functions, 8, stdin=given) == b"12345678"


def test_arguments_and_their_table() -> None:
    code = "(drop (call $args_get (i32.const 1024) (i32.const 1032)))"
    out = written(code, {"args_get": parameters("ii")}, 20, arguments=[b"app", "ä".encode()])
    assert out[:8] == words(1032, 1036) and out[8:15] == "app\0ä\0".encode()
    code = "(drop (call $args_sizes_get (i32.const 1024) (i32.const 1028)))"
    sizes = written(code, {"args_sizes_get": parameters("ii")}, 8, arguments=[b"app", b"x"])
    assert sizes == words(2, 6)
    code = "(drop (call $environ_sizes_get (i32.const 1024) (i32.const 1028)))"
    assert written(code, {"environ_sizes_get": parameters("ii")}, 8) == bytes(8)


def test_descriptors_say_what_they_are() -> None:
    functions = {"fd_fdstat_get": parameters("ii"), "fd_filestat_get": parameters("ii")}
    for descriptor, kind in ((0, 4), (1, 2), (2, 2)):
        place = f"(i32.const {descriptor}) (i32.const 1024)"
        assert written(f"(drop (call $fd_fdstat_get {place}))", functions, 24)[0] == kind
        stat = written(f"(drop (call $fd_filestat_get {place}))", functions, 64, stdin=b"abc")
        assert stat[16] == kind and struct.unpack_from("<Q", stat, 32)[0] == 3 * (kind == 4)


def test_clocks_count_fuel_and_agree_between_runs() -> None:
    functions = {"clock_time_get": parameters("iIi")}

    def clock(number: int) -> int:
        call = f"(drop (call $clock_time_get (i32.const {number}) (i64.const 1) (i32.const 1024)))"
        return int.from_bytes(written(call, functions, 8), "little")

    assert clock(1) == clock(1) == clock(2) == clock(3) > 10_000
    assert clock(0) == clock(1) + 946_684_800 * 10**9


def test_random_bytes_are_the_seeds() -> None:
    functions = {"random_get": parameters("ii")}
    take = "(drop (call $random_get (i32.const {}) (i32.const 5)))"
    once = written("(drop (call $random_get (i32.const 1024) (i32.const 10)))", functions, 10)
    twice = written(take.format(1024) + take.format(1029), functions, 10)
    assert once == twice != bytes(10)
    other = written(take.format(1024), functions, 5, seed=bytes(32))
    assert other != once[:5]


def test_an_app_cannot_write_without_end() -> None:
    forever = (
        "(loop $l (drop (call $fd_write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 16)))"
        " (br $l))"
    )
    functions = {"fd_write": parameters("iiii")}
    vector = f'(data (i32.const 64) "{escaped(words(1024, 100000))}")'
    with pytest.raises(TooLarge, match="16777216"):
        run(app_wat(forever, functions, vector))
    with pytest.raises(OutOfFuel):
        run(app_wat(forever, functions, VECTOR), limits=Limits(10**6, 1 << 20))
