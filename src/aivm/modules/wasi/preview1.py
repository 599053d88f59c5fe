"""`wasi_snapshot_preview1` for programs that must give the same result everywhere.

Source: the witx description of the WASI snapshot, preview 1. Every function of it can be imported,
so that programs link; what would need files, directories or sockets answers that there are none.
Clocks count fuel: one nanosecond a unit, from 2000-01-01 for the clock on the wall.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from aivm.modules.sandbox import Sandbox
from aivm.modules.wasi.host import Functions, HostFunction
from aivm.modules.wasi.randomness import RandomBytes
from aivm.modules.wasi.streams import Input, Output

NAME = "wasi_snapshot_preview1"

SUCCESS, BADF, FAULT, INVAL, NOSYS, NOTSOCK, NOTSUP, SPIPE = 0, 8, 21, 28, 52, 57, 58, 70
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHARACTER_DEVICE, _REGULAR_FILE = 2, 4
_RIGHT_READ, _RIGHT_SEEK, _RIGHT_TELL, _RIGHT_WRITE, _RIGHT_FILESTAT = (
    *(1 << 1, 1 << 2, 1 << 5, 1 << 6),
    1 << 21,
)
_SEEK_SET, _SEEK_CUR, _SEEK_END = 0, 1, 2
_REALTIME, _LAST_CLOCK = 0, 3
_EPOCH_NANOSECONDS = 946_684_800 * 10**9  # 2000-01-01T00:00:00Z
_MAX_VECTORS = 1024
_MAX_RANDOM_BYTES = 1 << 20

# What no app can do here: parameters, and the answer.
_ABSENT = {
    "fd_advise": ("iIIi", BADF),
    "fd_allocate": ("iII", BADF),
    "fd_datasync": ("i", BADF),
    "fd_fdstat_set_rights": ("iII", BADF),
    "fd_filestat_set_size": ("iI", BADF),
    "fd_filestat_set_times": ("iIIi", BADF),
    "fd_pread": ("iiiIi", BADF),
    "fd_prestat_get": ("ii", BADF),
    "fd_prestat_dir_name": ("iii", BADF),
    "fd_pwrite": ("iiiIi", BADF),
    "fd_readdir": ("iiiIi", BADF),
    "fd_renumber": ("ii", BADF),
    "fd_sync": ("i", BADF),
    "path_create_directory": ("iii", BADF),
    "path_filestat_get": ("iiiii", BADF),
    "path_filestat_set_times": ("iiiiIIi", BADF),
    "path_link": ("iiiiiii", BADF),
    "path_open": ("iiiiiIIii", BADF),
    "path_readlink": ("iiiiii", BADF),
    "path_remove_directory": ("iii", BADF),
    "path_rename": ("iiiiii", BADF),
    "path_symlink": ("iiiii", BADF),
    "path_unlink_file": ("iii", BADF),
    "poll_oneoff": ("iiii", NOTSUP),
    "proc_raise": ("i", NOSYS),
    "sock_accept": ("iii", NOTSOCK),
    "sock_recv": ("iiiiii", NOTSOCK),
    "sock_send": ("iiiii", NOTSOCK),
    "sock_shutdown": ("ii", NOTSOCK),
}


class Exit(Exception):
    """The app ended by `proc_exit`; never leaves this room."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Preview1:
    """The system of one app: its arguments, streams, random bytes and clock."""

    def __init__(
        self, sandbox: Sandbox, arguments: Sequence[bytes], stdin: bytes, seed: bytes
    ) -> None:
        self._sandbox = sandbox
        self._arguments = [argument + b"\0" for argument in arguments]
        self._random = RandomBytes(seed)
        self.stdin = Input(stdin)
        self.stdout, self.stderr = Output(), Output()
        self._open: dict[int, Input | Output] = {
            _STDIN: self.stdin,
            _STDOUT: self.stdout,
            _STDERR: self.stderr,
        }

    def functions(self) -> Functions:
        """Every function of the snapshot."""
        present: dict[str, tuple[str, Callable[..., int]]] = {
            "args_get": ("ii", self._args_get),
            "args_sizes_get": ("ii", self._args_sizes_get),
            "clock_res_get": ("ii", self._clock_res_get),
            "clock_time_get": ("iIi", self._clock_time_get),
            "environ_get": ("ii", lambda _table, _bytes: SUCCESS),
            "environ_sizes_get": ("ii", self._environ_sizes_get),
            "fd_close": ("i", self._fd_close),
            "fd_fdstat_get": ("ii", self._fd_fdstat_get),
            "fd_fdstat_set_flags": ("ii", self._fd_fdstat_set_flags),
            "fd_filestat_get": ("ii", self._fd_filestat_get),
            "fd_read": ("iiii", self._fd_read),
            "fd_seek": ("iIii", self._fd_seek),
            "fd_tell": ("ii", self._fd_tell),
            "fd_write": ("iiii", self._fd_write),
            "random_get": ("ii", self._random_get),
            "sched_yield": ("", lambda: SUCCESS),
        }
        table = {
            (NAME, name): HostFunction(parameters, call, FAULT)
            for name, (parameters, call) in present.items()
        }
        for name, (parameters, answer) in _ABSENT.items():
            table[NAME, name] = HostFunction(parameters, _always(answer), FAULT)
        table[NAME, "proc_exit"] = HostFunction("i", _exit, FAULT, returns=False)
        return table

    # --- arguments and environment; a program has no environment -------------------------------

    def _args_sizes_get(self, count: int, size: int) -> int:
        self._write_words(count, len(self._arguments))
        self._write_words(size, sum(map(len, self._arguments)))
        return SUCCESS

    def _args_get(self, table: int, text: int) -> int:
        for index, argument in enumerate(self._arguments):
            self._write_words(table + 4 * index, text)
            self._write(text, argument)
            text += len(argument)
        return SUCCESS

    def _environ_sizes_get(self, count: int, size: int) -> int:
        self._write_words(count, 0)
        self._write_words(size, 0)
        return SUCCESS

    # --- clocks and randomness ------------------------------------------------------------------

    def _clock_res_get(self, clock: int, result: int) -> int:
        if clock > _LAST_CLOCK:
            return INVAL
        self._write(result, struct.pack("<Q", 1))
        return SUCCESS

    def _clock_time_get(self, clock: int, _precision: int, result: int) -> int:
        if clock > _LAST_CLOCK:
            return INVAL
        start = _EPOCH_NANOSECONDS if clock == _REALTIME else 0
        self._write(result, struct.pack("<Q", start + self._sandbox.fuel_used))
        return SUCCESS

    def _random_get(self, address: int, size: int) -> int:
        if size > _MAX_RANDOM_BYTES:
            return INVAL
        self._sandbox.read(address, size)  # a bad address takes nothing from the stream
        self._write(address, self._random.take(size))
        return SUCCESS

    # --- streams ----------------------------------------------------------------------------------

    def _fd_read(self, descriptor: int, vectors: int, count: int, result: int) -> int:
        stream = self._open.get(descriptor)
        if not isinstance(stream, Input):
            return BADF
        if count > _MAX_VECTORS:
            return INVAL
        before = stream.position
        for address, size in self._vectors(vectors, count):
            self._write(address, stream.read(size))
        self._write_words(result, stream.position - before)
        return SUCCESS

    def _fd_write(self, descriptor: int, vectors: int, count: int, result: int) -> int:
        stream = self._open.get(descriptor)
        if not isinstance(stream, Output):
            return BADF
        if count > _MAX_VECTORS:
            return INVAL
        written = 0
        for address, size in self._vectors(vectors, count):
            self._sandbox.charge(size)
            stream.write(self._sandbox.read(address, size))
            written += size
        self._write_words(result, written)
        return SUCCESS

    def _vectors(self, address: int, count: int) -> list[tuple[int, int]]:
        return list(struct.iter_unpack("<II", self._sandbox.read(address, 8 * count)))

    def _fd_close(self, descriptor: int) -> int:
        return BADF if self._open.pop(descriptor, None) is None else SUCCESS

    def _fd_seek(self, descriptor: int, offset: int, whence: int, result: int) -> int:
        stream = self._open.get(descriptor)
        if not isinstance(stream, Input):
            return BADF if stream is None else SPIPE
        bases = {_SEEK_SET: 0, _SEEK_CUR: stream.position, _SEEK_END: len(stream.data)}
        signed = offset - (1 << 64) if offset >> 63 else offset
        if whence not in bases or bases[whence] + signed < 0:
            return INVAL
        self._write(result, struct.pack("<Q", bases[whence] + signed & (1 << 64) - 1))
        stream.position = bases[whence] + signed
        return SUCCESS

    def _fd_tell(self, descriptor: int, result: int) -> int:
        return self._fd_seek(descriptor, 0, _SEEK_CUR, result)

    def _fd_fdstat_get(self, descriptor: int, result: int) -> int:
        stream = self._open.get(descriptor)
        if stream is None:
            return BADF
        kind, rights = _CHARACTER_DEVICE, _RIGHT_WRITE | _RIGHT_FILESTAT
        if isinstance(stream, Input):
            kind, rights = _REGULAR_FILE, _RIGHT_READ | _RIGHT_SEEK | _RIGHT_TELL | _RIGHT_FILESTAT
        self._write(result, struct.pack("<BxH4xQQ", kind, 0, rights, 0))
        return SUCCESS

    def _fd_fdstat_set_flags(self, descriptor: int, _flags: int) -> int:
        return SUCCESS if descriptor in self._open else BADF

    def _fd_filestat_get(self, descriptor: int, result: int) -> int:
        stream = self._open.get(descriptor)
        if stream is None:
            return BADF
        kind = _REGULAR_FILE if isinstance(stream, Input) else _CHARACTER_DEVICE
        times = (_EPOCH_NANOSECONDS,) * 3
        size = len(stream.data)
        self._write(result, struct.pack("<QQB7xQQ3Q", 0, descriptor, kind, 1, size, *times))
        return SUCCESS

    # --- memory -----------------------------------------------------------------------------------

    def _write(self, address: int, data: bytes) -> None:
        self._sandbox.charge(len(data))
        self._sandbox.write(address, data)

    def _write_words(self, address: int, *words: int) -> None:
        self._write(address, struct.pack(f"<{len(words)}I", *words))


def _always(answer: int) -> Callable[..., int]:
    return lambda *_arguments: answer


def _exit(status: int) -> int:
    raise Exit(status)
