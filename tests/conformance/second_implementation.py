"""A second implementation of the standard, from docs/specification alone: nothing of aivm is used.

It shows that text and vectors suffice, and shares no idea with the first where it can avoid it: F32
arithmetic is Python's binary64, rounded once more to binary32. That is right for add, mul, div and
sqrt because 53 >= 2 * 24 + 2 bits (Figueroa 1995), and for fma because its sum is rounded to odd
first (Boldo and Melquiond 2008). Scalar functions are read from functions.md itself.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from dataclasses import dataclass
from itertools import product as pairs
from pathlib import Path
from typing import Any

SPECIFICATION = Path(__file__).parents[2] / "docs" / "specification"

# --- numerics.md 1, 2: types and formats --------------------------------------------------------

F32, F16, BF16, BOOL = 1, 2, 3, 8
I32, U32, I64, U64 = 14, 13, 16, 15
INTEGERS = range(9, 17)
SIZE = {1: 4, 2: 2, 3: 2, 8: 1, 9: 1, 10: 1, 11: 2, 12: 2, 13: 4, 14: 4, 15: 8, 16: 8}
NAMES = "F32 F16 BF16 BOOL U8 I8 U16 I16 U32 I32 U64 I64".split()
CODE = dict(zip(NAMES, SIZE, strict=True))
NUMBERS = {F32, *INTEGERS}
BITS = {BOOL, *INTEGERS}
NAN = {F32: 0x7FC00000, F16: 0x7E00, BF16: 0x7FC0}
INFINITY = {F32: 0x7F800000, F16: 0x7C00, BF16: 0x7F80}


class Refused(Exception):
    """The program is not valid."""


class Fault(Exception):
    """The run has no result."""


def is_signed(dtype: int) -> bool:
    return dtype in INTEGERS and dtype % 2 == 0


def wrap(dtype: int, value: int) -> int:
    if dtype == BOOL:
        return value & 1
    bits = 8 * SIZE[dtype]
    value %= 1 << bits
    return value - (1 << bits) if is_signed(dtype) and value >> bits - 1 else value


def ends(dtype: int) -> tuple[int, int]:
    bits = 8 * SIZE[dtype] - is_signed(dtype)
    return (-(1 << bits) if is_signed(dtype) else 0), (1 << bits) - 1


def number(word: int) -> float:
    return float(struct.unpack("<f", word.to_bytes(4, "little"))[0])


def nearest(value: float) -> int:
    """The binary32 word nearest to a binary64 number."""
    if value != value:
        return NAN[F32]
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        return INFINITY[F32] | (0x80000000 if value < 0 else 0)


def canonical(dtype: int, word: int) -> int:
    if dtype not in NAN:
        return word
    magnitude = word & (1 << 8 * SIZE[dtype] - 1) - 1
    return NAN[dtype] if magnitude > INFINITY[dtype] else word


# --- numerics.md 4, 5: base operations ----------------------------------------------------------


def divided(a: float, b: float) -> float:
    if b == 0:
        if a == 0 or a != a:
            return math.nan
        return math.copysign(math.inf, math.copysign(1, a) * math.copysign(1, b))
    return a / b


def rooted(a: float) -> float:
    return math.nan if a < 0 else math.sqrt(a)


def fused(a: float, b: float, c: float) -> float:
    exact = a * b  # 48 bits
    total = exact + c
    if not math.isfinite(total):
        return total
    back = total - exact
    error = (exact - (total - back)) + (c - back)
    if error and not struct.unpack("<q", struct.pack("<d", total))[0] & 1:
        total = math.nextafter(total, math.copysign(math.inf, error))
    return total


def lesser(a: int, b: int, sign: int) -> int:
    """The least of sign * a and sign * b, -0 below +0."""
    x, y = number(a), number(b)
    if x != x or y != y:
        return NAN[F32]
    key = lambda v: (sign * v, sign * math.copysign(1, v))  # noqa: E731
    return a if key(x) <= key(y) else b


def signed(word: int) -> int:
    return wrap(I32, word)


BASE = {
    "add": lambda a, b: nearest(number(a) + number(b)),
    "sub": lambda a, b: nearest(number(a) - number(b)),
    "mul": lambda a, b: nearest(number(a) * number(b)),
    "div": lambda a, b: nearest(divided(number(a), number(b))),
    "sqrt": lambda a: nearest(rooted(number(a))),
    "fma": lambda a, b, c: nearest(fused(number(a), number(b), number(c))),
    "min": lambda a, b: lesser(a, b, 1),
    "max": lambda a, b: lesser(a, b, -1),
    "equal": lambda a, b: int(number(a) == number(b)),
    "less": lambda a, b: int(number(a) < number(b)),
    "less_equal": lambda a, b: int(number(a) <= number(b)),
    "select": lambda t, a, b: a if t else b,
    "canonical": lambda a: canonical(F32, a),
    "and_": lambda a, b: a & b,
    "or_": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, n: a << n & 0xFFFFFFFF,
    "shr": lambda a, n: a >> n,
    "sar": lambda a, n: signed(a) >> n & 0xFFFFFFFF,
    "iadd": lambda a, b: a + b & 0xFFFFFFFF,
    "isub": lambda a, b: a - b & 0xFFFFFFFF,
    "imul": lambda a, b: a * b & 0xFFFFFFFF,
}

# --- functions.md --------------------------------------------------------------------------------


@dataclass
class Steps:
    """A function: its parameters, its steps (result, operation, arguments), what it returns."""

    parameters: list[str]
    steps: list[tuple[str, str, list[str]]]
    result: str

    def __call__(self, *operands: int) -> int:
        values = dict(zip(self.parameters, operands, strict=True))

        def value(word: str) -> int:
            if word[0] == "#":
                return int(word[1:], 16)
            return values[word] if word in values else int(word)

        for name, operation, arguments in self.steps:
            values[name] = BASE[operation](*map(value, arguments))
        return value(self.result)

    def weight(self) -> int:
        return sum(8 if operation in ("div", "sqrt") else 1 for _, operation, _ in self.steps)


def read_functions() -> dict[str, Steps]:
    text = (SPECIFICATION / "functions.md").read_text(encoding="utf-8")
    found = {}
    for block in re.findall(r"```\n(.*?)```", text, re.DOTALL):
        head, *lines, last = [line.split(";")[0].strip() for line in block.strip().splitlines()]
        name, parameters = re.fullmatch(r"(\w+)\((.*)\)", head).groups()  # type: ignore[union-attr]
        steps = [line.split() for line in lines]
        found[name.upper()] = Steps(
            parameters.split(", "), [(s[0], s[2], s[3:]) for s in steps], last.split()[1]
        )
    return found


STEPS = read_functions()

# --- numerics.md 6, 7: MAP -----------------------------------------------------------------------

FUNCTIONS = {
    **dict(enumerate("NEG ABS SIGN FLOOR CEIL ROUND TRUNC SQRT RECIPROCAL NOT".split(), 0x01)),
    **{0x0B: "IS_NAN", 0x0C: "IS_INF"},
    **dict(enumerate("EXP LOG TANH ERF SIGMOID SIN COS SOFTPLUS ATAN ASIN ACOS".split(), 0x10)),
    **dict(enumerate("LOG1P EXPM1 TAN SINH COSH ASINH ACOSH ATANH".split(), 0x1B)),
    **dict(enumerate("ADD SUB MUL DIV POW MIN MAX MOD FMOD AND OR XOR".split(), 0x40)),
    **{0x4C: "SHIFT_LEFT", 0x4D: "SHIFT_RIGHT"},
    **{0x50: "EQUAL", 0x51: "LESS", 0x52: "LESS_EQUAL", 0x80: "SELECT", 0x81: "FMA"},
}
ON_NUMBERS = set("NEG ABS SIGN ADD SUB MUL DIV MIN MAX FMOD LESS LESS_EQUAL".split())
ON_BITS = set("NOT AND OR XOR".split())
ON_INTEGERS = set("MOD SHIFT_LEFT SHIFT_RIGHT".split())
TO_BOOL = set("IS_NAN IS_INF EQUAL LESS LESS_EQUAL".split())


def accepted(name: str) -> set[int]:
    if name == "SELECT":
        return set(SIZE)
    if name == "EQUAL":
        return NUMBERS | {BOOL}
    if name in ON_NUMBERS:
        return NUMBERS
    if name in ON_BITS:
        return BITS
    return set(INTEGERS) if name in ON_INTEGERS else {F32}


def arity(code: int) -> int:
    return 1 if code < 0x40 else 2 if code < 0x80 else 3


def truncated(a: int, b: int) -> int:
    if b == 0:
        return 0
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


ON_WORDS: dict[str, Any] = {
    "NEG": lambda a: -a,
    "ABS": lambda a: abs(a),
    "SIGN": lambda a: (a > 0) - (a < 0),
    "NOT": lambda a: ~a,
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": lambda a, b: truncated(a, b),
    "MIN": lambda a, b: min(a, b),
    "MAX": lambda a, b: max(a, b),
    "MOD": lambda a, b: a - b * (a // b) if b else 0,
    "FMOD": lambda a, b: a - b * truncated(a, b) if b else 0,
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
    "EQUAL": lambda a, b: int(a == b),
    "LESS": lambda a, b: int(a < b),
    "LESS_EQUAL": lambda a, b: int(a <= b),
}


def apply(name: str, dtype: int, words: list[int]) -> int:
    if name == "SELECT":
        return BASE["select"](*words)
    if dtype == F32:
        return STEPS[name](*words) if name in STEPS else BASE[name.lower()](*words)
    if name.startswith("SHIFT"):
        a, b = words
        inside = 0 <= b < 8 * SIZE[dtype]
        if name == "SHIFT_LEFT":
            return wrap(dtype, a << b) if inside else 0
        return a >> b if inside else -(a < 0)
    result = ON_WORDS[name](*words)
    return result if name in TO_BOOL else wrap(dtype, result)


def weight(name: str, dtype: int) -> int:
    if dtype != F32:
        return 8 if name in ("DIV", "MOD", "FMOD") else 1
    if name in STEPS:
        return STEPS[name].weight()
    return 8 if name in ("DIV", "SQRT") else 1


# --- numerics.md 8: conversions ------------------------------------------------------------------


def widened(dtype: int, word: int) -> float:
    if dtype == F16:
        return float(struct.unpack("<e", word.to_bytes(2, "little"))[0])
    return number(word << 16 if dtype == BF16 else word)


def rounded(dtype: int, value: int | float) -> int:
    """The word of a float dtype nearest to an exact number: by bisecting the words themselves."""
    sign = 1 << 8 * SIZE[dtype] - 1 if math.copysign(1, value) < 0 else 0
    magnitude = abs(value)
    low, high = 0, INFINITY[dtype]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if widened(dtype, middle) <= magnitude else (low, middle)
    above = widened(dtype, high)
    if above == math.inf:
        above = 2.0 ** (16 if dtype == F16 else 128)  # what the next word would be
    # Twice the number against the sum of its neighbours, which binary64 holds exactly.
    twice, both = 2 * magnitude, widened(dtype, low) + above
    up = twice > both or (twice == both and low & 1)
    return sign | (high if up else low)


def cast(source: int, target: int, word: int) -> int:
    if source not in NAN:
        return rounded(target, word) if target in NAN else wrapped_or_truth(target, word)
    value = widened(source, word)
    if target == BOOL:
        return int(value != 0)
    if target in NAN:
        if not math.isfinite(value):
            sign = 1 << 8 * SIZE[target] - 1 if value < 0 else 0
            return NAN[target] if value != value else INFINITY[target] | sign
        return rounded(target, value)
    low, high = ends(target)
    if not math.isfinite(value):
        return 0 if value != value else high if value > 0 else low
    return min(max(int(value), low), high)


def wrapped_or_truth(target: int, value: int) -> int:
    return int(value != 0) if target == BOOL else wrap(target, value)


# --- numerics.md 9: random numbers ---------------------------------------------------------------


def philox(counter: list[int], key: list[int]) -> list[int]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for turn in range(10):
        if turn:
            k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
        p, r = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = r >> 32 ^ c1 ^ k0, r % 2**32, p >> 32 ^ c3 ^ k1, p % 2**32
    return [c0, c1, c2, c3]


# --- isa.md: values and records ------------------------------------------------------------------


@dataclass
class Tensor:
    """Words of floats and BOOL, numbers of integers, in row-major order."""

    dtype: int
    shape: tuple[int, ...]
    words: list[int]


@dataclass
class Record:
    """The fields of an instruction record."""

    opcode: int
    function: int
    dtype: int
    shape: tuple[int, ...]
    operands: tuple[int, ...]
    flags: int
    pattern: int
    data: bytes

    def u64(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + 8], "big")

    def i64(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + 8], "big", signed=True)

    @property
    def view(self) -> tuple[int, int, int]:
        return self.u64(64), self.u64(72), self.u64(80)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def tensor_of(dtype: int, shape: tuple[int, ...], data: bytes) -> Tensor:
    size = SIZE[dtype]
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    words = [int.from_bytes(chunk, "little", signed=is_signed(dtype)) for chunk in chunks]
    return Tensor(dtype, shape, [canonical(dtype, word) for word in words])


def bytes_of(tensor: Tensor) -> bytes:
    size = SIZE[tensor.dtype]
    return b"".join((word % (1 << 8 * size)).to_bytes(size, "little") for word in tensor.words)


def record_of(data: bytes) -> Record:
    rank, count = data[3], data[4]
    if rank > 8 or count > 4:
        raise Refused("rank or operands")
    operands, dims = struct.unpack(">4I", data[8:24]), struct.unpack(">8I", data[32:64])
    if any(operands[count:]) or any(dims[rank:]):
        raise Refused("numbers beyond the count")
    return Record(
        data[0], data[1], data[2], dims[:rank], operands[:count], data[5],
        int.from_bytes(data[24:32], "big"), data,
    )  # fmt: skip


# --- isa.md 3: families --------------------------------------------------------------------------


def places(shape: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
    """For each element of `target`, the element of a tensor of `shape` that it reads."""
    padded = (1,) * (len(target) - len(shape)) + shape
    strides, stride = [0] * len(padded), 1
    for axis in reversed(range(len(padded))):
        strides[axis] = 0 if padded[axis] == 1 else stride
        stride *= padded[axis]
    return [
        sum(i * s for i, s in zip(index, strides, strict=True))
        for index in pairs(*map(range, target))
    ]


def run_map(r: Record, operands: list[Tensor]) -> list[int]:
    name, dtype = FUNCTIONS[r.function], operands[-1].dtype
    columns = [[x.words[at] for at in places(x.shape, r.shape)] for x in operands]
    return [apply(name, dtype, list(row)) for row in zip(*columns, strict=True)]


def run_matmul(r: Record, operands: list[Tensor]) -> list[int]:
    a, b = operands
    flip_a, flip_b = r.flags & 1, r.flags >> 1 & 1
    m, n = r.shape[-2:]
    k = a.shape[-2 if flip_a else -1]
    result = []
    leads = zip(places(a.shape[:-2], r.shape[:-2]), places(b.shape[:-2], r.shape[:-2]), strict=True)
    for lead_a, lead_b in leads:
        for i, j in pairs(range(m), range(n)):
            total = 0
            for t in range(k):
                x = a.words[lead_a * m * k + (t * m + i if flip_a else i * k + t)]
                y = b.words[lead_b * k * n + (j * k + t if flip_b else t * n + j)]
                total = BASE["fma"](x, y, total) if a.dtype == F32 else total + x * y
            result.append(total if a.dtype == F32 else wrap(I32, total))
    return result


def line(words: list[int], view: tuple[int, int, int], o: int, i: int) -> list[int]:
    _, length, inner = view
    return [words[(o * length + k) * inner + i] for k in range(length)]


def lanes(values: list[int]) -> int:
    sums = [0] * 16
    for k, word in enumerate(values):
        sums[k % 16] = BASE["add"](sums[k % 16], word)
    for half in (8, 4, 2, 1):
        sums = [BASE["add"](sums[i], sums[i + half]) for i in range(half)]
    return sums[0]


def reduced(function: int, dtype: int, values: list[int]) -> int:
    if function == 1:
        return lanes(values) if dtype == F32 else wrap(dtype, sum(values))
    if function == 2:
        total = 0x3F800000 if dtype == F32 else 1
        for word in values:
            total = apply("MUL", dtype, [total, word])
        return total
    if function in (3, 4):
        total = values[0]
        for word in values[1:]:
            total = apply("MAX" if function == 3 else "MIN", dtype, [total, word])
        return total
    keys = [number(word) if dtype == F32 else word for word in values]
    if nans := [k for k, key in enumerate(keys) if key != key]:
        return nans[0]
    return keys.index(max(keys) if function == 5 else min(keys))


def run_reduce(r: Record, operands: list[Tensor]) -> list[int]:
    outer, _, inner = r.view
    x = operands[0]
    lines = (line(x.words, r.view, o, i) for o, i in pairs(range(outer), range(inner)))
    return [reduced(r.function, x.dtype, values) for values in lines]


def walk(r: Record) -> tuple[tuple[int, ...], tuple[int, ...], list[int], list[int]]:
    rank, axes_count = len(r.shape), r.data[96]
    if axes_count > 8:
        raise Refused("source rank")
    source = struct.unpack(">8I", r.data[64:96])[:axes_count]
    axes = struct.unpack(">8b", r.data[97:105])[:rank]
    steps = [r.i64(128 + 8 * d) for d in range(rank)]
    return source, axes, steps, [r.i64(192 + 8 * a) for a in range(axes_count)]


def run_move(r: Record, operands: list[Tensor]) -> list[int]:
    source, axes, steps, origins = walk(r)
    fill = wrap(r.dtype, r.pattern) if r.dtype in INTEGERS else r.pattern
    result = []
    for index in pairs(*map(range, r.shape)):
        at = list(origins)
        for position, axis, step in zip(index, axes, steps, strict=True):
            if axis >= 0:
                at[axis] += position * step
        inside = all(0 <= c < size for c, size in zip(at, source, strict=True))
        place = 0
        for c, size in zip(at, source, strict=True):
            place = place * size + c
        result.append(operands[0].words[place] if inside else fill)
    return result


def pointed(index: Tensor, size: int, used: bool) -> list[int]:
    if used and any(not -size <= i < size for i in index.words):
        raise Fault("index")
    return [i + size if i < 0 else i for i in index.words]


def run_gather(r: Record, operands: list[Tensor]) -> list[int]:
    data, index = operands
    outer, size, inner = r.view
    if r.elements == 0:
        return []
    rows = pointed(index, size, True)
    return [
        data.words[(o * size + p) * inner + i]
        for o in range(outer)
        for p in rows
        for i in range(inner)
    ]


def run_scatter(r: Record, operands: list[Tensor]) -> list[int]:
    data, index, updates = operands
    outer, size, inner = r.view
    rows = pointed(index, size, bool(updates.words))
    result = list(data.words)
    name = ("", "", "ADD", "MUL", "MAX", "MIN")[r.function]
    for (j, p), o, i in pairs(enumerate(rows), range(outer), range(inner)):
        at, update = (o * size + p) * inner + i, updates.words[(o * len(rows) + j) * inner + i]
        result[at] = apply(name, r.dtype, [result[at], update]) if name else update
    return result


def run_concat(r: Record, operands: list[Tensor]) -> list[int]:
    outer, inner = r.u64(64), r.u64(80)
    result = []
    for o in range(outer):
        for place, x in enumerate(operands):
            size = r.u64(96 + 8 * place) * inner
            result += x.words[o * size : (o + 1) * size]
    return result


def run_iota(r: Record, operands: list[Tensor]) -> list[int]:  # noqa: ARG001
    length, inner = r.u64(72), r.u64(80)
    start, step = r.i64(96), r.i64(104)
    return [wrap(r.dtype, start + step * (j // inner % length)) for j in range(r.elements)]


def run_fill(r: Record, operands: list[Tensor]) -> list[int]:  # noqa: ARG001
    return [wrap(r.dtype, r.pattern) if r.dtype in BITS else r.pattern] * r.elements


def run_rank(r: Record, operands: list[Tensor]) -> list[int]:
    x = operands[0]
    outer, length, inner = r.view
    result = [0] * r.elements
    for o, i in pairs(range(outer), range(inner)):
        keys = []
        for word in line(x.words, r.view, o, i):
            value = number(word) if x.dtype == F32 else word
            keys.append((1, 0) if value != value else (0, value))
        order = sorted(range(length), key=keys.__getitem__, reverse=bool(r.flags & 1))
        for place, k in enumerate(order):  # sorted() is stable, reversed too
            result[(o * length + k) * inner + i] = place
    return result


def run_random(r: Record, operands: list[Tensor]) -> list[int]:
    key, stream = operands[0].words
    halves = lambda word: [word % 2**32, word >> 32]  # noqa: E731
    blocks = range(-(-r.elements // 4))
    words = [w for b in blocks for w in philox(halves(b) + halves(stream), halves(key))]
    return words[: r.elements]


FAMILIES = {
    0x10: run_map,
    0x11: run_matmul,
    0x12: run_reduce,
    0x13: run_move,
    0x14: run_gather,
    0x15: run_concat,
    0x16: lambda r, x: [cast(x[0].dtype, r.dtype, word) for word in x[0].words],
    0x17: run_iota,
    0x18: run_fill,
    0x19: run_scatter,
    0x1A: run_rank,
    0x1B: run_random,
}


def run(r: Record, operands: list[Tensor]) -> Tensor:
    words = FAMILIES[r.opcode](r, operands)
    return Tensor(r.dtype, r.shape, [canonical(r.dtype, word) for word in words])


# --- isa.md 4: gas -------------------------------------------------------------------------------


def size_of(tensor: Tensor | Record) -> int:
    return math.prod(tensor.shape) * SIZE[tensor.dtype]


def gas(r: Record, operands: list[Any]) -> int:
    n = r.elements
    moved = size_of(r) + sum(map(size_of, operands))
    steps = n
    if r.opcode == 0x10:
        steps = n * weight(FUNCTIONS[r.function], operands[-1].dtype)
    elif r.opcode == 0x11:
        products = n * operands[0].shape[-2 if r.flags & 1 else -1]
        steps = products if r.dtype == F32 else -(-products // 4)
    elif r.opcode == 0x12:
        steps = math.prod(operands[0].shape)
    elif r.opcode in (0x13, 0x15):
        moved = 2 * size_of(r)
    elif r.opcode == 0x14:
        moved = 2 * size_of(r) + size_of(operands[1])
    elif r.opcode == 0x16:
        steps = 2 * n
    elif r.opcode == 0x19:
        steps = n + math.prod(operands[2].shape)
    elif r.opcode == 0x1A:
        steps = n * r.u64(72).bit_length()
    elif r.opcode == 0x1B:
        steps = 20 * n
    return 64 + steps + -(-moved // 16)


# --- commitments.md 1 to 3 -----------------------------------------------------------------------


def tree(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"\0").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def data_tree(data: bytes) -> bytes:
    return tree([data[at : at + 256] for at in range(0, len(data), 256)])


def tensor_root(dtype: int, shape: tuple[int, ...], data: bytes) -> bytes:
    dims = struct.pack(">8I", *shape, *[0] * (8 - len(shape)))
    return hashlib.sha256(bytes([2, dtype, len(shape)]) + dims + data_tree(data)).digest()
