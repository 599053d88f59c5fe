// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UsualFunctions} from "./FloatFunctions.gen.sol";
import {DTypeCode, FunctionCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";
import {Remainder} from "./Remainder.sol";

/// @title The scalar function of a MAP instruction, but for those that `FunctionPlace` names
/// @dev The mirror of `aivm.isa.recipes.apply`. Words are patterns in their dtype's width, truths are 0 and 1.
library Functions {
    /// @notice The function `code` of words of `dtype`: `x`, or `x` and `y`, or all three.
    /// @dev The first word of a SELECT is a BOOL. An F32 result is not canonical yet (`Float32.canonical`).
    function evaluate(uint256 code, uint256 dtype, uint256 x, uint256 y, uint256 z) internal pure returns (uint256) {
        if (code == FunctionCode.SELECT) return x != 0 ? y : z;
        if (dtype != DTypeCode.F32) return Integers.evaluate(code, dtype, x, y);
        if (code == FunctionCode.FMOD) return Remainder.fmod(x, y);
        return UsualFunctions.evaluate(code, x, y, z);
    }
}
