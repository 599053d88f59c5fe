// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INumerics} from "../interfaces/INumerics.sol";
import {DTypeCode, FunctionCode} from "./Functions.gen.sol";

/// @title Operations on words of every integer dtype, and on BOOL
/// @dev The mirror of `aivm.numerics.integers`. A word is the two's complement pattern in the dtype's width, and must
/// be below 2^width; a BOOL is 0 or 1. Results wrap. Division is total (x / 0 = 0, x mod 0 = 0), which is what the
/// EVM's own does; a shift by a negative count, or by the width or more, shifts everything out.
library Integers {
    /// Bits of a word: of an integer dtype, or 1 for BOOL.
    function width(uint256 dtype) internal pure returns (uint256) {
        if (dtype == DTypeCode.BOOL) return 1;
        if (dtype < DTypeCode.U8 || dtype > DTypeCode.I64) revert INumerics.UndefinedDType(dtype);
        unchecked {
            return 8 << ((dtype - DTypeCode.U8) >> 1); // codes come in pairs: U8, I8, U16, I16, ...
        }
    }

    /// Whether the words of an integer dtype, or of BOOL, have a sign.
    function isSigned(uint256 dtype) internal pure returns (bool) {
        return dtype > DTypeCode.BOOL && dtype & 1 == 0;
    }

    /// The number that a word of an integer dtype, or of BOOL, stands for.
    function valueOf(uint256 dtype, uint256 word) internal pure returns (int256 value) {
        uint256 bits = width(dtype);
        if (!isSigned(dtype)) return int256(word);
        assembly ("memory-safe") {
            value := signextend(sub(shr(3, bits), 1), word)
        }
    }

    /// The word of the number that is congruent to `value` modulo 2^width.
    function wrap(uint256 dtype, int256 value) internal pure returns (uint256) {
        unchecked {
            return uint256(value) & ((1 << width(dtype)) - 1);
        }
    }

    /// The smallest number of an integer dtype.
    function smallest(uint256 dtype) internal pure returns (int256) {
        return isSigned(dtype) ? -int256(1 << (width(dtype) - 1)) : int256(0);
    }

    /// The largest number of an integer dtype.
    function largest(uint256 dtype) internal pure returns (int256) {
        return int256(1 << (width(dtype) - (isSigned(dtype) ? 1 : 0))) - 1;
    }

    /// @notice The function `code` of one or two words of `dtype`; a comparison gives 0 or 1.
    /// @param b Ignored by functions of one operand.
    function evaluate(uint256 code, uint256 dtype, uint256 a, uint256 b) internal pure returns (uint256) {
        (int256 x, int256 y) = (valueOf(dtype, a), valueOf(dtype, b));
        if (code >= FunctionCode.EQUAL) return _compare(code, dtype, x, y) ? 1 : 0;
        if (dtype == DTypeCode.BOOL && !_isOnBool(code)) revert INumerics.UndefinedFunction(code, dtype);
        return wrap(dtype, code < FunctionCode.ADD ? _unary(code, dtype, x) : _binary(code, dtype, x, y));
    }

    function _compare(uint256 code, uint256 dtype, int256 x, int256 y) private pure returns (bool) {
        if (code == FunctionCode.EQUAL) return x == y;
        if (code == FunctionCode.LESS) return x < y;
        if (code == FunctionCode.LESS_EQUAL) return x <= y;
        revert INumerics.UndefinedFunction(code, dtype);
    }

    function _isOnBool(uint256 code) private pure returns (bool) {
        return code == FunctionCode.NOT || code == FunctionCode.MIN || code == FunctionCode.MAX
            || (code >= FunctionCode.AND && code <= FunctionCode.XOR);
    }

    /// Exact, or congruent modulo 2^256.
    function _unary(uint256 code, uint256 dtype, int256 x) private pure returns (int256) {
        unchecked {
            if (code == FunctionCode.NEG) return -x;
            if (code == FunctionCode.ABS) return x < 0 ? -x : x;
            if (code == FunctionCode.SIGN) return x < 0 ? -1 : (x > 0 ? int256(1) : int256(0));
            if (code == FunctionCode.NOT) return ~x;
            revert INumerics.UndefinedFunction(code, dtype);
        }
    }

    /// Exact, or congruent modulo 2^256.
    function _binary(uint256 code, uint256 dtype, int256 x, int256 y) private pure returns (int256) {
        unchecked {
            if (code == FunctionCode.ADD) return x + y;
            if (code == FunctionCode.SUB) return x - y;
            if (code == FunctionCode.MUL) return x * y;
            if (code == FunctionCode.DIV) return y == 0 ? int256(0) : x / y;
            if (code == FunctionCode.MIN) return x < y ? x : y;
            if (code == FunctionCode.MAX) return x > y ? x : y;
            if (code == FunctionCode.MOD) return _mod(x, y);
            if (code == FunctionCode.FMOD) return y == 0 ? int256(0) : x % y;
        }
        return _bits(code, dtype, x, y);
    }

    /// The remainder with the sign of the divisor.
    function _mod(int256 x, int256 y) private pure returns (int256) {
        if (y == 0) return 0;
        unchecked {
            int256 rest = x % y; // has the sign of x
            return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
        }
    }

    /// A negative count is a huge one here, and the EVM shifts by huge counts as numerics 1 does.
    function _bits(uint256 code, uint256 dtype, int256 x, int256 y) private pure returns (int256) {
        if (code == FunctionCode.AND) return x & y;
        if (code == FunctionCode.OR) return x | y;
        if (code == FunctionCode.XOR) return x ^ y;
        if (code == FunctionCode.SHIFT_LEFT) return x << uint256(y);
        if (code == FunctionCode.SHIFT_RIGHT) return x >> uint256(y);
        revert INumerics.UndefinedFunction(code, dtype);
    }
}
