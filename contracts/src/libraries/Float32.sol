// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FloatFormat} from "./FloatFormat.sol";

/// @title Arithmetic on binary32 words, correctly rounded: exact integers first, then one rounding
/// @dev The mirror of `aivm.numerics.binary32`. Operands must be below 2^32. A NaN operand gives the canonical NaN.
/// The sign of an exact zero sum is + unless both terms are negative. There are no flags and no traps.
library Float32 {
    uint256 internal constant NAN = 0x7fc00000;
    uint256 internal constant INFINITY = 0x7f800000;
    uint256 internal constant SIGN = 0x80000000;

    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant FRACTION_BITS = 23;
    uint256 private constant ORIGIN = FloatFormat.ORIGIN;
    uint256 private constant USUAL = FloatFormat.USUAL;
    /// How far a product is brought up, and the terms of a sum are aligned exactly. What lies further down is less than
    /// 2^47 where the last bit of the other term is 2^100: it can decide a rounding only by not being zero.
    uint256 private constant ALIGNED_BITS = USUAL - 2 * FRACTION_BITS;
    /// Bits of a quotient before its sticky bit, at most 24 less or more; a divisor can be as small as 1.
    uint256 private constant QUOTIENT_BITS = USUAL - 24;
    /// Bits of a root before its sticky bit, at least: more than 24 + 2.
    uint256 private constant ROOT_BITS = 44;
    /// The exponent of 1: the smallest subnormal number is 2^-149.
    uint256 private constant ONE = 149;

    /// The canonical NaN where `a` is any NaN, else `a`.
    function canonical(uint256 a) internal pure returns (uint256) {
        return isNaN(a) ? NAN : a;
    }

    function isNaN(uint256 a) internal pure returns (bool) {
        return a & MAGNITUDE > INFINITY;
    }

    /// a + b
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        if (_isSpecial(a) || _isSpecial(b)) return _addSpecial(a, b);
        (uint256 significandA, uint256 exponentA) = _unpackWide(a);
        (uint256 significandB, uint256 exponentB) = _unpackWide(b);
        return _roundSum(a & SIGN, significandA, exponentA, b & SIGN, significandB, exponentB);
    }

    /// a - b, which is a + (-b)
    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    /// a * b
    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        if (_isSpecial(a) || _isSpecial(b)) return _mulSpecial(a, b);
        (uint256 significand, uint256 exponent) = _product(a, b);
        unchecked {
            return _round((a ^ b) & SIGN, significand << ALIGNED_BITS, exponent - ALIGNED_BITS);
        }
    }

    /// a / b; x / 0 is an infinity, 0 / 0 and infinity / infinity are NaN
    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        uint256 sign = (a ^ b) & SIGN;
        if (_isSpecial(a) || _isSpecial(b) || b & MAGNITUDE == 0) {
            return _divSpecial(sign, a & MAGNITUDE, b & MAGNITUDE);
        }
        (uint256 significandA, uint256 exponentA) = _unpack(a);
        (uint256 significandB, uint256 exponentB) = _unpack(b);
        unchecked {
            uint256 scaled = significandA << QUOTIENT_BITS;
            uint256 quotient = _withSticky(scaled / significandB, scaled % significandB != 0);
            return _round(sign, quotient, exponentA - exponentB + (ORIGIN + ONE - QUOTIENT_BITS - 1));
        }
    }

    /// The square root; of -0 it is -0, of anything else below zero NaN.
    function sqrt(uint256 a) internal pure returns (uint256) {
        if (a & MAGNITUDE == 0) return a;
        if (a >= INFINITY) return a == INFINITY ? a : NAN; // infinity, NaNs, and all that is negative
        (uint256 significand, uint256 exponent) = _unpack(a);
        unchecked {
            // Normalised; then 2^exponent, in units of 2^-149, is a square where the exponent is odd.
            uint256 up = FRACTION_BITS - FloatFormat.log2(significand);
            if ((exponent - up - ORIGIN) & 1 == 0) ++up;
            uint256 scaled = significand << (up + 2 * ROOT_BITS - FRACTION_BITS - 1);
            uint256 root = _root(scaled);
            // half the exponent of `scaled`, back in units of 2^-149, and one bit down for the sticky bit
            uint256 halved = (exponent - up + ORIGIN - ONE - (2 * ROOT_BITS - FRACTION_BITS - 1)) >> 1;
            return _round(0, _withSticky(root, root * root != scaled), halved + ONE - 1);
        }
    }

    /// a * b + c with one rounding, at the end
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        if (_isSpecial(a) || _isSpecial(b) || _isSpecial(c)) return _fmaSpecial(a, b, c);
        (uint256 significand, uint256 exponent) = _product(a, b);
        (uint256 significandC, uint256 exponentC) = _unpackWide(c);
        if (significand == 0) exponent = exponentC; // the exponent of a zero must not push the other term down
        return _roundSum((a ^ b) & SIGN, significand, exponent, c & SIGN, significandC, exponentC);
    }

    /// The lesser; NaN if either is NaN; -0 is less than +0 (IEEE 754-2019 minimum).
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _order(a) <= _order(b) ? a : b;
    }

    /// The greater; NaN if either is NaN; +0 is greater than -0 (IEEE 754-2019 maximum).
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _order(a) >= _order(b) ? a : b;
    }

    /// a = b: -0 equals +0, a NaN equals nothing.
    function equal(uint256 a, uint256 b) internal pure returns (bool) {
        if (isNaN(a) || isNaN(b)) return false;
        return a == b || (a | b) & MAGNITUDE == 0;
    }

    /// a < b: false with a NaN, and between the two zeros.
    function less(uint256 a, uint256 b) internal pure returns (bool) {
        return !(isNaN(a) || isNaN(b)) && _number(a) < _number(b);
    }

    /// a <= b: false with a NaN.
    function lessEqual(uint256 a, uint256 b) internal pure returns (bool) {
        return !(isNaN(a) || isNaN(b)) && _number(a) <= _number(b);
    }

    /// Whether `a` is an infinity or a NaN.
    function _isSpecial(uint256 a) private pure returns (bool) {
        return a & INFINITY == INFINITY;
    }

    function _addSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        if (!_isSpecial(a)) return b;
        return b == a ^ SIGN ? NAN : a;
    }

    function _mulSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (isNaN(a) || isNaN(b) || a & MAGNITUDE == 0 || b & MAGNITUDE == 0) return NAN;
        return INFINITY | ((a ^ b) & SIGN);
    }

    /// One of the magnitudes is special, or b is 0.
    function _divSpecial(uint256 sign, uint256 a, uint256 b) private pure returns (uint256) {
        if (a > INFINITY || b > INFINITY) return NAN;
        if (a == INFINITY) return b == INFINITY ? NAN : INFINITY | sign;
        if (b == INFINITY) return sign;
        return a == 0 ? NAN : INFINITY | sign;
    }

    function _fmaSpecial(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (isNaN(c)) return NAN;
        if (_isSpecial(a) || _isSpecial(b)) return add(_mulSpecial(a, b), c);
        return c;
    }

    /// An integer that sorts as the numbers do, with -0 just below +0.
    function _order(uint256 a) private pure returns (uint256) {
        unchecked {
            return a < SIGN ? a + SIGN : MAGNITUDE - (a & MAGNITUDE);
        }
    }

    /// An integer that sorts as the numbers do, and is 0 for both zeros.
    function _number(uint256 a) private pure returns (int256 value) {
        assembly ("memory-safe") {
            let minus := sub(0, shr(31, a))
            value := sub(xor(and(a, MAGNITUDE), minus), minus)
        }
    }

    function _unpack(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        return FloatFormat.unpack(a & MAGNITUDE, FRACTION_BITS);
    }

    /// As a product with 1 has it: a significand of up to 47 bits.
    function _unpackWide(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        (significand, exponent) = _unpack(a);
        unchecked {
            return (significand << FRACTION_BITS, exponent - FRACTION_BITS);
        }
    }

    /// The exact product of two finite numbers: up to 48 bits; an exponent of ORIGIN - 149 or more.
    function _product(uint256 a, uint256 b) private pure returns (uint256 significand, uint256 exponent) {
        (uint256 significandA, uint256 exponentA) = _unpack(a);
        (uint256 significandB, uint256 exponentB) = _unpack(b);
        unchecked {
            return (significandA * significandB, exponentA + exponentB - (ORIGIN + ONE));
        }
    }

    /// @dev The sum of two exact terms of at most 48 bits, rounded once. A term of 0 must have the lesser exponent, or
    /// the other term must vanish in rounding: true for the zero of `_unpack`, whose exponent is the least there is.
    function _roundSum(
        uint256 signA,
        uint256 significandA,
        uint256 exponentA,
        uint256 signB,
        uint256 significandB,
        uint256 exponentB
    ) private pure returns (uint256) {
        if (exponentA < exponentB) {
            (signA, significandA, exponentA, signB, significandB, exponentB) =
            (signB, significandB, exponentB, signA, significandA, exponentA);
        }
        unchecked {
            uint256 distance = exponentA - exponentB;
            uint256 high = significandA << ALIGNED_BITS;
            uint256 low =
                distance <= ALIGNED_BITS ? significandB << (ALIGNED_BITS - distance) : (significandB == 0 ? 0 : 1);
            uint256 exponent = exponentA - ALIGNED_BITS;
            if (signA == signB) return _round(signA, high + low, exponent);
            if (high > low) return _round(signA, high - low, exponent);
            return low == high ? 0 : _round(signB, low - high, exponent);
        }
    }

    function _round(uint256 sign, uint256 significand, uint256 exponent) private pure returns (uint256) {
        return FloatFormat.round(sign, significand, exponent, FRACTION_BITS, INFINITY);
    }

    /// @dev floor(sqrt(x)) for 2^87 <= x < 2^89. Newton's method from 2^44, which is at most 42 % off; each step about
    /// halves the square of the relative error, so that five leave less than 2^-70, and from above.
    function _root(uint256 x) private pure returns (uint256 root) {
        assembly ("memory-safe") {
            root := shl(ROOT_BITS, 1)
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := sub(root, lt(div(x, root), root))
        }
    }

    /// `value` with one more bit below it: set where a nonzero remainder was cut off there.
    function _withSticky(uint256 value, bool inexact) private pure returns (uint256) {
        return inexact ? (value << 1) | 1 : value << 1;
    }
}
