"""The gate a wasm build must pass: no imports, and of relaxed SIMD nothing but f32x4.relaxed_madd.

Relaxed instructions may give other results on other engines. The kernels use one of them, the fused
multiply-add, whose fusing hosts prove by a canary; but LLVM also makes relaxed_min and relaxed_max
out of plain comparisons, which would make a result depend on the engine. So every instruction of
every function is decoded here (WebAssembly core specification 2.0, binary format) and looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

RELAXED = range(0x100, 0x114)
RELAXED_MADD_F32 = 0x105

IMPORT_SECTION, CODE_SECTION = 2, 10

# Immediates of the instructions, by kind: b block type, u index, m memory argument, k constants.
_IMMEDIATES: dict[int, str] = {
    **dict.fromkeys((0x02, 0x03, 0x04), "b"),
    **dict.fromkeys((0x0C, 0x0D, 0x10, 0xD2), "u"),
    0x0E: "t",
    0x11: "uu",
    0x1C: "v",
    **dict.fromkeys(range(0x20, 0x27), "u"),
    **dict.fromkeys(range(0x28, 0x3F), "m"),
    **dict.fromkeys((0x3F, 0x40, 0xD0), "u"),
    0x41: "s",
    0x42: "s",
    0x43: "4",
    0x44: "8",
}
_PLAIN = {0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1, *range(0x45, 0xC5)}
_BULK = {8: "uu", 9: "u", 10: "uu", 11: "u", 12: "uu", 13: "u", 14: "uu", 15: "u", 16: "u", 17: "u"}
_BULK |= dict.fromkeys(range(8), "")  # the saturating truncations
_SIMD = {12: "16", 13: "16", **dict.fromkeys(range(21, 35), "1")}
_SIMD |= {**dict.fromkeys(range(12), "m"), 92: "m", 93: "m", **dict.fromkeys(range(84, 92), "m1")}


class Refused(Exception):
    """The module breaks a rule of the gate, or holds an instruction that the gate does not know."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise Refused("the module ends too early")
        self.at += count
        return piece

    def leb(self) -> int:
        """An unsigned LEB128 number; for a signed one only the length is of interest here."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    @property
    def done(self) -> bool:
        return self.at >= len(self.data)


def _sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    if module[:8] != b"\0asm\1\0\0\0":
        raise Refused("not a WebAssembly module, version 1")
    reader = _Reader(module)
    reader.take(8)
    while not reader.done:
        kind = reader.take(1)[0]
        yield kind, reader.take(reader.leb())


def _skip_memory_argument(reader: _Reader) -> None:
    if reader.leb() & 0x40:  # an alignment with bit 6 set names a memory
        reader.leb()
    reader.leb()


def _skip_immediates(reader: _Reader, kinds: str) -> None:
    if kinds in ("1", "4", "8", "16"):
        reader.take(int(kinds))
        return
    for kind in kinds:
        if kind == "m":
            _skip_memory_argument(reader)
        elif kind in "tv":
            for _ in range(reader.leb() + (kind == "t")):
                reader.leb()
        elif kind == "1":
            reader.take(1)
        else:
            reader.leb()


def _simd(reader: _Reader) -> str:
    sub = reader.leb()
    if sub in RELAXED and sub != RELAXED_MADD_F32:
        raise Refused(f"relaxed SIMD opcode 0xfd {sub:#x}: its result is the engine's choice")
    if sub > 0xFF and sub not in RELAXED:
        raise Refused(f"unknown opcode 0xfd {sub:#x}")
    return _SIMD.get(sub, "")


def _bulk(reader: _Reader) -> str:
    sub = reader.leb()
    if sub not in _BULK:
        raise Refused(f"unknown opcode 0xfc {sub:#x}")
    return _BULK[sub]


def _check_body(body: bytes) -> None:
    reader = _Reader(body)
    for _ in range(reader.leb()):  # runs of locals: count, type
        reader.leb()
        reader.take(1)
    while not reader.done:
        opcode = reader.take(1)[0]
        if opcode == 0xFD:
            kinds = _simd(reader)
        elif opcode == 0xFC:
            kinds = _bulk(reader)
        elif opcode in _PLAIN:
            kinds = ""
        elif opcode in _IMMEDIATES:
            kinds = _IMMEDIATES[opcode]
        else:
            raise Refused(f"unknown opcode {opcode:#x}")
        _skip_immediates(reader, kinds)


def check(module: bytes) -> None:
    """Raises Refused where it imports something or an instruction is an engine's choice."""
    for kind, content in _sections(module):
        reader = _Reader(content)
        if kind == IMPORT_SECTION and reader.leb():
            raise Refused("the module imports something; kernels stand alone")
        if kind == CODE_SECTION:
            for _ in range(reader.leb()):
                _check_body(reader.take(reader.leb()))
