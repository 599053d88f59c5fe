"""Names and codes of instruction families and of their functions.

The codes are part of every program root: never renumber one, never reuse one.
"""

from __future__ import annotations

from enum import IntEnum


class Opcode(IntEnum):
    """First byte of a record: what kind of record it is."""

    HEADER = 0x00
    INPUT = 0x01
    CONSTANT = 0x02
    OUTPUT = 0x03

    MAP = 0x10
    MATMUL = 0x11
    REDUCE = 0x12
    MOVE = 0x13
    GATHER = 0x14
    CONCAT = 0x15
    CAST = 0x16
    IOTA = 0x17
    FILL = 0x18
    SCATTER = 0x19
    RANK = 0x1A
    RANDOM = 0x1B


class Function(IntEnum):
    """Scalar function of a MAP instruction; `isa.signatures` has the dtypes it takes and gives."""

    # unary
    NEG = 0x01
    ABS = 0x02
    SIGN = 0x03
    FLOOR = 0x04
    CEIL = 0x05
    ROUND = 0x06  # to nearest, ties to even
    TRUNC = 0x07
    SQRT = 0x08
    RECIPROCAL = 0x09
    NOT = 0x0A  # logical on BOOL, bitwise on integers
    IS_NAN = 0x0B
    IS_INF = 0x0C
    EXP = 0x10
    LOG = 0x11
    TANH = 0x12
    ERF = 0x13
    SIGMOID = 0x14
    SIN = 0x15
    COS = 0x16
    SOFTPLUS = 0x17
    ATAN = 0x18
    ASIN = 0x19
    ACOS = 0x1A
    LOG1P = 0x1B  # log(1 + x)
    EXPM1 = 0x1C  # e**x - 1
    TAN = 0x1D
    SINH = 0x1E
    COSH = 0x1F
    ASINH = 0x20
    ACOSH = 0x21
    ATANH = 0x22
    # binary
    ADD = 0x40
    SUB = 0x41
    MUL = 0x42
    DIV = 0x43
    POW = 0x44
    MIN = 0x45
    MAX = 0x46
    MOD = 0x47  # integers: sign of the divisor
    FMOD = 0x48  # sign of the dividend; exact on F32
    AND = 0x49
    OR = 0x4A
    XOR = 0x4B
    SHIFT_LEFT = 0x4C
    SHIFT_RIGHT = 0x4D  # signed: copies of the sign come in
    EQUAL = 0x50
    LESS = 0x51
    LESS_EQUAL = 0x52
    # ternary
    SELECT = 0x80  # condition, then, otherwise
    FMA = 0x81


class Reduction(IntEnum):
    """Function of a REDUCE instruction."""

    SUM = 0x01
    PROD = 0x02
    MAX = 0x03
    MIN = 0x04
    ARG_MAX = 0x05  # lowest index among equals; result I64
    ARG_MIN = 0x06


class Scattering(IntEnum):
    """How an update of a SCATTER meets the element that is there."""

    REPLACE = 0x01
    ADD = 0x02
    MUL = 0x03
    MAX = 0x04
    MIN = 0x05
