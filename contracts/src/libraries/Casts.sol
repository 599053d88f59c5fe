// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FloatFormat} from "./FloatFormat.sol";
import {DTypeCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";

/// @title Conversions between all dtypes, on words
/// @dev The mirror of `aivm.numerics.conversions`: one rounding to a float; truncated and saturated, NaN giving 0, from
/// a float to an integer; wrapping between integers; x != 0 (true for NaN) to BOOL.
library Casts {
    /// One bit more than round() must cut off from the shortest significand.
    uint256 private constant SPARE_BITS = 32;

    /// The word of dtype `target` for a word of dtype `source`.
    function cast(uint256 source, uint256 target, uint256 word) internal pure returns (uint256) {
        if (isFloat(source)) {
            if (isFloat(target)) return _floatToFloat(source, target, word);
            return target == DTypeCode.BOOL ? _floatToBool(source, word) : _floatToInteger(source, target, word);
        }
        int256 value = Integers.valueOf(source, word);
        if (isFloat(target)) return _integerToFloat(target, value);
        if (target == DTypeCode.BOOL) return value == 0 ? 0 : 1;
        return Integers.wrap(target, value);
    }

    /// The word itself, or the canonical NaN in place of any other; every result element passes through this.
    function canonical(uint256 dtype, uint256 word) internal pure returns (uint256) {
        if (!isFloat(dtype)) return word;
        (uint256 fractionBits, uint256 infinity,) = FloatFormat.parameters(dtype);
        uint256 magnitude = word & (FloatFormat.signBit(fractionBits, infinity) - 1);
        return magnitude > infinity ? FloatFormat.canonicalNaN(fractionBits, infinity) : word;
    }

    function isFloat(uint256 dtype) internal pure returns (bool) {
        return dtype == DTypeCode.F32 || dtype == DTypeCode.F16 || dtype == DTypeCode.BF16;
    }

    /// One rounding; widening is exact.
    function _floatToFloat(uint256 source, uint256 target, uint256 word) private pure returns (uint256) {
        (uint256 wideBits, uint256 wideInfinity, uint256 wideSmallest) = FloatFormat.parameters(source);
        (uint256 bits, uint256 infinity, uint256 smallest) = FloatFormat.parameters(target);
        uint256 wideSign = FloatFormat.signBit(wideBits, wideInfinity);
        uint256 magnitude = word & (wideSign - 1);
        if (magnitude > wideInfinity) return FloatFormat.canonicalNaN(bits, infinity);
        uint256 sign = word == magnitude ? 0 : FloatFormat.signBit(bits, infinity);
        if (magnitude == wideInfinity) return infinity | sign;
        (uint256 significand, uint256 exponent) = FloatFormat.unpack(magnitude, wideBits);
        // from units of 2^-wideSmallest to units of 2^-smallest
        exponent = exponent + smallest - wideSmallest - SPARE_BITS;
        return FloatFormat.round(sign, significand << SPARE_BITS, exponent, bits, infinity);
    }

    /// Truncated toward zero, then clamped to the target's range; NaN gives 0.
    function _floatToInteger(uint256 source, uint256 target, uint256 word) private pure returns (uint256) {
        (uint256 fractionBits, uint256 infinity, uint256 smallestBit) = FloatFormat.parameters(source);
        uint256 magnitude = word & (FloatFormat.signBit(fractionBits, infinity) - 1);
        bool negative = word != magnitude;
        (int256 least, int256 most) = (Integers.smallest(target), Integers.largest(target));
        if (magnitude > infinity) return 0;
        if (magnitude == infinity) return Integers.wrap(target, negative ? least : most);
        (uint256 significand, uint256 exponent) = FloatFormat.unpack(magnitude, fractionBits);
        uint256 one = FloatFormat.ORIGIN + smallestBit; // the exponent of 1
        int256 value = int256(exponent < one ? significand >> (one - exponent) : significand << (exponent - one));
        if (negative) value = -value;
        return Integers.wrap(target, value < least ? least : (value > most ? most : value));
    }

    /// 0 for either zero, 1 for everything else, NaN included.
    function _floatToBool(uint256 source, uint256 word) private pure returns (uint256) {
        (uint256 fractionBits, uint256 infinity,) = FloatFormat.parameters(source);
        return word & (FloatFormat.signBit(fractionBits, infinity) - 1) == 0 ? 0 : 1;
    }

    /// The nearest float to the number: one rounding, also on the way to F16 and BF16.
    function _integerToFloat(uint256 target, int256 value) private pure returns (uint256) {
        (uint256 fractionBits, uint256 infinity, uint256 smallestBit) = FloatFormat.parameters(target);
        uint256 sign = value < 0 ? FloatFormat.signBit(fractionBits, infinity) : 0;
        uint256 magnitude = uint256(value < 0 ? -value : value);
        uint256 exponent = FloatFormat.ORIGIN + smallestBit - SPARE_BITS;
        return FloatFormat.round(sign, magnitude << SPARE_BITS, exponent, fractionBits, infinity);
    }
}
