// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {INumerics} from "../interfaces/INumerics.sol";
import {DTypeCode} from "./Functions.gen.sol";

/// @title IEEE 754 binary formats: taking a word apart exactly, and the one place where rounding happens
/// @dev The mirror of `aivm.numerics.formats`. A finite word stands for
/// `(-1)^sign * significand * 2^(exponent - ORIGIN)`, in units of the format's smallest subnormal number, so that
/// exponents are unsigned. A sign is written as the sign bit in its place.
library FloatFormat {
    /// The exponent of the smallest subnormal number; high enough for every intermediate result.
    uint256 internal constant ORIGIN = 512;

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
        unchecked {
            uint256 field = magnitude >> fractionBits;
            if (field == 0) return (magnitude, ORIGIN);
            return (magnitude - ((field - 1) << fractionBits), ORIGIN + field - 1);
        }
    }

    /// @notice The word nearest to `significand * 2^(exponent - ORIGIN)`, ties to even, with the given sign.
    /// @dev Overflow gives infinity, underflow is gradual. A significand other than 0 must have at least two bits more
    /// than the format holds, or an exponent below ORIGIN: there must be something to cut off. Below 2^255.
    function round(uint256 sign, uint256 significand, uint256 exponent, uint256 fractionBits, uint256 infinity)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            if (significand == 0) return sign;
            uint256 unit = Math.log2(significand) + exponent - fractionBits;
            if (unit < ORIGIN) unit = ORIGIN;
            uint256 cut = unit - exponent;
            // Just below one half, or one half where that makes an odd number even.
            uint256 half = (1 << (cut - 1)) - 1 + ((significand >> cut) & 1);
            // The hidden bit adds one to the exponent field; so does a carry out of rounding.
            uint256 magnitude = ((unit - ORIGIN) << fractionBits) + ((significand + half) >> cut);
            return sign | (magnitude < infinity ? magnitude : infinity);
        }
    }
}
