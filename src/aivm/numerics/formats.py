"""IEEE 754 binary formats: taking a word apart exactly, and the one place where rounding happens.

The *word* of a float is the unsigned integer made of its bits. A finite word stands for
(-1)**sign * significand * 2**exponent with integers only, so that every operation of numerics 1
can be computed exactly and then rounded once, to nearest with ties to even.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivm.numerics.dtypes import DType


@dataclass(frozen=True, slots=True)
class Format:
    """A binary interchange format: bits of significand (with the hidden one) and of exponent."""

    precision: int
    exponent_bits: int

    @property
    def sign_bit(self) -> int:
        return 1 << (self.precision - 1 + self.exponent_bits)

    @property
    def infinity(self) -> int:
        """The word of +infinity."""
        return ((1 << self.exponent_bits) - 1) << (self.precision - 1)

    @property
    def canonical_nan(self) -> int:
        """The one NaN that an instruction may give: quiet, positive, no payload."""
        return self.infinity | 1 << (self.precision - 2)

    @property
    def smallest_exponent(self) -> int:
        """Exponent of the smallest subnormal, which is 1 * 2**smallest_exponent."""
        return 3 - (1 << (self.exponent_bits - 1)) - self.precision


BINARY32 = Format(precision=24, exponent_bits=8)
BINARY16 = Format(precision=11, exponent_bits=5)
BFLOAT16 = Format(precision=8, exponent_bits=8)

FORMAT_OF = {DType.F32: BINARY32, DType.F16: BINARY16, DType.BF16: BFLOAT16}


def is_nan(fmt: Format, word: int) -> bool:
    return word & ~fmt.sign_bit > fmt.infinity


def is_infinite(fmt: Format, word: int) -> bool:
    return word & ~fmt.sign_bit == fmt.infinity


def sign_of(fmt: Format, word: int) -> int:
    """1 where the sign bit is set, else 0."""
    return int(word & fmt.sign_bit != 0)


def unpack(fmt: Format, word: int) -> tuple[int, int, int]:
    """(sign, significand, exponent) of a finite word; zero has significand 0."""
    fraction_bits = fmt.precision - 1
    fraction = word & ((1 << fraction_bits) - 1)
    field = (word & ~fmt.sign_bit) >> fraction_bits
    if field == 0:
        return sign_of(fmt, word), fraction, fmt.smallest_exponent
    return sign_of(fmt, word), fraction | 1 << fraction_bits, field - 1 + fmt.smallest_exponent


def round_to_format(fmt: Format, sign: int, significand: int, exponent: int) -> int:
    """The word nearest to (-1)**sign * significand * 2**exponent, ties to even.

    Overflow gives infinity. `significand` is any integer >= 0, of any length. A zero keeps the
    given sign.
    """
    magnitude = 0
    if significand != 0:
        leading = significand.bit_length() + exponent
        unit = max(leading - fmt.precision, fmt.smallest_exponent)
        kept = shift_to_even(significand, unit - exponent)
        # The hidden bit of `kept` adds one to the exponent field; so does a carry out of rounding.
        magnitude = ((unit - fmt.smallest_exponent) << (fmt.precision - 1)) + kept
        magnitude = min(magnitude, fmt.infinity)
    return magnitude | (fmt.sign_bit if sign else 0)


def shift_to_even(value: int, count: int) -> int:
    """value / 2**count rounded to an integer, ties to even; a negative count shifts left."""
    if count <= 0:
        return value << -count
    quotient = value >> count
    remainder = value - (quotient << count)
    half = 1 << (count - 1)
    if remainder > half or (remainder == half and quotient & 1):
        return quotient + 1
    return quotient


def with_sticky(value: int, inexact: bool) -> int:
    """`value` with one more bit below it: set where a nonzero remainder was cut off there.

    Rounding to at least two bits fewer then behaves as if the remainder were still present.
    """
    return value << 1 | int(inexact)
