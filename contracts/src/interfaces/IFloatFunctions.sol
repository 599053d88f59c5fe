// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A part of the scalar functions on F32, for `Numerics`, whose code has no room for all
interface IFloatFunctions {
    /// @notice The function `code` of one or two words. Reverts with `INumerics.UndefinedFunction` if it is not here.
    function evaluate(uint256 code, uint256 x, uint256 y) external pure returns (uint256);
}
