"""Philox 4x32-10, the counter-based generator behind every random number of numerics 1.

Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11. A block
of four words is a function of a counter and a key, so element j of a tensor needs no other element.
"""

from __future__ import annotations

from aivm.numerics.dtypes import DType
from aivm.numerics.machine import Machine, W

ROUNDS = 10
WORDS = 4  # of a block

_MULTIPLIERS = (0xD251_1F53, 0xCD9E_8D57)
_KEY_STEPS = (0x9E37_79B9, 0xBB67_AE85)  # the golden ratio, and the square root of 3 less 1


def philox(m: Machine[W], counter: tuple[W, W, W, W], key: tuple[W, W]) -> tuple[W, W, W, W]:
    """The block of a counter under a key; all of them U32 words, lowest first."""
    for round_ in range(ROUNDS):
        if round_:
            steps = [m.bits(step) for step in _KEY_STEPS]
            key = (_u32(m, "add", key[0], steps[0]), _u32(m, "add", key[1], steps[1]))
        low_a, high_a = _product(m, counter[0], _MULTIPLIERS[0])
        low_b, high_b = _product(m, counter[2], _MULTIPLIERS[1])
        first = _u32(m, "xor", _u32(m, "xor", high_b, counter[1]), key[0])
        third = _u32(m, "xor", _u32(m, "xor", high_a, counter[3]), key[1])
        counter = (first, low_b, third, low_a)
    return counter


def halves(m: Machine[W], word: W) -> tuple[W, W]:
    """A U64 word as two U32 words, the lower one first."""
    two_to_16 = m.cast(DType.U32, DType.U64, m.bits(1 << 16))
    two_to_32 = m.int_op(DType.U64, "mul", two_to_16, two_to_16)
    high = m.int_op(DType.U64, "div", word, two_to_32)
    return m.cast(DType.U64, DType.U32, word), m.cast(DType.U64, DType.U32, high)


def _product(m: Machine[W], word: W, multiplier: int) -> tuple[W, W]:
    """The 64 bits of the product of two U32 words."""
    wide = m.cast(DType.U32, DType.U64, word)
    factor = m.cast(DType.U32, DType.U64, m.bits(multiplier))
    return halves(m, m.int_op(DType.U64, "mul", wide, factor))


def _u32(m: Machine[W], name: str, a: W, b: W) -> W:
    return m.int_op(DType.U32, name, a, b)
