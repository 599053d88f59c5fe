// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FloatFormat} from "./FloatFormat.sol";
import {Float32} from "./Float32.sol";

/// @title The remainder of a division of binary32 numbers, which is exact
/// @dev The one function of numerics 1 that is not generated from `aivm.numerics.functions`: what takes 184 roundings
/// there is a remainder of integers, as its definition in `aivm.numerics.functions.remainder.fmod` says, and is taken
/// as that. Compared with the specification by tests/unit/contracts/test_numerics.py.
library Remainder {
    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant FRACTION_BITS = 23;
    /// A significand of 24 bits can be shifted that far within a word. Exponents differ by 253 at most.
    uint256 private constant ROOM = 128;

    /// @notice x - y * trunc(x / y), with the sign of x, also where it is a zero.
    /// @dev A NaN (with the sign of x) where y is a zero or either is a NaN or x infinite; x where y is infinite.
    function fmod(uint256 x, uint256 y) internal pure returns (uint256) {
        uint256 sign = x & Float32.SIGN;
        x &= MAGNITUDE;
        y &= MAGNITUDE;
        if (x >= Float32.INFINITY || y == 0 || y > Float32.INFINITY) return Float32.NAN | sign;
        if (x < y) return x | sign;
        (uint256 dividend, uint256 exponent) = FloatFormat.unpack(x, FRACTION_BITS);
        (uint256 divisor, uint256 lesser) = FloatFormat.unpack(y, FRACTION_BITS);
        unchecked {
            uint256 distance = exponent - lesser; // not below 0, as y <= x
            if (distance > ROOM) {
                dividend = (dividend << ROOM) % divisor;
                distance -= ROOM;
            }
            return sign | _pack((dividend << distance) % divisor, lesser);
        }
    }

    /// The word of a significand of up to 24 bits, exactly; `exponent` as `FloatFormat.unpack` gives it.
    function _pack(uint256 significand, uint256 exponent) private pure returns (uint256) {
        if (significand == 0) return 0;
        unchecked {
            uint256 up = FRACTION_BITS - FloatFormat.log2(significand);
            exponent -= FloatFormat.ORIGIN;
            if (up > exponent) up = exponent; // a subnormal number
            // the hidden bit adds one to the exponent field
            return ((exponent - up) << FRACTION_BITS) + (significand << up);
        }
    }
}
