// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Scalar arithmetic of numerics 1, bit for bit as every engine computes it
/// @dev No state, no privileges, no money: functions of words alone. A word is the bits of a float, or the two's
/// complement pattern of an integer, in the width of its dtype; a BOOL is 0 or 1. Callers must pass words that fit.
/// Codes are those of program records (`DTypeCode`, `FunctionCode`); one that is not defined there reverts.
interface INumerics {
    /// Numerics 1 does not define this function on this dtype.
    error UndefinedFunction(uint256 code, uint256 dtype);
    /// There is no such dtype, or it has no place here.
    error UndefinedDType(uint256 dtype);

    /// @notice The scalar function of a MAP instruction on one, two or three words; the others are ignored.
    /// @param dtype Of the operands; of the last two where the function is SELECT, whose first operand is a BOOL.
    function evaluate(uint256 code, uint256 dtype, uint256 x, uint256 y, uint256 z) external view returns (uint256);

    /// @notice A word of dtype `source` converted to dtype `target`, as a CAST does.
    function cast(uint256 source, uint256 target, uint256 word) external pure returns (uint256);

    /// @notice The canonical NaN in place of a NaN, any other word unchanged: every element of a result goes through it.
    function canonical(uint256 dtype, uint256 word) external pure returns (uint256);

    /// @notice Element `index` of a RANDOM instruction whose seed is `[key, stream]`: a U32.
    function random(uint256 key, uint256 stream, uint256 index) external pure returns (uint256);
}
