// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INumerics} from "../interfaces/INumerics.sol";
import {DTypeCode} from "./Functions.gen.sol";

/// @title IEEE 754 binary formats: taking a word apart exactly, and the one place where rounding happens
/// @dev The mirror of `aivm.numerics.formats`. A finite word stands for
/// `(-1)^sign * significand * 2^(exponent - ORIGIN)`, in units of the format's smallest subnormal number, so that
/// exponents are unsigned. A sign is written as the sign bit in its place.
library FloatFormat {
    /// The exponent of the smallest subnormal number; high enough for every intermediate result.
    uint256 internal constant ORIGIN = 512;

    /// The highest bit of a significand that is cheap to round.
    uint256 internal constant USUAL = 146;

    /// @return fractionBits Bits of the significand behind the hidden one.
    /// @return infinity The word of +infinity; the bit above it is the sign.
    /// @return smallest The smallest subnormal number is `2^-smallest`.
    function parameters(uint256 dtype)
        internal
        pure
        returns (uint256 fractionBits, uint256 infinity, uint256 smallest)
    {
        if (dtype == DTypeCode.F32) {
            return (23, 0x7f800000, 149);
        }
        if (dtype == DTypeCode.F16) return (10, 0x7c00, 24);
        if (dtype == DTypeCode.BF16) return (7, 0x7f80, 133);
        revert INumerics.UndefinedDType(dtype);
    }

    function signBit(uint256 fractionBits, uint256 infinity) internal pure returns (uint256) {
        return infinity + (1 << fractionBits);
    }

    /// The one NaN that an instruction may give: quiet, positive, no payload.
    function canonicalNaN(uint256 fractionBits, uint256 infinity) internal pure returns (uint256) {
        return infinity | (1 << (fractionBits - 1));
    }

    /// @param magnitude A finite word without its sign.
    function unpack(uint256 magnitude, uint256 fractionBits)
        internal
        pure
        returns (uint256 significand, uint256 exponent)
    {
        assembly ("memory-safe") {
            let field := shr(fractionBits, magnitude)
            let fieldLessHidden := sub(field, iszero(iszero(field))) // subnormals have no hidden bit
            significand := sub(magnitude, shl(fractionBits, fieldLessHidden))
            exponent := add(ORIGIN, fieldLessHidden)
        }
    }

    /// @notice The word nearest to `significand * 2^(exponent - ORIGIN)`, ties to even, with the given sign.
    /// @dev Overflow gives infinity, underflow is gradual. A significand other than 0 must have at least two bits more
    /// than the format holds, or an exponent below ORIGIN: there must be something to cut off. Below 2^149.
    function round(uint256 sign, uint256 significand, uint256 exponent, uint256 fractionBits, uint256 infinity)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            if (significand == 0) return sign;
            uint256 unit = log2(significand) + exponent - fractionBits;
            if (unit < ORIGIN) unit = ORIGIN;
            uint256 cut = unit - exponent;
            // Just below one half, or one half where that makes an odd number even.
            uint256 half = (1 << (cut - 1)) - 1 + ((significand >> cut) & 1);
            // The hidden bit adds one to the exponent field; so does a carry out of rounding.
            uint256 magnitude = ((unit - ORIGIN) << fractionBits) + ((significand + half) >> cut);
            return sign | (magnitude < infinity ? magnitude : infinity);
        }
    }

    /// @notice The number of bits of `x` less 1, for 0 < x < 2^149.
    /// @dev Binary32 arithmetic brings its significands to 2^USUAL and little more unless they cancel: found at once.
    function log2(uint256 x) internal pure returns (uint256 bits) {
        assembly ("memory-safe") {
            let top := shr(USUAL, x)
            switch top
            case 0 {
                bits := shl(7, lt(0xffffffffffffffffffffffffffffffff, x))
                bits := or(bits, shl(6, lt(0xffffffffffffffff, shr(bits, x))))
                bits := or(bits, shl(5, lt(0xffffffff, shr(bits, x))))
                bits := or(bits, shl(4, lt(0xffff, shr(bits, x))))
                bits := or(bits, shl(3, lt(0xff, shr(bits, x))))
                bits := or(bits, shl(2, lt(0xf, shr(bits, x))))
                // of four bits: byte i of this word, counted from the highest, is log2(i)
                bits := or(bits, byte(shr(bits, x), 0x0000010102020202030303030303030300000000000000000000000000000000))
            }
            default { bits := add(USUAL, add(lt(1, top), lt(3, top))) }
        }
    }
}
